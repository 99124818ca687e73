"""A worker process: hundreds of runs in flight on one asyncio loop, fed by pokes and the
sweeper.

Celery's threads hand runs to the loop and return at once. Slots limit the runs in flight: when
all are taken, the threads wait, and further pokes stay in the queue for other workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, cast

import structlog

from ponderd.channels.blobs import open_blobs
from ponderd.channels.errors import ModelError, Unavailable
from ponderd.channels.outbound import outbound_channels
from ponderd.channels.settings import ChannelSettings
from ponderd.workers.agents.config import load_family
from ponderd.workers.agents.discovery import discover
from ponderd.workers.agents.versions import register
from ponderd.workers.execution.author_code import MEGABYTE, InProcesses
from ponderd.workers.execution.executor import Executor
from ponderd.workers.execution.falling_asleep import pause, sleep_round, wake_round
from ponderd.workers.execution.fleet import Fleet
from ponderd.workers.execution.garbage import collect_rarely
from ponderd.workers.execution.leases import Leases
from ponderd.workers.execution.metrics import Metrics
from ponderd.workers.execution.model_call import ModelCalls, Prices
from ponderd.workers.execution.outage import Outage
from ponderd.workers.execution.slots import Slots
from ponderd.workers.execution.sweeping import Sweeper
from ponderd.workers.execution.threads import new_event_loop
from ponderd.workers.execution.waking import Waking, waking
from ponderd.workers.execution.watchdog import Watchdog
from ponderd.workers.llm.canary import problems
from ponderd.workers.llm.connect import connect as connect_model
from ponderd.workers.settings import WorkerSettings
from ponderd.workers.store.archive import ROUND, archive_round, open_archive, open_asleep
from ponderd.workers.store.contract import RunStore
from ponderd.workers.store.redis_client import end_tasks
from ponderd.workers.store.redis_store import RedisStore
from ponderd.workers.store.redis_store import connect as connect_redis
from ponderd.workers.thinking.learning import CHANGED, Learning, read_tuned
from ponderd.workers.thinking.policy import RULES_ONLY
from ponderd.workers.thinking.thinker import Thinker

log = structlog.get_logger(__name__)

# How often each background duty runs.
AGAIN_SECONDS = 0.5  # if the store was away
REPORT_SECONDS = 2.5
NEWS_SECONDS = 1.0
NOTE_SECONDS = 0.5
LEARN_SECONDS = 2.0
EXAMINE_SECONDS = 10.0

# How often it runs in a worker in which nothing happens.
IDLE_REPORT_SECONDS = 5.0
IDLE_LEARN_SECONDS = 30.0

SILENT_LEASES = 2
"""Leases after which a worker whose loop stands still is ended: all its runs are lost by then."""


class Runtime:
    """Owns the loop, its thread and the slots. Any thread may call `start`, `submit` and `stop`;
    everything else happens on the loop."""

    def __init__(self, settings: WorkerSettings, channels: ChannelSettings) -> None:
        assert settings.redis_url is not None
        self._settings = settings
        self._channel_settings = channels
        self._agents = discover(settings.agent_folders, settings.config_file)
        self._slots = Slots(settings.slots)
        self._owner = f"{platform.node()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._loop = new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="runs", daemon=True)
        self._draining = threading.Event()
        self._hurry = asyncio.Event()
        self._advancing: set[asyncio.Task[None]] = set()
        self._background: list[asyncio.Task[None]] = []
        self._watchdog = Watchdog(SILENT_LEASES * settings.lease_seconds)
        self._watched: asyncio.Task[None]
        self._executor: Executor
        self._code: InProcesses
        self._learning: Learning
        self._metrics = Metrics()
        self._archive = open_archive(settings)
        self._asleep = open_asleep(settings)
        self._blobs = open_blobs(channels)
        self._fleet = Fleet(self._owner, self._agents.values())
        self._registered = False
        self._report_at = 0.0
        self._learns = asyncio.Event()
        self._learns.set()

    def start(self) -> None:
        self._thread.start()
        self._call(self._open()).result()

    def submit(self, run_id: str, patience: float | None = None) -> bool:
        """Advance a run as soon as a slot is free. Returns whether that was so within `patience`
        seconds; None waits until it is.

        A worker that drains takes none. The run is still due, and another worker's sweeper finds
        it.
        """
        until = None if patience is None else time.monotonic() + patience
        while not self._draining.is_set():
            if self._slots.acquire(timeout=0.2):
                if self._draining.is_set():
                    self._slots.release()
                    break
                self._loop.call_soon_threadsafe(self._begin, run_id)
                return True
            if until is not None and time.monotonic() > until:
                break
        return False

    def drain(self) -> None:
        """Begin nothing new. Runs in flight stop after their current step."""
        if not self._draining.is_set():
            self._draining.set()
            self._loop.call_soon_threadsafe(self._executor.draining.set)

    def hurry(self) -> None:
        """Do not wait any longer for the steps in flight: `stop` ends them now."""
        self._loop.call_soon_threadsafe(self._hurry.set)

    def stop(self, timeout: float) -> None:
        """Drain, wait up to `timeout` seconds for the steps in flight, and give the runs back."""
        self.drain()
        self._call(self._close(timeout)).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- on the loop ----------------------------------------------------------------------------

    async def _open(self) -> None:
        self._watched = asyncio.create_task(self._watchdog.watch())
        settings = self._settings
        assert settings.redis_url is not None
        client = connect_redis(settings.redis_url)
        store = waking(RedisStore(client, replicas=settings.state_replicas), self._asleep)
        learning = self._learning = Learning(store, self._agents, keep=settings.thinking_ledger)
        leases = Leases(store, self._owner, settings.lease_seconds, learning.observe)
        sweeper = Sweeper(store, settings.lease_seconds, self._owner)

        def heard(told: str) -> None:
            if told == CHANGED:
                self._learns.set()
            sweeper.heard(told)

        model = connect_model(settings, load_family(settings.config_file))
        thinker = Thinker(model, store, cap=settings.thinking_cap)
        self._code = InProcesses(
            settings.agent_folders,
            self._channel_settings,
            memory=settings.function_memory * MEGABYTE,
            isolated=settings.isolated_tools,
        )
        self._executor = Executor(
            store=store,
            agents=self._agents,
            model=ModelCalls(
                model,
                self._metrics,
                settings.context_chars,
                thinker,
                Prices(settings.price_prompt, settings.price_completion),
                salt_key=self._channel_settings.signing_key,
                keep_thoughts=settings.keep_thoughts,
                code=self._code,
                outage=Outage(settings.model_patience),
            ),
            channels=outbound_channels(self._channel_settings),
            leases=leases,
            data_dir=settings.data_dir,
            blobs=self._blobs,
            metrics=self._metrics,
            fleet=self._fleet,
            notify_allow=self._channel_settings.notify_allow,
        )
        self._background = [
            asyncio.create_task(_every(seconds, duty))
            for seconds, duty in (
                (settings.lease_seconds / 3, leases.renew),
                (NEWS_SECONDS, lambda: leases.listen(heard)),
                (0, lambda: self._sweep(sweeper)),
                (REPORT_SECONDS, lambda: self._report(store)),
                (ROUND, lambda: self._archive_finished(store)),
                (pause(settings.sleep_after), lambda: self._fall_asleep(store)),
                (NOTE_SECONDS, lambda: self._note(learning)),
                (LEARN_SECONDS, lambda: self._learn(learning, thinker)),
            )
        ]
        self._background.append(asyncio.create_task(self._examine_model()))
        self._background.append(asyncio.create_task(collect_rarely()))

    def _begin(self, run_id: str) -> None:
        self._learns.set()
        task = asyncio.create_task(self._advance(run_id))
        self._advancing.add(task)
        task.add_done_callback(self._advancing.discard)

    async def _advance(self, run_id: str) -> None:
        try:
            await self._executor.advance(run_id, self._slots)
        except Exception:  # a bug of ours; the lease expires, and the run is tried again
            log.exception("run left to the sweeper", run=run_id)
        finally:
            self._slots.release()

    async def _sweep(self, sweeper: Sweeper) -> None:
        """Advance runs that are due and that nobody holds: lost pokes, expired leases, ended
        sleeps.

        Takes no more runs than there are free slots, or a backlog would be read over and over.
        """
        await sweeper.turns.come()
        if self._draining.is_set():
            sweeper.turns.begin()  # but without a word: others look
            return
        free = 0
        while free < self._settings.slots and self._slots.acquire(blocking=False):
            free += 1
        if not free and not sweeper.turns.must:
            sweeper.turns.decline()
            return
        found: list[str] = []
        try:
            # Also without a free slot: the time in which leases count goes on only while we sweep.
            found = await sweeper.sweep(free)
        finally:
            for run_id in found:
                self._begin(run_id)
            for _ in range(free - len(found)):
                self._slots.release()
        await sweeper.tell(free, len(found))

    async def _report(self, store: RunStore) -> None:
        if not self._registered:
            await register(store, self._agents.values())
            self._registered = True
        counts, alive, began = self._metrics.take(), not self._draining.is_set(), time.monotonic()
        if alive and not counts and began < self._report_at:
            return
        try:
            now = await store.report(self._owner, counts, alive=alive)
        except Unavailable:
            self._metrics.put_back(counts)
            raise
        self._report_at = began + IDLE_REPORT_SECONDS - REPORT_SECONDS / 2
        # Last: it fails where replicas are away, the rest does not.
        await self._fleet.meet(store, now)

    async def _note(self, learning: Learning) -> None:
        if await learning.flush():
            self._learns.set()

    async def _learn(self, learning: Learning, thinker: Thinker) -> None:
        if not self._advancing:  # what is learned meanwhile is read when it is needed
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._learns.wait(), IDLE_LEARN_SECONDS)
        self._learns.clear()
        try:
            arms = await self._executor.model.client.arms()
        except ModelError:  # nothing can be asked of it now
            return
        await learning.tell_usual(arms)
        if not self._settings.thinking_learning:
            tuned = await read_tuned(self._executor.store)
            thinker.policy = replace(RULES_ONLY, price=tuned.price)
            return
        thinker.policy = await learning.refresh(thinker.policy, arms)

    async def _examine_model(self) -> None:
        """Try until each model server was examined once."""
        reported: set[str] = set()
        while True:
            examined = await self._executor.model.client.examine()
            for name, able in examined.items():
                if isinstance(able, ModelError):
                    log.info("model server not examined yet", arm=name, error=str(able))
                elif name not in reported:
                    reported.add(name)
                    for line in problems(able):
                        log.warning("model server", arm=name, found=line)
            if len(reported) == len(examined):
                return
            await asyncio.sleep(EXAMINE_SECONDS)

    async def _archive_finished(self, store: RunStore) -> None:
        await archive_round(
            store,
            self._archive,
            owner=self._owner,
            keep_days=self._settings.keep_days,
            blobs=self._blobs,
        )

    async def _fall_asleep(self, store: RunStore) -> None:
        after = self._settings.sleep_after
        if after:
            try:  # it may be away by now, or another folder be mounted there
                self._fleet.archive = await self._asleep.identity()
            except Unavailable:
                self._fleet.archive = ""
                raise
            await sleep_round(store, self._asleep, owner=self._owner, after=after)
        else:
            await wake_round(cast(Waking, store), owner=self._owner)

    async def _finish(self, timeout: float) -> None:
        """Let the steps in flight end, for `timeout` seconds or until somebody is in a hurry."""
        if not self._advancing:
            return
        log.info("finishing what has begun", runs=len(self._advancing), at_most=timeout)
        hurried = asyncio.create_task(self._hurry.wait())
        finished = asyncio.create_task(asyncio.wait(self._advancing))
        try:
            either = {hurried, finished}
            await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks([hurried, finished])
        if self._advancing:
            log.warning("steps cut short, others begin them again", runs=len(self._advancing))

    async def _close(self, timeout: float) -> None:
        await self._finish(timeout)
        await end_tasks([*self._advancing, *self._background])
        await self._executor.late.close()
        await self._executor.snapshots.close()
        with contextlib.suppress(Unavailable):
            await self._executor.store.report(self._owner, self._metrics.take(), alive=False)
            await self._learning.flush()
            await self._fleet.leave(self._executor.store)
        await self._code.close()
        for channel in set(self._executor.channels.values()):
            await channel.close()
        await self._executor.model.client.close()
        await self._executor.store.close()
        await self._archive.close()
        await self._asleep.close()
        await self._blobs.close()
        await end_tasks([self._watched])

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)


async def _every(seconds: float, duty: Callable[[], Awaitable[None]]) -> None:
    """Do a duty for ever, and soon again where the store was away: leases are renewed before what
    is done under them needs it. No error may end it."""
    while True:
        pause = seconds
        try:
            await duty()
        except Unavailable as error:
            log.warning("a duty waits for what it needs", error=str(error))
            pause = min(seconds, AGAIN_SECONDS)
        except Exception:
            log.exception("background duty failed")
        await asyncio.sleep(pause)
