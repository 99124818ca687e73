"""The logs of runs, read and written from outside a worker. All public verbs are made of this."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pydantic import ValidationError

from ponderd.channels.errors import NotFound, Unavailable
from ponderd.channels.message import Accepted, principal
from ponderd.workers.control.keys import bind_keys, used_before
from ponderd.workers.control.latest import Latest
from ponderd.workers.execution.leases import projection
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import Run
from ponderd.workers.store.archive import Archive
from ponderd.workers.store.contract import (
    Admission,
    Checkpoint,
    NewMessage,
    RunStore,
    VersionConflict,
    conversation_key,
)
from ponderd.workers.store.people import people_of
from ponderd.workers.store.run_ids import shard_of

ENDLESS = 2**53
"""No log has so many events; servers understand the number."""

Choose = Callable[[Run, float], e.Event | None]
"""Makes an event for a run as it is now, at a time in Unix seconds; None if there is nothing to
append."""

Joins = Callable[[Run], bool]
"""Whether a message belongs to a run as it is now."""


class History(NamedTuple):
    """All events of a run, or the newest ones that were asked for, and what is true after them."""

    events: tuple[e.Event, ...]
    run: Run

    def then(self, *events: e.Event) -> History:
        return History((*self.events, *events), fold(events, self.run))


@dataclass(frozen=True, slots=True)
class RunLog:
    """The logs of all runs."""

    store: RunStore
    poke: Callable[[str], None]
    """Tells the workers to look at a run. It is a hint: it may get lost, and must not fail."""
    archive: Archive | None = None
    """Where runs are found that the store has expired."""
    clock: Callable[[], float] = time.time
    """Dates the events, in Unix seconds."""
    _latest: Latest = field(default_factory=Latest, init=False, repr=False, compare=False)

    async def version(self, run_id: str) -> int:
        """Count the events of a run. Cheap, for those who watch one. Raises `NotFound`."""
        _check_id(run_id)
        head = await self.store.head(run_id)
        return head.version if head else len((await self._load(run_id))[0])

    async def events(self, run_id: str, after: int = 0) -> tuple[e.Event, ...]:
        """The events of a run after number `after`. Raises `NotFound`, and `Unavailable` for those
        that only a newer ponderd can read."""
        if after == 0:
            return _decoded(run_id, (await self._load(run_id))[0])
        _check_id(run_id)
        found = await self.store.load(run_id, min(after, ENDLESS))
        if not found and not await self.store.head(run_id):  # only the archive has it, if at all
            return (await self.events(run_id))[after:]
        return _decoded(run_id, found)

    async def read(self, run_id: str) -> History:
        """Read the events once and fold them. Raises what `events` raises."""
        events = await self.events(run_id)
        return History(events, fold(events))

    async def event(self, run_id: str, version: int) -> e.Event | None:
        """The event with this number; None if there is none. Raises what `events` raises."""
        _check_id(run_id)
        found = await self.store.load(run_id, version - 1, 1) if version > 0 else ()
        if not found and not await self.store.head(run_id):
            events = await self.events(run_id)
            return events[version - 1] if 0 < version <= len(events) else None
        return _decoded(run_id, found)[0] if found else None

    async def between(self, run_id: str, after: int, until: int) -> tuple[e.Event, ...]:
        """The events after number `after` up to number `until`. Raises what `events` raises."""
        if after >= until:
            return ()
        found = await self.store.load(run_id, after, until - after)
        if len(found) < until - after:  # only the archive has it
            return (await self.events(run_id))[after:until]
        return _decoded(run_id, found)

    async def latest(self, run_id: str) -> Run:
        """The run as it is now, however long its log is. Raises what `events` raises."""
        _check_id(run_id)
        try:
            run = await self._latest.read(self.store, run_id)
        except ValidationError as error:
            raise newer(run_id) from error
        return run or fold(await self.events(run_id))

    async def agent_of(self, run_id: str) -> str | None:
        """Name the agent of a run. None if there is no such run, nor one in the archive."""
        if head := await self.store.head(run_id):
            return head.agent
        log = await self.archive.get(run_id) if self.archive else None
        launched = e.decode(log[0]) if log else None
        return launched.agent if isinstance(launched, e.RunLaunched) else None

    async def signal(self, history: History, choose: Choose) -> History:
        """Append what `choose` makes of the run; return the whole history as it then stands.

        A worker and other people write to the same log. So an event is appended only if nothing
        came after the history that it was chosen for. If something did, that alone is added, and
        `choose` is asked again: a run that was cancelled meanwhile is not paused, and of two people
        who decide at once only the first does.

        Raises `NotFound` for a run that the store has expired, and whatever `choose` raises.
        """
        while (event := choose(history.run, self.clock())) is not None:
            after = history.then(event)
            written = await self.store.signal(
                after.run.id,
                history.run.version,
                e.encode(event),
                projection(after.run),
                _writers(event),
            )
            match written:
                case VersionConflict(missed):
                    history = history.then(*_decoded(history.run.id, missed))
                case Admission(poke=poke):
                    if poke:
                        self.poke(after.run.id)
                    return after
        return history

    async def admit(
        self,
        launched: e.RunLaunched,
        keys: tuple[str, ...],
        received: e.Event,
        history: Sequence[bytes] = (),
        digest: str = "",
        *,
        returns: bool = False,
    ) -> Accepted:
        """Admit `received` to the conversation that `launched` names, whoever else writes to it.

        If it has no run, one begins with the events `history`, or with `launched` alone. `keys` and
        `digest` as in `Trigger`; `returns` as in `NewMessage`. Raises `Conflict` if one of the keys
        came with another digest, `Unavailable`.
        """
        message = _message(launched, keys, received, history, digest, returns)
        await bind_keys(self.store, message)
        return await self._admit(message)

    async def admit_if(
        self,
        joins: Joins,
        launched: e.RunLaunched,
        keys: tuple[str, ...],
        first: e.Event,
        later: e.Event,
        history: Sequence[bytes] = (),
        digest: str = "",
        *,
        returns: bool = False,
    ) -> Accepted | None:
        """Begin a run with `first`, as `admit` does. If the conversation has a run already, admit
        `later` to it, provided that it `joins`; None if not. Raises what `admit` raises."""
        message = _message(launched, keys, first, history, digest, returns)
        await bind_keys(self.store, message)
        admission = await self.store.admit(replace(message, only_new=True))
        if admission.outcome != "taken":
            return self._accepted(admission)
        if not joins(await self.latest(admission.run_id)):
            return None
        return await self._admit(_message(launched, keys, later, history, digest, returns))

    async def admit_in_step(
        self,
        launched: e.RunLaunched,
        keys: tuple[str, ...],
        received: e.Event,
        checkpoint: Checkpoint,
    ) -> Accepted | None:
        """Admit as `admit` does, and replace the checkpoint at the same moment. None if it is not
        as expected: then somebody else has gone on."""
        message = replace(_message(launched, keys, received), checkpoint=checkpoint)
        admission = await self.store.admit(message)
        return None if admission.outcome == "stale" else self._accepted(admission)

    async def admit_to(
        self, run_id: str, keys: tuple[str, ...], received: e.Event, digest: str = ""
    ) -> Accepted:
        """Admit `received` to a run that exists. One that is only in the archive comes back with
        all its events. Raises `NotFound`, and what `admit` raises."""
        _check_id(run_id)
        log, archived = await self.store.load(run_id, 0, 1), False
        if not log:
            log, archived = await self._load(run_id)
        # The store finds a run by its conversation, so that it is found also if it expires now.
        launched = e.decode(log[0])
        assert isinstance(launched, e.RunLaunched)
        log = log if archived else log[:1]
        return await self.admit(launched, keys, received, log, digest, returns=True)

    async def admit_to_if(
        self,
        joins: Joins,
        run_id: str,
        keys: tuple[str, ...],
        received: e.Event,
        digest: str = "",
    ) -> Accepted | None:
        """As `admit_to`, provided that it `joins` that run; None if not."""
        _check_id(run_id)
        if first := await self.store.load(run_id, 0, 1):
            launched = _decoded(run_id, first)[0]
            assert isinstance(launched, e.RunLaunched)
            joined = joins(await self.latest(run_id))
            if not joined:
                return None
            return await self.admit(launched, keys, received, digest=digest, returns=True)
        log, _ = await self._load(run_id)
        events = _decoded(run_id, log)
        launched = events[0]
        assert isinstance(launched, e.RunLaunched)
        if not joins(fold(events)):
            return None
        # Another run may have the conversation by now.
        return await self.admit_if(
            joins, launched, keys, received, received, log, digest, returns=True
        )

    async def _admit(self, message: NewMessage) -> Accepted:
        return self._accepted(await self.store.admit(message))

    def _accepted(self, admission: Admission) -> Accepted:
        if admission.outcome == "conflict":
            raise used_before()
        if admission.poke:
            self.poke(admission.run_id)
        return Accepted(run_id=admission.run_id, duplicate=admission.outcome == "duplicate")

    async def _load(self, run_id: str) -> tuple[tuple[bytes, ...], bool]:
        """The log, and whether only the archive has it. Raises `NotFound`."""
        _check_id(run_id)
        if log := await self.store.load(run_id):
            return log, False
        archived = await self.archive.get(run_id) if self.archive else None
        if not archived:
            raise NotFound(f"there is no run {run_id}")
        return archived, True


def _message(
    launched: e.RunLaunched,
    keys: tuple[str, ...],
    received: e.Event,
    history: Sequence[bytes] = (),
    digest: str = "",
    returns: bool = False,
) -> NewMessage:
    return NewMessage(
        run_id=launched.run_id,
        conversation_key=conversation_key(
            launched.agent, launched.channel, launched.source, launched.conversation
        ),
        keys=keys,
        agent=launched.agent,
        agent_version=launched.agent_version,
        channel=launched.channel,
        conversation=launched.conversation,
        history=tuple(history) or (e.encode(launched),),
        received=e.encode(received),
        people=tuple({*people_of(history), *_writers(received)}),
        ends="event" if isinstance(received, e.EventReceived) else "",
        digest=digest,
        returns=returns,
    )


def _writers(event: e.Event) -> tuple[str, ...]:
    if isinstance(event, e.MessageReceived) and event.via and event.sender:
        return (principal(event.via, event.sender),)
    return ()


def _decoded(run_id: str, log: Sequence[bytes]) -> tuple[e.Event, ...]:
    try:
        return e.decode_all(log)
    except ValidationError as error:
        raise newer(run_id) from error


def newer(run_id: str) -> Unavailable:
    """The error for a run with events that only a newer ponderd knows."""
    return Unavailable(f"run {run_id} was written by a newer version of ponderd than this daemon")


def _check_id(run_id: str) -> None:
    try:
        shard_of(run_id)
    except ValueError:
        raise NotFound(f"there is no run {run_id}") from None
