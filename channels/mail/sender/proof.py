"""What a mail may do, by what is proven of it. Pure.

A signature proves who wrote a mail once. It does not prove for whom: a mail can be sent again by
anybody who has it. So an answer counts only if the signed part itself says what it answers, and
when it was written.
"""

from __future__ import annotations

from dataclasses import dataclass

from ponderd.channels.errors import Unauthenticated
from ponderd.channels.mail.names import MailNames
from ponderd.channels.mail.receive import Letter
from ponderd.channels.mail.wire.header import Header
from ponderd.channels.mail.wire.message_ids import read_ids
from ponderd.channels.message import Address, Trigger, Verdict


@dataclass(frozen=True, slots=True)
class Proof:
    """The domain of the sender vouches for a mail, and for some of its headers."""

    signed: frozenset[str] = frozenset()
    """The names of the headers that are signed, in lower case."""
    signed_at: float | None = None
    """When they were signed, Unix seconds. None: that is not known."""

    def written_at(self, header: Header) -> float | None:
        """When the mail was written, Unix seconds, the earlier of two times that are signed."""
        date = header.date if "date" in self.signed else None
        times = (date.timestamp() if date else None, self.signed_at)
        return min((time for time in times if time is not None), default=None)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is proven of a mail to one mailbox."""

    people: frozenset[str] = frozenset()
    """Those whom the sender certainly wrote this to, in this thread."""
    reply_to: bool = False
    """The sender certainly asked for the answer at the address in Reply-To."""
    answers: tuple[str, ...] = ()
    """As in `Trigger`."""
    written_at: float | None = None
    """As in `Trigger`."""
    key: str = ""
    """As in `Verdict`."""


def weigh(letter: Letter, proof: Proof | None, names: MailNames) -> Evidence:
    """Raises Unauthenticated for a mail to an approval if it is not enough to answer that."""
    if proof is None:
        if letter.inquiry:
            raise Unauthenticated(
                f"nothing proves that this is from {letter.sender.address} (DKIM, DMARC)"
                f"{_NOT_DECIDED}"
            )
        return Evidence()
    answers, written_at = _answers(letter, proof, names), proof.written_at(letter.header)
    bound = bool(answers) and written_at is not None
    if letter.inquiry and not bound:
        missing = "Date" if answers else "what it answers (To or In-Reply-To)"
        raise Unauthenticated(f"the DKIM signature does not cover {missing}{_NOT_DECIDED}")
    own_id = letter.header.own_id if "message-id" in proof.signed else None
    return Evidence(
        people=_people(letter, proof, names),
        reply_to="reply-to" in proof.signed,
        answers=answers if bound else (),
        written_at=written_at if bound else None,
        key=f"email:{own_id}" if own_id else "",
    )


_NOT_DECIDED = ", so this mail decides nothing; use the link in our question, or another way"


def proven_verdict(verdict: Verdict, evidence: Evidence | None) -> Verdict:
    """A verdict with what is proven of it; None: nothing is to be proven."""
    if evidence is None:
        return verdict
    proven = {"answers": evidence.answers, "written_at": evidence.written_at, "key": evidence.key}
    return verdict.model_copy(update=proven)


def proven_trigger(trigger: Trigger, evidence: Evidence | None) -> Trigger:
    """A message without all that is not proven of it; None: nothing is to be proven."""
    if evidence is None:
        return trigger
    people = tuple(person for person in trigger.people if person in evidence.people)
    proven = {
        "authentic": trigger.authentic and bool(evidence.answers),
        "people": people or trigger.people,
        "people_proven": bool(people),
        "answers": evidence.answers,
        "written_at": evidence.written_at,
        "reply_to": trigger.reply_to and _reply_to(trigger.reply_to, trigger.sender, evidence),
    }
    return trigger.model_copy(update=proven)


def _reply_to(asked: Address, sender: str, evidence: Evidence) -> Address:
    """Where the answer goes: to nobody whom somebody else may have added to an old mail, to read
    what it is answered."""
    headers = dict(asked.headers)
    copies = [entry for entry in headers.pop("cc", "").split(", ") if entry in evidence.people]
    headers |= {"cc": ", ".join(copies)} if copies else {}
    return asked.model_copy(
        update={"to": asked.to if evidence.reply_to else sender, "headers": headers}
    )


def _people(letter: Letter, proof: Proof, names: MailNames) -> frozenset[str]:
    """The addresses in the signed To and Cc. None if it was not to us, or not in this thread."""
    place = {"message-id", "in-reply-to", "references"}
    if any(letter.header.has(name) for name in place - proof.signed):
        return frozenset()
    addressed = _addressed(letter, proof)
    return addressed if _is_to_us(addressed, names) else frozenset()


def _addressed(letter: Letter, proof: Proof) -> frozenset[str]:
    header, signed = letter.header, proof.signed
    to, cc = (header.to if "to" in signed else ()), (header.cc if "cc" in signed else ())
    return frozenset(entry.address.lower() for entry in (*to, *cc))


def _is_to_us(addressed: frozenset[str], names: MailNames) -> bool:
    return any(address.endswith(f"@{names.domain.lower()}") for address in addressed)


def _answers(letter: Letter, proof: Proof, names: MailNames) -> tuple[str, ...]:
    """The ids of our messages, or of the inquiry, that the signed part names."""
    header, signed = letter.header, proof.signed
    addressed = _addressed(letter, proof)
    if letter.inquiry and f"{letter.local}@{names.domain}".lower() in addressed:
        return (str(letter.inquiry),)
    # Whoever forwards our mail to somebody with a word on top has answered them, not us.
    if "to" in signed and not _is_to_us(addressed, names):
        return ()
    named = [header.raw(name) for name in ("in-reply-to", "references") if name in signed]
    found = [message_id for value in named for message_id in read_ids(value)]
    ours = [i for i in found if letter.run_id and names.run_of(i) == letter.run_id]
    return tuple(dict.fromkeys(ours))
