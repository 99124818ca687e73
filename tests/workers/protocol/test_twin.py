"""The store in memory and the store on a real server are the same, under any sequence of calls.

Both see one clock, which the test sets: in the scripts as they are, only the source of the time is
another one. What expires on the server by itself (keys of triggers, of `remember`) is left alive.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from hashlib import sha1
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from ponderd.channels.errors import PonderdError
from ponderd.workers.store import redis_due
from ponderd.workers.store.asleep import AsleepError, mark_of
from ponderd.workers.store.contract import (
    Checkpoint,
    Claim,
    NewMessage,
    Projection,
    Release,
    conversation_key,
)
from ponderd.workers.store.memory_store import MemoryStore
from ponderd.workers.store.redis_store import RedisStore, connect
from ponderd.workers.store.run_ids import new_run_id, shard_of
from ponderd.workers.store.tables import Row

START = 1_700_000_000.0
LONG = 1e7
"""Seconds; nothing lives that long in a test."""

STATUSES = ("READY", "WAITING", "PAUSED", "SET_ASIDE", "COMPLETED", "FAILED", "CANCELLED")
AGENTS = st.sampled_from(("assistant", "triage"))
MOMENTS = st.sampled_from((-1.0, 0.0, 0.001, 1.0, 2.0, 15.0, 3600.0))
STEPS = st.sampled_from(
    (0.001, 0.3, 0.9, 0.9, 1.0, 2.0, 2.0, 15.0, 15.0, 3600.0, 3600.0, 3600.0, -0.2, -15.0, -3600.0)
)
LEASES = st.sampled_from((1.0, 15.0))
PROJECTIONS = st.one_of(
    st.builds(Projection, st.sampled_from(("READY", "COMPLETED", "FAILED", "CANCELLED"))),
    st.builds(
        Projection,
        st.sampled_from(("WAITING", "PAUSED", "SET_ASIDE")),
        st.sampled_from(("", "answer", "approval", "approval")),
        st.sampled_from((START, START + 1)),
        st.sampled_from((b"", b"{}", b'{"a": 1}')),
    ),
)
PEOPLE = st.lists(st.sampled_from(("api:ann", "slack:t1/u1")), max_size=2, unique=True)
EVENTS = st.lists(st.binary(min_size=1, max_size=3), max_size=3)
RELEASES = st.one_of(st.none(), st.just(Release()), MOMENTS.map(Release))
ROWS = st.builds(
    Row,
    st.sampled_from(("1", "2", "10")),
    st.binary(max_size=3),
    st.dictionaries(st.sampled_from(("few", "many")), st.integers(0, 3)),
)
RESTS = st.tuples(
    st.sampled_from(("WAITING", "PAUSED")), st.sampled_from((None, None, 0.0, 1.0, 30.0))
)
CHECKED = st.sampled_from((None, "0", "{run}"))
AMOUNTS = st.dictionaries(st.sampled_from(("steps", "money")), st.sampled_from((0.25, 1.0, 3.0)))


class OnClock(RedisStore):
    """The product's store; its scripts read the time from a key, after `change`."""

    def __init__(self, url: str, change: tuple[str, str] | None = None) -> None:
        client = connect(url)
        super().__init__(client)
        self.time_ms = 0
        self._clocks.ask_again = 0.0
        for name, script in self._scripts.items():
            text = str(script.script)
            assert text.count("redis.call('TIME')") == (name != "heads")
            text = text.replace("redis.call('TIME')", "redis.call('LRANGE', 'clock', 0, 1)")
            self._scripts[name] = client.register_script(text.replace(*change) if change else text)

    async def set_clock(self, now: float) -> None:
        self.time_ms = round(now * 1000)
        await self._redis.delete("clock")
        await self._redis.rpush("clock", self.time_ms // 1000, self.time_ms % 1000 * 1000)

    async def _now_ms(self) -> int:
        return self.time_ms


class Pair:
    """Both stores, new and on one clock."""

    def __init__(self, url: str, change: tuple[str, str] | None = None) -> None:
        super().__init__()
        self.now = START
        self.loop = asyncio.new_event_loop()
        self.redis = OnClock(url, change)
        self.redis._due._is_long_ago = lambda *_: False  # type: ignore[method-assign]
        self.memory = MemoryStore(lambda: self.now, doubted=True)
        self.wait(self.redis._redis.flushall())
        self.wait(self.redis.set_clock(self.now))

    def teardown(self) -> None:
        self.wait(self.redis.close())
        self.loop.close()

    def wait(self, call: Coroutine[Any, Any, Any] | Any) -> Any:
        return self.loop.run_until_complete(call)

    def same(self, verb: str, *args: Any) -> Any:
        answers = []
        for store in (self.memory, self.redis):
            try:
                answer = self.wait(getattr(store, verb)(*args))
            except AsleepError as error:
                answer = AsleepError, error.mark, error.late
            except PonderdError as error:
                answer = type(error)
            answers.append(sorted(answer) if verb == "sweep" else answer)
        assert answers[0] == answers[1], f"{verb}{args}: {answers[0]} in memory, {answers[1]}"
        return answers[0]

    def set_clock(self, now: float) -> None:
        self.now = now
        self.wait(self.redis.set_clock(now))


class Twins(Pair, RuleBasedStateMachine):
    def __init__(self, url: str, change: tuple[str, str] | None = None) -> None:
        super().__init__(url, change)
        self.runs: list[str] = []
        self.claims: list[tuple[str, int]] = []

    def run(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from([*self.runs[:-4:-1] * 3, "00-none-0"]), label="run")

    def claimed(self, data: st.DataObject) -> tuple[str, int]:
        """Mostly the last claim; sometimes one of another time or of another run."""
        last, *others = *self.claims[::-1], (self.run(data), 1)
        return data.draw(st.sampled_from([last] * 6 + others[:3] + [(self.run(data), last[1])]))

    def version(self, data: st.DataObject, run_id: str) -> int:
        run = self.memory._runs.get(run_id)
        length = run.version if run else 0
        return data.draw(st.sampled_from((*[length] * 6, length - 1, length + 1, 1)))

    @rule(seconds=STEPS)
    def time_passes(self, seconds: float) -> None:
        """Also back: somebody sets the server's clock. Workers look before it goes on."""
        self.set_clock(round(self.now + seconds, 3))
        if seconds < 0:
            self.same("sweep", 0, 1.0, False)

    @initialize()
    def begin(self) -> None:
        self.admit("assistant", "a", [], [b"launched"])
        self.in_step("s", ["u"], None, "0")

    @rule(
        agent=AGENTS,
        conversation=st.sampled_from("ab"),
        keys=st.lists(st.sampled_from("xyz"), max_size=2, unique=True),
        history=EVENTS,
        only_new=st.booleans(),
        people=PEOPLE,
        ends=st.sampled_from(("", "answer", "approval")),
    )
    def write(
        self,
        agent: str,
        conversation: str,
        keys: list[str],
        history: list[bytes],
        only_new: bool,
        people: list[str],
        ends: str,
    ) -> None:
        self.admit(agent, conversation, keys, history, only_new, people=people, ends=ends)

    def admit(
        self,
        agent: str,
        conversation: str,
        keys: list[str],
        history: list[bytes],
        only_new: bool = False,
        step: Checkpoint | None = None,
        people: Sequence[str] = (),
        ends: str = "",
    ) -> None:
        key = conversation_key(agent, "api", "", conversation)
        message = NewMessage(
            run_id=self.new_run_id(step.name if step else key),
            conversation_key=key,
            keys=tuple(f"{key}:{name}" for name in keys),
            agent=agent,
            agent_version="1",
            channel="api",
            conversation=conversation,
            history=tuple(history),
            received=b"hello",
            only_new=only_new,
            checkpoint=step,
            people=tuple(people),
            ends=ends,
        )
        self.take(message)

    def new_run_id(self, name: str) -> str:
        return new_run_id(name)

    def take(self, message: NewMessage) -> None:
        admission, step = self.same("admit", message), message.checkpoint
        if step:
            self.same("checkpoints", [step.name, "none"])
        if admission.outcome == "stale":
            return
        run_id = admission.run_id
        self.runs = [*(run for run in self.runs if run != run_id), run_id]

    @rule(
        conversation=st.sampled_from("st"),
        keys=st.lists(st.sampled_from("uv"), max_size=2),
        expected=CHECKED,
        value=CHECKED.filter(bool),
    )
    def admit_in_step(
        self, conversation: str, keys: list[str], expected: str | None, value: str
    ) -> None:
        self.in_step(conversation, keys, expected, value)

    def in_step(self, conversation: str, keys: list[str], expected: str | None, value: str) -> None:
        """Also a repeat, at what the checkpoint is by then."""
        step = Checkpoint("clock", expected, value)
        self.admit("assistant", conversation, keys, [b"launched"], step=step)
        self.same("set_checkpoint", Checkpoint("clock", value, expected or "0"))
        [by_now] = self.same("checkpoints", ["clock"])
        again = Checkpoint("clock", by_now, "again")
        self.admit("assistant", conversation, keys, [b"launched"], step=again)
        self.same("set_checkpoint", Checkpoint("clock", "again", expected or "0"))

    @rule(data=st.data(), lease=LEASES, steps=st.integers(0, 2))
    def claim(self, data: st.DataObject, lease: float, steps: int) -> None:
        claim = self.same("claim", self.run(data), "worker", lease, *self.code(data))
        if isinstance(claim, Claim):
            self.claims.append((claim.run_id, claim.token))
        for _ in range(steps):
            self.commit(data)

    def code(self, data: st.DataObject) -> tuple[str, ...]:
        """Whose snapshots a claim takes."""
        return ()

    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        run_id, token = self.claimed(data)
        release = data.draw(RELEASES, label="release")
        if release and release.due is not None:
            release = Release(round(self.now + release.due, 3))
        projection, events = data.draw(PROJECTIONS), data.draw(EVENTS)
        version = self.version(data, run_id)
        more = self.beside(data, run_id, version, events)
        self.same("commit", run_id, token, version, events, projection, release, *more)

    def beside(
        self, data: st.DataObject, run_id: str, version: int, events: list[bytes]
    ) -> tuple[bytes, ...]:
        """What else comes with a commit: the last event that is known, and a snapshot."""
        return ()

    @rule(data=st.data(), projection=PROJECTIONS, people=PEOPLE)
    def signal(self, data: st.DataObject, projection: Projection, people: list[str]) -> None:
        run_id = self.run(data)
        self.same("signal", run_id, self.version(data, run_id), b"signal", projection, people)

    @rule(data=st.data(), lease=LEASES)
    def renew(self, data: st.DataObject, lease: float) -> None:
        self.same("renew", [self.claimed(data), self.claimed(data)], lease)

    @rule(grace=LEASES, takes_over=st.sampled_from((True, True, True, False)))
    def sweep(self, grace: float, takes_over: bool) -> None:
        self.same("sweep", 100, grace, takes_over)

    @rule(data=st.data(), seconds=STEPS, grace=LEASES)
    def sweep_after_a_claim(self, data: st.DataObject, seconds: float, grace: float) -> None:
        """Twice: also what has just been swept, and what is held and due."""
        self.claim(data, 15.0, 0)
        for _ in range(2):
            self.time_passes(seconds)
            self.sweep(grace, True)

    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        for run_id in self.runs:
            known = self.memory._runs.get(run_id)
            people = sorted(known.people) if known else []
            self.same("expire", run_id, self.version(data, run_id), people)

    @rule(
        filters=st.fixed_dictionaries(
            {
                "status": st.sampled_from((None, None, *STATUSES)),
                "agent": st.none() | AGENTS,
                "channel": st.sampled_from((None, None, "api", "slack")),
                "waiting_for": st.sampled_from((None, None, "answer", "approval")),
                "person": st.sampled_from((None, None, "api:ann", "slack:t1/u1")),
            }
        ),
        limit=st.integers(1, 3),
    )
    def list_runs(self, filters: dict[str, str | None], limit: int) -> None:
        self.pages(lambda store, cursor: store.list_runs(limit=limit, cursor=cursor, **filters))
        self.pages(lambda store, cursor: store.asking(limit=limit, cursor=cursor))
        self.same("origins")
        for age in (0.0, 1.0, 3600.0):
            self.same("finished", round(self.now - age, 3), limit)

    def pages(self, page: Callable[[Any, str | None], Any]) -> None:
        """All pages of a list."""
        for store in (self.memory, self.redis):
            store.page = lambda cursor, store=store: page(store, cursor)  # type: ignore[union-attr]
        cursor = None
        while (found := self.same("page", cursor)).cursor:
            cursor = found.cursor

    @rule(
        key=st.sampled_from("pq"),
        value=st.text(max_size=2),
        ttl=st.sampled_from((None, LONG)),
        amounts=st.dictionaries(st.sampled_from("mn"), AMOUNTS),
    )
    def keep_books(
        self, key: str, value: str, ttl: float | None, amounts: dict[str, dict[str, float]]
    ) -> None:
        self.same("remember", key, value, ttl)
        self.same("recall", key)
        self.same("spend", amounts, LONG)
        self.same("spent", ["m", "n", "o"])
        self.same("report", key, amounts.get("m", {}))

    @rule(key=st.sampled_from("pq"), value=st.text(max_size=2))
    def overwrite(self, key: str, value: str) -> None:
        self.same("overwrite", key, value)
        self.same("recall", key)

    @rule(
        key=st.sampled_from("pq"),
        expected=st.none() | st.text(max_size=2),
        value=st.text(max_size=2),
    )
    def swap(self, key: str, expected: str | None, value: str) -> None:
        self.same("swap", key, expected, value)
        self.same("recall", key)

    @rule(box=st.sampled_from("bc"), key=st.sampled_from("xy"), value=st.binary(max_size=3))
    def keep_in_a_box(self, box: str, key: str, value: bytes) -> None:
        self.same("put", box, key, value)
        self.same("drop", box, "x")
        self.same("box", box)

    @rule(ledger=st.sampled_from("xy"), entries=EVENTS, limit=st.integers(1, 4))
    def note(self, ledger: str, entries: list[bytes], limit: int) -> None:
        """The ids are made of the server's own time; what stands under them must be the same."""
        self.same("note", ledger, entries, 1000)
        pages = []
        for store in (self.memory, self.redis):
            found, after = [], ""
            while some := self.wait(store.notes(ledger, after, limit)):
                assert len(some) <= limit
                found += [data for _, data in some]
                after = some[-1][0]
            pages.append(found)
        assert pages[0] == pages[1]

    @invariant()
    def the_rest_is_the_same(self) -> None:
        self.same("versions", self.runs)
        for run_id in self.runs:
            self.same("load", run_id)
            self.same("head", run_id)
        gauges = [self.wait(store.gauges()) for store in (self.memory, self.redis)]
        memory, redis = [
            replace(
                one,
                oldest_lease=round(one.oldest_lease, 3),
                runs={status: one.runs.get(status, 0) for status in STATUSES},
            )
            for one in gauges
        ]
        assert memory == redis


class Onward(Twins):
    """Twins whose clock only goes on. So more is passed over: a step back makes all look again."""

    @rule(seconds=STEPS)
    def time_passes(self, seconds: float) -> None:
        super().time_passes(abs(seconds))


class WithSnapshots(Onward):
    """Twins that keep snapshots, and lose the ends of logs."""

    def code(self, data: st.DataObject) -> tuple[str, ...]:
        return (data.draw(st.sampled_from(("A1", "A1", "B2", "")), label="code"),)

    def beside(
        self, data: st.DataObject, run_id: str, version: int, events: list[bytes]
    ) -> tuple[bytes, ...]:
        last = data.draw(st.sampled_from((b"", b"", b"hello")), label="last")
        return last, self.sealed(data, run_id, version, events)

    def sealed(self, data: st.DataObject, run_id: str, version: int, events: list[bytes]) -> bytes:
        """Mostly as it should be, or none; sometimes damaged."""
        log = [*self.wait(self.memory.load(run_id))[:version], *events]
        right = b"%d %s A1\nstate" % (len(log), sha1(log[-1] if log else b"").hexdigest().encode())
        wrong = [right[:-9], right.replace(b" ", b"7 ", 1), b"9" * 30 + right, b"\n", right[3:]]
        return data.draw(st.sampled_from([b"", b"", right, right, right, *wrong]), label="snapshot")

    @rule(data=st.data(), code=st.sampled_from(("A1", "A1", "B2", "")))
    def read_what_is_new(self, data: st.DataObject, code: str) -> None:
        run_id = self.run(data)
        log = self.wait(self.memory.load(run_id))
        known = data.draw(st.sampled_from((0, len(log), max(0, len(log) - 1), len(log) + 1, 1)))
        right = log[known - 1] if 0 < known <= len(log) else b"none"
        self.same("latest", run_id, code, known, data.draw(st.sampled_from((right, right, b"x"))))
        self.same("load", run_id, known, data.draw(st.integers(0, 2)))

    @rule(data=st.data(), lost=st.integers(1, 3), snapshot=st.booleans())
    def another_server_takes_over(self, data: st.DataObject, lost: int, snapshot: bool) -> None:
        """It lacks the last events of a run, but has the snapshot all the same: the worst case."""
        run_id = self.run(data)
        kept = self.memory._runs.get(run_id)
        if kept is None or len(kept.log) <= lost:
            return
        if snapshot:
            self.same("drop_snapshot", run_id)
        del kept.log[-lost:]
        prefix = self.redis._prefix(shard_of(run_id))
        self.wait(self.redis._redis.rpop(f"{prefix}:log:{run_id}", lost))
        self.wait(self.redis._redis.hset(f"{prefix}:run:{run_id}", "version", str(len(kept.log))))
        kept.head = replace(kept.head, version=len(kept.log))
        self.redis._versions._settled.clear()  # nothing was written here that shows a change
        self.read_what_is_new(data, "A1")


class WithTables(Pair, RuleBasedStateMachine):
    @rule(table=st.sampled_from("tu"), key=st.sampled_from("xyz"), row=st.one_of(st.none(), ROWS))
    def keep(self, table: str, key: str, row: Row | None) -> None:
        if row is None:
            self.same("drop_row", table, key)
        else:
            self.same("set_row", table, key, row)
        first = self.same("rows", table, "", 2)
        self.same("rows", table, first.rows[-1][0] if first.rows else "", 2)
        self.same("sums", table)


class Moving(Twins):
    """Twins whose server begins in the old layout and moves, and whose runs come back."""

    def __init__(self, url: str, change: tuple[str, str] | None = None) -> None:
        super().__init__(url, change)
        self.wait(self.redis._redis.set("ponderd:layout", "old"))
        self.taken: dict[str, NewMessage] = {}

    def new_run_id(self, name: str) -> str:
        return self.wait(self.redis.new_run_id(name))

    def take(self, message: NewMessage) -> None:
        super().take(message)
        self.taken[message.run_id] = message

    @rule(data=st.data(), key=st.sampled_from("pq"))
    def write_to_a_run(self, data: st.DataObject, key: str) -> None:
        """Also if it is gone: then it comes back."""
        run_id = self.run(data)
        if message := self.taken.get(run_id):
            keys = (f"{message.conversation_key}:{key}",)
            self.take(replace(message, keys=keys, only_new=False, checkpoint=None, returns=True))

    @rule(data=st.data())
    def archive(self, data: st.DataObject) -> None:
        run_id = self.run(data)
        self.same("signal", run_id, self.version(data, run_id), b"end", Projection("COMPLETED"))
        if claim := self.same("claim", run_id, "worker", 60.0):
            version = len(self.wait(self.memory.load(run_id)))
            done = Projection("COMPLETED")
            self.same("commit", run_id, claim.token, version, [b"done"], done, Release())
            self.same("expire", run_id, version + 1, [])

    @rule()
    def the_move_begins(self) -> None:
        self.wait(self.redis.layouts.begin())

    @rule()
    def the_move_ends(self) -> None:
        """When old shards are empty, and the time of all triggers is over."""
        if not self.wait(self.redis.layouts.progress()).can_end:
            return
        for kind in ("trigger", "digest"):
            for key in self.wait(self.redis._redis.keys(f"*:{kind}:*")):
                self.wait(self.redis._redis.delete(key))
            for key in [one for one in self.memory._kept if one.startswith(f"{kind}:")]:
                del self.memory._kept[key]
        self.wait(self.redis.layouts.end())


class WhoSleep(Onward):
    """Twins whose runs fall asleep and are woken, by several at once and by some who are late."""

    def __init__(self, url: str, change: tuple[str, str] | None = None) -> None:
        super().__init__(url, change)
        self.archived: dict[str, list[bytes]] = {}

    @rule(
        data=st.data(),
        waits=st.booleans(),
        late=st.integers(0, 5),
        idle=st.sampled_from((0.0, 0.0, 2.0)),
    )
    def sleep(self, data: st.DataObject, waits: bool, late: int, idle: float) -> None:
        """Mostly of a run that waits."""
        run_id = self.run(data)
        if waits:
            self.rest(run_id, *data.draw(RESTS))
        run = self.memory._runs.get(run_id)
        log = list(run.log) if run and not run.asleep else [b"none"]
        mark = mark_of(log)
        version, last = len(log) - (late == 1), log[-1] + b"?" * (late == 2)
        if self.same("sleep", run_id, version, last, mark, idle):
            self.archived[mark] = log
            assert run
            agent, _, _, conversation = run.conversation_key.split(":")
            for _ in range(late - 2 if conversation in "ab" else 0):
                self.admit(agent, conversation, [], [])
            if late == 3:
                self.same("claim", run_id, "worker", 15.0)
            if late > 3:
                self.same("wake", run_id, mark, log)

    def rest(self, run_id: str, status: str, seconds: float | None) -> None:
        claim = self.same("claim", run_id, "worker", 15.0)
        if isinstance(claim, Claim):
            self.claims.append((run_id, claim.token))
            rests = Projection(status, "answer")
            version = claim.tail.version
            due = None if seconds is None else round(self.now + seconds, 3)
            self.same("commit", run_id, claim.token, version, [b"rests"], rests, Release(due))

    @rule(data=st.data(), again=st.booleans())
    def wake(self, data: st.DataObject, again: bool) -> None:
        run_id = self.run(data)
        run = self.memory._runs.get(run_id)
        mark = (
            run.asleep
            if run and run.asleep
            else data.draw(st.sampled_from([*self.archived, "1 none"]))
        )
        for _ in range(1 + again):
            self.same("wake", run_id, mark, self.archived.get(mark, [b"none"]))

    @rule(data=st.data(), known=st.integers(0, 3))
    def read(self, data: st.DataObject, known: int) -> None:
        self.same("latest", self.run(data), "", known, b"hello")
        self.same("load", self.run(data), known, 1)


FAST = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
    report_multiple_bugs=False,  # what a time limit raises would be one, and it would go on
)


