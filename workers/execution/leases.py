"""The right to advance runs: leases that are renewed while a step runs, and writing under a
lease."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence

import structlog
from pydantic import ValidationError

from ponderd.channels.errors import Unavailable
from ponderd.workers.execution.signal import Signal
from ponderd.workers.execution.snapshots import Pace
from ponderd.workers.run import events as e
from ponderd.workers.run.open_approval import kept_for_lists
from ponderd.workers.run.reduce import reduce
from ponderd.workers.run.state import Run, Status
from ponderd.workers.store.contract import (
    Claim,
    Committed,
    Projection,
    Release,
    RunStore,
    VersionConflict,
)

log = structlog.get_logger(__name__)

RECORD_RETRY = 0.2
"""Seconds between the first two tries to record what has happened while the store is away."""

RECORD_PAUSE = 1.0
"""Most seconds between two of them."""

CONFIRM_RETRY = 2.0
"""Seconds until a run is tried again whose next effect replicas did not confirm."""

IN_FLIGHT = 1 / 3
"""Share of a lease that must be left to send what the other side does not recognise when it comes
again: it is under way for a while, and whoever has the run next looks for it there only once."""

Observer = Callable[[Run, e.Event], None]
"""Is shown every event that a worker appends or meets, with the run as it was before it."""


def _nobody(run: Run, event: e.Event) -> None:
    pass


class LeaseLost(Exception):
    """Another worker has the run now, or may have it. Stop touching it."""


class Unconfirmed(Unavailable):
    """Too few replicas have the intent of an effect. It was not begun."""


class LeasedRun:
    """A run under its lease. A worker writes to a run only through this."""

    def __init__(
        self,
        store: RunStore,
        claim: Claim,
        seconds: float,
        asked_at: float,
        observe: Observer,
    ) -> None:
        """`asked_at` is the monotonic time at which the claim was sent. The lease counts from
        there: from before the store wrote it, not from when its answer arrived."""
        self.id = claim.run_id
        self.token = claim.token
        self.task = asyncio.current_task()
        self.lost = False
        self.released = False
        self.version = claim.tail.version
        self._last = claim.tail.log[-1] if claim.tail.log else b""
        self._pace = Pace(claim.tail)
        self.deaths = claim.deaths
        """How many holders in a row died, until this one writes something."""
        self.news = Signal()
        """Set when somebody else may have appended something."""
        self._store = store
        self._observe = observe
        self._offset = claim.now - time.monotonic()
        self._seconds = seconds
        self._valid_until = asked_at + seconds
        self._unwritten: list[tuple[Run, e.Event, bool]] = []
        """The run before each event, the event, and whether it is a fact."""

    @property
    def owes(self) -> bool:
        """Something is known or decided that is not written yet."""
        return bool(self._unwritten)

    def now(self) -> float:
        """The store's time. A wrong clock on this machine decides nothing."""
        return time.monotonic() + self._offset

    def renewed(self, until: float) -> None:
        self._valid_until = until

    def lose(self) -> None:
        """Cancel the work under this lease: another worker has the run now."""
        self.lost = True
        if self.task:
            self.task.cancel()

    def check(self, left: float = 0.0) -> None:
        """Call this right before an effect. A process that was stopped for longer than its lease
        (SIGSTOP, a suspended machine) must not act on it. `left` is the share of the lease that
        must be left. Raises `LeaseLost`."""
        if self.lost or time.monotonic() > self._valid_until - left * self._seconds:
            raise LeaseLost

    def add(self, run: Run, *facts: e.Event) -> Run:
        """Note what has happened. It is written with the next commit, and so together with what
        follows from it: make that the next thing you wait for."""
        self.deaths = 0  # it will be written, whatever comes
        return self._note(run, facts, happened=True)

    def plan(self, run: Run, *events: e.Event) -> Run:
        """Note what was decided and has no effect outside. The next commit writes it, unless
        somebody else has appended something: then it must be decided again."""
        return self._note(run, events, happened=False)

    def _note(self, run: Run, events: Sequence[e.Event], happened: bool) -> Run:
        for event in events:
            self._unwritten.append((run, event, happened))
            run = reduce(run, event)
        return run

    async def commit(
        self, run: Run, events: Sequence[e.Event] = (), release: Release | None = None
    ) -> tuple[Run, bool]:
        """Append what is not written yet, and `events`, if the log still ends where it did.

        Returns the run as it now is, and whether all of them are part of it. False: somebody else
        appended first, of all this only the facts were written, and the lease is still held.
        Facts are written whatever happens: with any, this waits for a store that is away, as long
        as this worker lives, because only it knows what a tool did, or that a reply went out. If
        another worker took over in that time, the token shows it. Raises `LeaseLost`; and
        `Unavailable`, if there are no facts.
        """
        after = self.plan(run, *events)
        noted, self._unwritten = self._unwritten, []
        if not noted and release is None:
            return run, True
        run, done = await self._append(noted[0][0] if noted else run, noted, after, release)
        facts = [event for _, event, happened in noted if happened]
        while facts and not done:
            again = self.add(run, *facts)
            noted, self._unwritten = self._unwritten, []
            run, written = await self._append(run, noted, again, None)
            if written:
                return run, False
        return run, done

    async def _append(
        self,
        run: Run,
        noted: Sequence[tuple[Run, e.Event, bool]],
        after: Run,
        release: Release | None,
    ) -> tuple[Run, bool]:
        """Append `noted` to the log of `run`; it is `after` then. As `commit`."""
        encoded = [e.encode(event) for _, event, _ in noted]
        last, snapshot = b"", b""
        if run.version == self.version:
            last = self._last
            self._pace.saw(encoded)
            newest = encoded[-1] if encoded else last
            snapshot = self._pace.snapshot(after, newest, rests=release is not None)
        state = projection(after)
        pause = RECORD_RETRY
        while True:
            try:
                outcome = await self._store.commit(
                    run.id, self.token, run.version, encoded, state, release, last, snapshot
                )
                break
            except Unavailable as error:
                if not any(happened for _, _, happened in noted):
                    raise
                if pause == RECORD_RETRY:
                    log.warning("cannot write down what happened, trying on", error=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, RECORD_PAUSE)
        match outcome:
            case Committed(version):
                self.released = release is not None
                self.version, self.deaths = version, 0
                self._pace.kept(snapshot)
                self._last = encoded[-1] if encoded else self._last
                for before, event, _ in noted:
                    self._observe(before, event)
                return after, True
            case VersionConflict(missed):
                # An earlier try of this commit may have succeeded, and only its answer got lost.
                written = bool(encoded) and list(missed[: len(encoded)]) == encoded
                return self._caught_up(run, missed), written
            case _:
                raise LeaseLost

    async def write(self) -> None:
        """Write down the facts that are not written yet. Raises `LeaseLost`."""
        if facts := [event for _, event, happened in self._unwritten if happened]:
            run = self._unwritten[0][0]
            self._unwritten = []
            await record(self, run, *facts)

    async def look(self, run: Run) -> Run:
        """The run with what others have appended. If the store is away, the run as it was: the
        next commit meets the rest."""
        try:
            missed = await self._store.load(self.id, run.version)
        except Unavailable:
            return run
        return self._caught_up(run, missed)

    def _caught_up(self, run: Run, missed: Sequence[bytes]) -> Run:
        try:
            events = e.decode_all(missed)
        except ValidationError as error:  # a newer version of ponderd wrote them
            raise LeaseLost from error
        for event in events:
            self._observe(run, event)
            run = reduce(run, event)
        self.version = run.version
        self._last = missed[-1] if missed else self._last
        self._pace.saw(missed)
        return run

    async def confirm(self) -> None:
        """Return once enough replicas have the run as it is known here. Without
        PONDERD_STATE_REPLICAS that is at once. Raises `Unconfirmed`, `LeaseLost`."""
        match await self._store.confirm(self.id, self.token, self.version, self._last):
            case "lost":
                raise LeaseLost
            case "waiting":
                raise Unconfirmed("too few replicas of the state server confirm what is intended")

    async def confirmed(self) -> None:
        """As `confirm`, but waits for the replicas for as long as the lease lasts: only this
        worker knows that what was just intended is not begun yet. Raises `LeaseLost`."""
        while True:
            try:
                return await self.confirm()
            except Unavailable as error:
                log.warning("intent not confirmed, nothing is begun yet", error=str(error))
                await asyncio.sleep(RECORD_RETRY)
                self.check()

    async def give_back(self, due: float, status: Status | None = None) -> None:
        """Release the lease without writing anything. The run is due again at `due`. Lists show it
        with `status`, until somebody writes to it."""
        await self.write()
        head = await self._store.head(self.id)
        if head is None or self.released:
            return
        version = head.version
        while not self.released:
            outcome = await self._store.commit(
                self.id,
                self.token,
                version,
                [],
                Projection(status or head.status, "" if status else head.waiting_for),
                Release(due),
            )
            if isinstance(outcome, VersionConflict):
                head = await self._store.head(self.id) or head
                version += len(outcome.missed)
            else:
                self.released = True


