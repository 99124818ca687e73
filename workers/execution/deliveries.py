"""Replies that did not arrive, as operators see them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel

from ponderd.channels.destination import write_destination
from ponderd.channels.message import ReplyKind
from ponderd.workers.run.state import Outgoing, Run
from ponderd.workers.run.undelivered import in_trouble

BEGINNING = 200
"""Characters of a reply that lists show."""


class Delivery(BaseModel):
    """One reply of which an attempt failed, and that did not arrive since."""

    run_id: str
    agent: str
    key: str
    """Its idempotency key. It stays the same however often it is sent."""
    kind: ReplyKind
    text: str
    """Its beginning."""
    to: str
    """Where it goes, such as "slack:C0123"."""
    thread: str = ""
    since: datetime
    """When the first attempt failed."""
    attempts: int
    error: str
    """Why the last attempt failed."""
    mendable: bool
    """An operator has to mend something, such as a token or a permission."""
    next_attempt_at: datetime | None
    state: Literal["trying", "undelivered"]
    """undelivered: it is sent again only if somebody asks for it, or writes from there."""


def deliveries_of(run: Run) -> tuple[Delivery, ...]:
    return tuple(found for out in in_trouble(run) if (found := _delivery(run, out)))


def _delivery(run: Run, out: Outgoing) -> Delivery | None:
    trouble, to = out.trouble, out.to
    if trouble is None or to is None:
        return None
    retry_at = run.retry_at if out in run.outbox.queue else trouble.retry_at
    waits = retry_at is not None or out in run.outbox.queue
    return Delivery(
        run_id=run.id,
        agent=run.agent,
        key=out.key or "",
        kind=out.kind,
        text=out.text[:BEGINNING],
        to=write_destination(to),
        thread=to.thread,
        since=datetime.fromtimestamp(trouble.since, UTC),
        attempts=trouble.attempts,
        error=trouble.error,
        mendable=trouble.mendable,
        next_attempt_at=None if retry_at is None else datetime.fromtimestamp(retry_at, UTC),
        state="trying" if waits else "undelivered",
    )