def test_memory_and_server_answer_the_same(redis_url: str) -> None:
    run_state_machine_as_test(lambda: Twins(redis_url), settings=FAST)


def test_they_do_while_the_store_moves(redis_url: str) -> None:
    run_state_machine_as_test(lambda: Moving(redis_url), settings=FAST)


def test_they_do_with_snapshots(redis_url: str) -> None:
    run_state_machine_as_test(lambda: WithSnapshots(redis_url), settings=FAST)


def test_they_do_with_tables(redis_url: str) -> None:
    run_state_machine_as_test(
        lambda: WithTables(redis_url), settings=settings(FAST, max_examples=30)
    )


def test_they_do_with_runs_that_sleep(redis_url: str) -> None:
    run_state_machine_as_test(lambda: WhoSleep(redis_url), settings=FAST)


class AnyClock(bytes):
    """The same as every other."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    def split(self, *_: Any) -> list[bytes]:  # type: ignore[override]
        return [b"0", b"0", b"0"]


BUMP = "redis.call('HINCRBY', run_key(id), 'token', 1)"
DUE = "redis.call('ZADD', due_key, int(now + grace), id)"
CHANGES = {
    "an admission does not look at the checkpoint": ("    return {new_id, 'stale', 0}", ""),
    "a repeat keeps the checkpoint": ("    proceed(seen)", ""),
    "a message does not make its run due": (DUE, ""),
    "a claim keeps the token": (
        f"token = {BUMP}",
        "token = redis.call('HGET', run_key(id), 'token')",
    ),
    "a claim does not look at the lease": ("or lease_left(id, lease_time) > 0 then", "then"),
    "a sweep takes what is held": ("if left > 0 then", "if false then"),
    "a lease ends while no script runs": (
        "math.max(elapsed, 0), LONGEST_GAP)",
        "math.max(elapsed, 0), 1e9)",
    ),
    "a clock that goes back is believed": (
        "math.max(server, now + gap - math.floor(gap / 10))",
        "server",
    ),
    "a renewal does not look at the token": ("~= ARGV[2] then", "== false then"),
    "a commit does not look at the token": ("~= token then", "== false then"),
    "a release keeps the token": (f"  {BUMP}", ""),
    "a release keeps the lease": ("'lease_until', '0')", "'owner', '')"),
    "a sweep forgets": (
        "redis.call('ZADD', due_key, int(now + ARGV[2]), id)",
        "redis.call('ZREM', due_key, id)",
    ),
    "an agent is not listed": (
        "  redis.call('SADD', prefix .. ':origins', channel .. ':' .. agent)\n",
        "",
    ),
    "a list is not remembered": ("  redis.call('SADD', lists_key, name)\n", ""),
    "a list is forgotten with one of its runs": (
        "if redis.call('EXISTS', list_key(name)) == 0 then",
        "if was_there == 1 then",
    ),
    "a list goes on where it was": (
        "if before(seen, {time = 0, id = there[1]}) then high = middle",
        "if true then high = middle",
    ),
    "a run is forgotten that is due": ("or redis.call('ZSCORE', due_key, id)\n", "\n"),
}


def until(seconds: float | None) -> Callable[[Pair], None]:
    """A run that waits so long."""

    def lets_wait(pair: Pair) -> None:
        key = conversation_key("assistant", "api", "", "c")
        new = NewMessage(new_run_id(key), key, (), "assistant", "1", "api", "c", (b"x",), b"x")
        run_id = pair.same("admit", new).run_id
        claim = pair.same("claim", run_id, "me", 15.0)
        due = None if seconds is None else START + seconds
        waits = (run_id, claim.token, 2, [b"waits"], Projection("WAITING"), Release(due))
        pair.same("commit", *waits)

    return lets_wait


def at(second: float) -> Callable[[Pair], None]:
    return lambda pair: pair.set_clock(START + second)


def sweep(pair: Pair) -> None:
    pair.same("sweep", 5, 60.0)


def signal(pair: Pair) -> None:
    [run_id] = pair.memory._runs
    pair.same("signal", run_id, 3, b"signal", Projection("READY"))


class Lapse(NamedTuple):
    """What `DueRuns` might note wrongly of a shard that it has swept, and what shows it."""

    noted: dict[str, Any]
    shown_by: tuple[Callable[[Pair], None], ...]


LAPSES = {
    "a shard with a run that will be due is left alone": Lapse(
        {"due": math.inf}, (until(30), at(1), sweep, at(40), sweep)
    ),
    "a clock is believed that was just written": Lapse(
        {"settled": True}, (until(None), sweep, signal, at(5), sweep)
    ),
    "a clock is not looked at": Lapse(
        {"clock": AnyClock()}, (until(None), at(1), sweep, at(2), signal, at(9), sweep)
    ),
}
"""That it sweeps shards in which runs are held, test_redis_due.py shows."""


@pytest.mark.parametrize("name", LAPSES)
def test_a_look_that_passes_over_a_shard_is_found(
    name: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen(*what: Any) -> Any:
        return replace(noted(*what), **lapse.noted)

    def go_through() -> None:
        pair = Pair(redis_url)
        try:
            for step in lapse.shown_by:
                step(pair)
        finally:
            pair.teardown()

    noted, lapse = redis_due._Seen, LAPSES[name]
    go_through()
    monkeypatch.setattr(redis_due, "_Seen", seen)
    with pytest.raises(AssertionError, match=r"sweep\(5, 60.0\): \['.+'\] in memory, \[\]"):
        go_through()


@pytest.mark.parametrize("name", CHANGES)
def test_a_difference_is_found(name: str, redis_url: str) -> None:
    # What hypothesis draws depends on the modules that are loaded. So this may not hang on luck.
    until_found = settings(FAST, max_examples=2_000)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(lambda: Twins(redis_url, CHANGES[name]), settings=until_found)


def test_a_checkpoint_that_stays_behind_is_found(redis_url: str) -> None:
    change = ("if value then redis.call('RENAME'", "if false then redis.call('RENAME'")
    until_found = settings(FAST, max_examples=2_000)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(lambda: Moving(redis_url, change), settings=until_found)