class Leases:
    """All runs that this process holds. Leases expire unless `renew` is called regularly."""

    def __init__(
        self, store: RunStore, owner: str, seconds: float, observe: Observer = _nobody
    ) -> None:
        self.owner = owner
        self.seconds = seconds
        self.observe = observe
        self._store = store
        self._held: dict[str, LeasedRun] = {}

    def __len__(self) -> int:
        return len(self._held)

    @contextlib.asynccontextmanager
    async def hold(self, claim: Claim, asked_at: float) -> AsyncIterator[LeasedRun]:
        """Hold the lease of `claim` until the block ends.

        The block is cancelled when the lease is lost. If it is cancelled from outside, the run
        is given back at once.
        """
        held = LeasedRun(self._store, claim, self.seconds, asked_at, self.observe)
        # After this process was stopped for a while (SIGSTOP, a suspended machine), its own sweeper
        # may claim a run that an earlier task here still works on.
        if former := self._held.get(claim.run_id):
            former.lose()
        self._held[claim.run_id] = held
        try:
            yield held
        except asyncio.CancelledError:
            if held.lost:
                raise LeaseLost from None
            with contextlib.suppress(Unavailable):
                await asyncio.shield(held.give_back(held.now()))
            raise
        except Unconfirmed:
            with contextlib.suppress(Unavailable):
                await held.give_back(held.now() + CONFIRM_RETRY)
            raise
        except (LeaseLost, Unavailable):
            await held.write()
            raise
        finally:
            if self._held.get(claim.run_id) is held:
                del self._held[claim.run_id]

    async def renew(self) -> None:
        """Renew all held leases. Call it three times per lease. Raises `Unavailable`."""
        held = dict(self._held)
        until = time.monotonic() + self.seconds
        kept = await self._store.renew([(run.id, run.token) for run in held.values()], self.seconds)
        for run_id, run in held.items():
            if run_id in kept:
                run.renewed(until)
                if kept[run_id] > run.version:  # the hint may have got lost
                    run.news.set()
            elif self._held.get(run_id) is run:
                run.lose()

    async def listen(self, others: Callable[[str], None] = lambda _: None) -> None:
        """Wake held runs when something is appended to them; `others` gets the rest of what is
        told. Raises `Unavailable`."""
        async for told in self._store.news():
            if run := self._held.get(told):
                run.news.set()
            else:
                others(told)


def projection(run: Run) -> Projection:
    waits_for, approval = run.waits_for or "", run.work.approval
    if waits_for != "approval" or approval is None:
        return Projection(run.status, waits_for)
    return Projection(run.status, waits_for, approval.asked_at, kept_for_lists(run))


async def record(held: LeasedRun, run: Run, *facts: e.Event) -> Run:
    """Write down what has happened, all of it or nothing, on top of whatever else happened
    meanwhile. Waits for the store as `commit` does. Raises `LeaseLost`."""
    run, _ = await held.commit(held.add(run, *facts))
    return run
