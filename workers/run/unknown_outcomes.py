"""Tool calls that may have happened or not: what people know of them, and what follows. Pure.

Until somebody who was asked has spoken, nothing may begin such a tool again without a yes: a
message that was written before the question answers something else.
"""

from __future__ import annotations

from ponderd.workers.run.approved_call import shown
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.copies import replace
from ponderd.workers.run.state import Outgoing, Run, UnknownOutcome

KEPT = 50
"""How many calls a run remembers for a result that comes late."""


def remember(run: Run, unknown: UnknownOutcome) -> Run:
    return replace(run, unknown=(*run.unknown, unknown)[-KEPT:])


def find(run: Run, key: str) -> UnknownOutcome | None:
    """The call with this key, if nobody knows its outcome yet."""
    return next((one for one in run.unknown if one.key == key and not one.came), None)


def question_sent(run: Run, text: str) -> Run:
    """A question reached those who were asked; `text` is what it says."""
    if all(one.question != text for one in run.unknown):
        return run
    changed = (replace(one, asked=one.asked or one.question == text) for one in run.unknown)
    return replace(run, unknown=tuple(changed))


def asks_of_one(run: Run, out: Outgoing) -> bool:
    return out.kind == "question" and any(one.question == out.text for one in run.unknown)


def answered(run: Run) -> Run:
    """A person has spoken who had read what was asked or told."""
    if not run.unknown:
        return run
    changed = (replace(one, heard=one.heard or one.asked) for one in run.unknown)
    return replace(run, unknown=tuple(one for one in changed if not (one.came and one.heard)))


def allowed(run: Run, tool: str) -> Run:
    """A person said yes to another call of this tool."""
    if not run.unknown:
        return run
    changed = (replace(one, heard=one.heard or one.call.tool == tool) for one in run.unknown)
    return replace(run, unknown=tuple(one for one in changed if not (one.came and one.heard)))


def in_the_way(run: Run, call: ToolCall) -> UnknownOutcome | None:
    """The newest call of the same tool on whose outcome people have not yet spoken."""
    same = (one for one in reversed(run.unknown) if one.call.tool == call.tool and not one.heard)
    return next(same, None)


def again_text(call: ToolCall, before: UnknownOutcome) -> str:
    """Ask whether the tool may be used again."""
    if before.came:
        known = f"The result of an earlier call came late: {shown(before.call)} (key {before.key})."
    else:
        known = (
            f"Nobody has told me yet what became of {shown(before.call)} (key {before.key}): "
            "it may have happened."
        )
    return f"{known} May I run {shown(call)}? Please answer yes or no."
