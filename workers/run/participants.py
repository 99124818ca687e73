"""Who takes part in a run by mail: a part of `reduce`. Pure.

Whoever writes into a conversation reads it, too: the answers tell what was said. Everybody who has
a copy of one mail could do so, hence only people who belong to it are let in.
"""

from __future__ import annotations

from ponderd.channels.message import Address
from ponderd.workers.run.copies import replace
from ponderd.workers.run.inbound_events import MessageReceived
from ponderd.workers.run.state import Run


def takes_part(run: Run, sender: str) -> bool:
    """Whether a mail from this address belongs to the run."""
    return sender.lower() in run.people


def heard(run: Run, message: MessageReceived) -> Run:
    """The sender of a mail takes part. So does everybody it is addressed to, if that is certain: a
    forged mail invites nobody."""
    if message.via != "email":
        return run
    invited = message.people if message.people_proven else ()
    return _with(run, message.sender, *invited)


def told(run: Run, to: Address | None) -> Run:
    """Whoever gets a mail of ours takes part."""
    if to is None or to.channel != "email":
        return run
    copies = filter(None, to.headers.get("cc", "").split(", "))
    return _with(run, to.to, *copies)


def _with(run: Run, *addresses: str) -> Run:
    return replace(run, people=run.people | {address.lower() for address in addresses})
