"""Agents for a team: one message in, exactly one answer back.

What an agent's file needs, and all that ponderd promises to keep. Everything else is inside the
three folders that this package links to: channels, workers, daemon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ponderd.workers.agents.agent import (
        Agent,
        Example,
        Limits,
        Notify,
        Tool,
        ToolContext,
        WaitFor,
        tool,
    )
    from ponderd.workers.agents.policies import (
        Approvals,
        Budget,
        Budgets,
        Busy,
        Thinking,
        ThoughtBudget,
    )
    from ponderd.workers.agents.tools.attachments import read_attachment
    from ponderd.workers.agents.tools.notify import notify
    from ponderd.workers.run.choices import Answer, Choice, Question, ToolCall
else:  # a type checker that saw this function would believe that every name exists

    def __getattr__(name: str) -> Any:
        # Loaded when first used: `ponderd --help` imports this package and needs none of it.
        for home, names in _HOMES.items():
            if name in names:
                import importlib

                value = getattr(importlib.import_module(f"ponderd.workers.{home}"), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module 'ponderd' has no attribute {name!r}")


__all__ = [
    "Agent",
    "Answer",
    "Approvals",
    "Budget",
    "Budgets",
    "Busy",
    "Choice",
    "Example",
    "Limits",
    "Notify",
    "Question",
    "Thinking",
    "ThoughtBudget",
    "Tool",
    "ToolCall",
    "ToolContext",
    "WaitFor",
    "notify",
    "read_attachment",
    "tool",
]

_HOMES = {
    "agents.agent": (
        "Agent",
        "Example",
        "Limits",
        "Notify",
        "Tool",
        "ToolContext",
        "WaitFor",
        "tool",
    ),
    "agents.policies": ("Approvals", "Budget", "Budgets", "Busy", "Thinking", "ThoughtBudget"),
    "agents.tools.attachments": ("read_attachment",),
    "agents.tools.notify": ("notify",),
    "run.choices": ("Answer", "Choice", "Question", "ToolCall"),
}


def __dir__() -> list[str]:
    return __all__
