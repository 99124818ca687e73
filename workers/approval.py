"""Asking a person for a yes, and reading the answer. Pure.

Only a clear yes, written by somebody whose channel vouches for them, approves. A clear no denies;
anything else withdraws the call and goes to the agent as a remark.
"""

from __future__ import annotations

import json
import re

from workers.events import ApprovalAnswered, MessageReceived, ToolCall

_YES = frozenset(
    "yes|y|yes please|yep|yeah|ok|okay|sure|approve|approved|i approve|go|go ahead|do it|confirm"
    "|confirmed|lgtm|👍|ja|ja bitte|oui|si|sí".split("|")
)
_NO = frozenset(
    "no|n|nope|no thanks|deny|denied|reject|rejected|stop|cancel|don't|do not|👎|nein|non".split(
        "|"
    )
)


def request_text(call: ToolCall) -> str:
    return f"May I run {_shown(call)}? Please answer yes or no."


def unknown_outcome_text(call: ToolCall, key: str | None) -> str:
    return (
        f"I started {_shown(call)} (key {key}) and was interrupted before I saw the outcome. "
        "I will not start it again by myself. Please look whether it happened, and tell me."
    )


def judge(message: MessageReceived, now: float) -> ApprovalAnswered:
    verdict = read_verdict(message.text) if message.authentic else None
    return ApprovalAnswered(
        at=now,
        approved=verdict is True,
        by=message.sender,
        remark="" if verdict is not None else message.text,
    )


def read_verdict(text: str) -> bool | None:
    """True or False for a clear yes or no and nothing else but a signature, otherwise None."""
    body = re.split(r"(?m)^--\s*$", text, maxsplit=1)[0]
    parts = re.split(r"[.!,;\n]+", body.replace("’", "'").lower())
    said = [" ".join(part.split()) for part in parts if part.strip()]
    if said and all(part in _YES for part in said):
        return True
    return False if said and all(part in _NO for part in said) else None


def _shown(call: ToolCall) -> str:
    arguments = ", ".join(f"{k}={json.dumps(v, default=str)}" for k, v in call.arguments.items())
    return f"{call.tool}({arguments})"
