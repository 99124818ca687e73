"""What of a form that Twilio posts is a message to an agent. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ponderd.channels.message import Address, Ignored, Trigger
from ponderd.channels.text import clean, one_line

MOST_FILES = 10
"""Files of one message. Twilio takes no more."""

# Twilio answers these itself. Not "yes", which is a way to opt in again: here it answers a
# question. Nor "cancel", which is a command to an agent.
_TWILIOS_OWN = frozenset(
    "stop stopall unsubscribe end quit optout revoke start unstop help".split()
)
_TELEPHONE = re.compile(r"(?:whatsapp:)?\+[1-9][0-9]{4,14}|[0-9]{3,8}")
_SID = re.compile(r"[A-Za-z0-9]{1,64}")


@dataclass(frozen=True, slots=True)
class Sms:
    """One message, as it reached one of our numbers."""

    sid: str
    """Twilio's id of it, the same in each repeat."""
    ours: str
    theirs: str
    """Who wrote it: a number, or a name if nobody can write back there."""
    own: str
    """What they wrote."""
    text: str
    """That, and the files that came with it by name."""
    name: str = ""
    """How they call themselves. It proves nothing."""

    @property
    def can_be_answered(self) -> bool:
        return _TELEPHONE.fullmatch(self.theirs) is not None


def read_sms(payload: object) -> Sms | Ignored:
    """Read the fields of a form. Ignored: the state of a message of ours, a call, a STOP or another
    word that Twilio answers itself, or nothing at all."""
    fields = payload if isinstance(payload, dict) else {}
    sid = _field(fields, "MessageSid") or _field(fields, "SmsSid")
    ours, theirs = _field(fields, "To"), _field(fields, "From")
    state = _field(fields, "SmsStatus").lower()
    if "MessageStatus" in fields or state not in ("", "received", "receiving"):
        return Ignored(reason="status")
    if not (ours and theirs and _SID.fullmatch(sid)):
        return Ignored(reason="no_message")
    own = clean(str(fields["Body"])) if isinstance(fields.get("Body"), str) else ""
    word = own.strip().lower()
    by_twilio = word in _TWILIOS_OWN and not theirs.startswith("whatsapp:")
    if by_twilio or (_field(fields, "OptOutType") and word != "yes"):
        return Ignored(reason="opt_out")
    text = "\n".join([*([own] if own.strip() else []), *_files(fields)])
    if not text:
        return Ignored(reason="empty")
    return Sms(sid, ours, theirs, own, text, _field(fields, "ProfileName"))


def as_sms(trigger: Trigger, sms: Sms, *, conversation: bool, text: bool) -> Trigger:
    """The trigger of a webhook as one of this channel: it is the person's who wrote, and the answer
    goes back to them unless the route says otherwise.

    `conversation`, `text`: the route has its own. Otherwise our number and theirs are one
    conversation.
    """
    back = Address(
        channel="sms", to=sms.theirs, thread=sms.sid, headers={"from": sms.ours}
    )  # the thread tells later what was sent before it
    own = sms.own if text or sms.own != trigger.text else None
    changes: dict[str, Any] = {
        "channel": "sms",
        "keys": (f"sms:{sms.sid}",),
        "conversation": trigger.conversation if conversation else f"{sms.ours} {sms.theirs}",
        "own": own,
        "sender": sms.theirs,
        "name": trigger.name or sms.name,
        "authentic": sms.can_be_answered,
        "reply_to": trigger.reply_to or (back if sms.can_be_answered else None),
    }
    return trigger.model_copy(update=changes)


def _field(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return one_line(value) if isinstance(value, str) else ""


def _files(fields: Mapping[str, Any]) -> Iterator[str]:
    for number in range(MOST_FILES):
        if url := one_line(str(fields.get(f"MediaUrl{number}") or ""), 1_000):
            kind = _field(fields, f"MediaContentType{number}") or "unknown type"
            yield f"[file {number + 1}, {kind}: {url}]"
