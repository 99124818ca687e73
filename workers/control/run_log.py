"""Reading and writing the logs of runs from outside a worker: what all public verbs are made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from pydantic import ValidationError

from ponderd.channels.errors import NotFound, Unavailable
from ponderd.channels.message import Accepted
from ponderd.workers.agents.agent import Agent
from ponderd.workers.control.views import RunView, view
from ponderd.workers.execution.leases import projection
from ponderd.workers.run import events as e
from ponderd.workers.run.reduce import fold, reduce
from ponderd.workers.run.state import Run
from ponderd.workers.store.archive import Archive
from ponderd.workers.store.contract import (
    Admission,
    NewMessage,
    RunStore,
    VersionConflict,
    conversation_key,
    shard_of,
)

Poke = Callable[[str], None]


class RunLogs:
    """`poke` tells the workers of a run; it must not fail. Runs that expired are read from the
    `archive`."""

    def __init__(
        self,
        store: RunStore,
        agents: Mapping[str, Agent],
        poke: Poke,
        archive: Archive | None = None,
    ) -> None:
        self._store = store
        self._agents = agents
        self._poke = poke
        self._archive = archive

    async def version(self, run_id: str) -> int:
        """Number of events; cheap, for those who watch a run. Raises `NotFound`."""
        _check_id(run_id)
        head = await self._store.head(run_id)
        return head.version if head else len((await self._log(run_id))[0])

    async def events(self, run_id: str) -> tuple[e.Event, ...]:
        """Raises `NotFound`, and `Unavailable` for what only a newer ponderd can read."""
        log, _ = await self._log(run_id)
        try:
            return e.decode_all(log)
        except ValidationError as error:
            raise Unavailable(
                f"run {run_id} was written by a newer version of ponderd than this daemon"
            ) from error

    async def _append(self, run_id: str, keys: tuple[str, ...], received: e.Event) -> Accepted:
        """Write to a run that is there: it is found by the conversation it was launched with. One
        that is in the archive only comes back with all its events."""
        log, archived = await self._log(run_id)
        launched = e.decode(log[0])
        assert isinstance(launched, e.RunLaunched)
        return await self._admit(launched, keys, received, log if archived else log[:1])

    async def _admit(
        self,
        launched: e.RunLaunched,
        keys: tuple[str, ...],
        received: e.Event,
        history: Sequence[bytes] = (),
    ) -> Accepted:
        admission = await self._store.admit(
            NewMessage(
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
            )
        )
        if admission.poke:
            self._poke(admission.run_id)
        return Accepted(run_id=admission.run_id, duplicate=admission.outcome == "duplicate")

    async def _log(self, run_id: str) -> tuple[tuple[bytes, ...], bool]:
        """The events, and whether they are in the archive only. Raises `NotFound`."""
        _check_id(run_id)
        if log := await self._store.load(run_id):
            return log, False
        archived = await self._archive.get(run_id) if self._archive else None
        if not archived:
            raise NotFound(f"there is no run {run_id}")
        return archived, True

    async def _agent_of(self, run_id: str) -> str | None:
        """None if there is no such run, in the archive neither."""
        if head := await self._store.head(run_id):
            return head.agent
        log = await self._archive.get(run_id) if self._archive else None
        launched = e.decode(log[0]) if log else None
        return launched.agent if isinstance(launched, e.RunLaunched) else None

    async def _load(self, run_id: str) -> Run:
        return fold(await self.events(run_id))

    async def _signal(self, run_id: str, decide: Callable[[Run, float], e.Event | None]) -> RunView:
        """Append what `decide` says of the run as it is when it is written."""
        run = await self._load(run_id)
        while (event := decide(run, time.time())) is not None:
            after = reduce(run, event)
            match await self._store.signal(run_id, run.version, e.encode(event), projection(after)):
                case VersionConflict(missed):
                    run = fold(e.decode_all(missed), run)
                case Admission(poke=poke):
                    if poke:
                        self._poke(run_id)
                    return view(after)
        return view(run)


def _check_id(run_id: str) -> None:
    try:
        shard_of(run_id)
    except ValueError:
        raise NotFound(f"there is no run {run_id}") from None
