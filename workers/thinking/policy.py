"""How much the next model call may think: a table of rules. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from workers.agent import Agent
from workers.events import Decision, RejectionReason, ThinkingMode
from workers.llm.client import Budgets


@dataclass(frozen=True, slots=True)
class Case:
    """`mode_before` is the mode of the call before this one, None for the first after a message."""

    agent: Agent
    text: str
    mode_before: ThinkingMode | None
    rejections: int
    last_rejection: RejectionReason | None


def decide(
    *,
    agent: Agent,
    text: str,
    mode_before: ThinkingMode | None,
    rejections: int,
    last_rejection: RejectionReason | None,
    budgets: Budgets,
) -> Decision:
    """The first rule of the table that fits. `text` is the person's last message."""
    case = Case(agent, text, mode_before, rejections, last_rejection)
    for reason, fits, choose in _RULES:
        if fits(case):
            mode = choose if isinstance(choose, str) else choose(case)
            return Decision(mode=mode, reason=reason, budget=_budget(mode, budgets))
    return Decision()


def strip_command(text: str) -> str:
    """`text` without a leading /think or /no_think."""
    found = _COMMAND.match(text)
    return text[found.end() :] if found else text


_COMMAND = re.compile(r"\s*/(no_?think|think)(?!\S)\s*", re.I)
_NUMBER = re.compile(
    r"\d[\d,.]*|\b(?:half|twice|double|triple|dozen|two|three|four|five|six|seven|eight|nine|ten|"
    r"twelve|twenty|hundred)\b",
    re.I,
)
_REASONING = re.compile(
    r"\b(how (?:many|much|long|far|old|fast)|in total|altogether|per (?:day|hour|week|month|year)|"
    r"each|remaining|left over|times as|more than|less than|percent|average|probability|"
    r"step by step|prove|work out|figure out|puzzle|riddle|in which order|who is)\b",
    re.I,
)
STORY = 80, 2000
"""Characters that a question with several steps has, at least and at most."""


Rule = tuple[str, Callable[[Case], bool], ThinkingMode | Callable[[Case], ThinkingMode]]


def _rules() -> tuple[Rule, ...]:
    # Thinking costs accuracy on easy questions (MODEL.md: .92 without, .88 with, on the embedded
    # model) and buys it on stories with several numbers (.11 without, .57 with): so none is the
    # rule.
    # fmt: off
    return (
        # reason                fits when               mode
        ("user:/no_think",      _no_think_wanted,       "none"),
        ("thinking broke JSON", _thought_broke_answer,  "none"),
        ("user:/think",         _think_wanted,          "long"),
        ("agent",               _agent_decides,         _mode_of_agent),
        ("escalated",           _wrong_without_thought, "short"),
        ("escalated again",     _wrong_despite_thought, "long"),
        ("held",                _in_a_tool_loop,        _mode_before),
        ("several steps",       _several_steps,         "short"),
    )
    # fmt: on


def _command(case: Case) -> str:
    found = _COMMAND.match(case.text)
    return found[1].lower().replace("_", "") if found else ""


def _no_think_wanted(case: Case) -> bool:
    return _command(case) == "nothink"


def _think_wanted(case: Case) -> bool:
    return _command(case) == "think"


def _thought_broke_answer(case: Case) -> bool:
    broken = case.last_rejection in ("empty", "invalid_json", "prose")
    return broken and case.mode_before in ("short", "long")


def _agent_decides(case: Case) -> bool:
    return case.agent.thinking != "auto"


def _mode_of_agent(case: Case) -> ThinkingMode:
    return "none" if case.agent.thinking == "auto" else case.agent.thinking


def _chose_wrongly(case: Case) -> bool:
    return case.last_rejection in ("invalid_arguments", "unknown_action")


def _wrong_without_thought(case: Case) -> bool:
    return _chose_wrongly(case) and case.mode_before in (None, "none")


def _wrong_despite_thought(case: Case) -> bool:
    return _chose_wrongly(case) and case.mode_before == "short" and case.rejections >= 2


def _in_a_tool_loop(case: Case) -> bool:
    return case.mode_before is not None


def _mode_before(case: Case) -> ThinkingMode:
    return case.mode_before or "none"


def _several_steps(case: Case) -> bool:
    text = strip_command(case.text)
    if not STORY[0] <= len(text) <= STORY[1]:
        return False
    numbers, words = len(_NUMBER.findall(text)), len(set(_REASONING.findall(text.lower())))
    return numbers >= 2 and words >= 1 and numbers + words >= 4


def _budget(mode: ThinkingMode, budgets: Budgets) -> int:
    match mode:
        case "none":
            return 0
        case "short":
            return budgets.short
        case "long":
            return budgets.long
        case _:
            assert_never(mode)


_RULES = _rules()
