"""Differences between the two stores that chance finds only after long: each is planted into the
scripts, and shown by calls that say the same without it."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha1
from typing import NamedTuple

import pytest
from redis.exceptions import RedisError

from ponderd.workers.store.asleep import mark_of
from ponderd.workers.store.contract import NewMessage, Projection, Release, conversation_key
from ponderd.workers.store.run_ids import new_run_id
from tests.workers.protocol.test_twin import START, Pair


class Story(Pair):
    """Calls of both stores for one run. `log` is what its log says."""

    def __init__(self, url: str, change: tuple[str, str] | None = None) -> None:
        super().__init__(url, change)
        self.log: list[bytes] = []
        self.run_id = ""

    def written(self, conversation: str = "c", by: str = "api:ann") -> None:
        key = conversation_key("assistant", "api", "", conversation)
        run_id, where = new_run_id(key), ("assistant", "1", "api", conversation)
        new = NewMessage(run_id, key, (), *where, (b"begun",), b"said", people=(by,))
        found = self.same("admit", new)
        if found.outcome == "launched":
            self.run_id, self.log = found.run_id, [b"begun"]
        self.log.append(b"said")

    def committed(
        self, projection: Projection, release: Release | None, snapshot: bytes = b""
    ) -> None:
        claim = self.same("claim", self.run_id, "me", 15.0)
        version, last = len(self.log), self.log[-1]
        self.log.append(b"done")
        done = self.log[version:]
        self.same(
            "commit", self.run_id, claim.token, version, done, projection, release, last, snapshot
        )

    def rests(self, waiting_for: str = "answer", seconds: float | None = None) -> None:
        due = None if seconds is None else START + seconds
        self.committed(Projection("WAITING", waiting_for, START, b"{}"), Release(due))

    def signalled(self, status: str, waiting_for: str = "") -> None:
        new = Projection(status, waiting_for, START, b"{}")
        self.same("signal", self.run_id, len(self.log), b"told", new)
        self.log.append(b"told")

    def lists(self, **filters: str) -> None:
        for store in (self.memory, self.redis):
            store.page = lambda store=store: store.list_runs(  # type: ignore[union-attr]
                limit=1, cursor=None, **filters
            )
            store.first = lambda store=store: store.asking(  # type: ignore[union-attr]
                limit=1, cursor=None
            )
        self.same("page")
        self.same("first")

    def falls_asleep(
        self, version: int | None = None, last: bytes | None = None, idle: float = 0.0
    ) -> None:
        log = self.log
        given = len(log) if version is None else version, log[-1] if last is None else last
        self.same("sleep", self.run_id, *given, mark_of(log), idle)

    def wakes(self) -> None:
        self.same("wake", self.run_id, mark_of(self.log), self.log)

    def is_read(self, code: str = "") -> None:
        self.same("load", self.run_id)
        self.same("head", self.run_id)
        self.same("claim", self.run_id, "me", 15.0, code)


def writes_later(story: Story) -> None:
    story.written(by="api:ann")
    story.written(by="slack:t1/u1")
    story.lists(person="slack:t1/u1")


def is_decided(story: Story) -> None:
    """The first of two that ask."""
    story.written("other")
    story.rests("approval")
    story.set_clock(START + 1)
    first, log = story.run_id, story.log
    story.written()
    story.rests("approval")
    story.run_id, story.log = first, log
    story.lists()
    story.signalled("READY")
    story.lists()


def asks(story: Story) -> None:
    story.written()
    story.rests("approval")
    story.lists()


def waits_for_something_else(story: Story) -> None:
    story.written()
    story.rests("approval")
    story.signalled("WAITING", "answer")
    story.lists(waiting_for="answer")


def sleeps_while_held(story: Story) -> None:
    story.written()
    story.committed(Projection("WAITING", "answer"), None)
    story.falls_asleep()


def sleeps_while_due(story: Story) -> None:
    story.written()
    story.rests(seconds=1)
    story.falls_asleep(idle=2.0)


def sleeps_having_gone_on(story: Story) -> None:
    story.written()
    story.rests()
    story.falls_asleep(version=2)


def sleeps_with_another_log(story: Story) -> None:
    story.written()
    story.rests()
    story.falls_asleep(last=b"something else")


def sleeps(story: Story) -> None:
    story.written()
    story.rests()
    story.falls_asleep()


def is_written_to_asleep(story: Story) -> None:
    sleeps(story)
    log = list(story.log)
    story.written()
    story.same("load", story.run_id)
    story.log = log
    story.wakes()
    story.is_read()


def is_claimed_asleep(story: Story) -> None:
    sleeps(story)
    story.written()
    story.same("claim", story.run_id, "me", 15.0)


def is_signalled_asleep(story: Story) -> None:
    sleeps(story)
    story.signalled("CANCELLED")


def is_woken_twice(story: Story) -> None:
    sleeps(story)
    story.wakes()
    story.wakes()


def has_a_snapshot(version: int, event: bytes, code: str) -> Callable[[Story], None]:
    def tells(story: Story) -> None:
        story.written()
        seal = b"%d %s %s\nstate" % (version, sha1(event).hexdigest().encode(), code.encode())
        story.committed(Projection("WAITING", "answer"), Release(START), seal)
        story.is_read("A1")

    return tells


class Planted(NamedTuple):
    right: str
    wrong: str
    shown_by: Callable[[Story], None]


LATE = "list_people(id, known[3], last_key + 2, last_person)"
PLANTED = {
    "who writes later is not listed": Planted(LATE, f"if not exists then {LATE} end", writes_later),
    "an approval is still listed when it is decided": Planted(
        "    redis.call('ZREM', approvals_key, id)\n", "", is_decided
    ),
    "what an approval shows is of an earlier version": Planted(
        "version .. ' ' .. asks", "'2 ' .. asks", asks
    ),
    "a run stays in the list of what it waited for": Planted(
        "old[1] ~= status or old[2] ~= waiting_for",
        "old[1] ~= status",
        waits_for_something_else,
    ),
    "a run falls asleep that is held": Planted("(run[2] or '0') ~= '0' or ", "", sleeps_while_held),
    "a run falls asleep that is due": Planted(
        "tonumber(due) <= clocks(true) + ARGV[5]", "false", sleeps_while_due
    ),
    "a run falls asleep that went on": Planted(
        "redis.call('LLEN', log_key(id)) ~= version or", "", sleeps_having_gone_on
    ),
    "a run falls asleep with another log": Planted(
        "or redis.sha1hex(last) ~= ARGV[3]", "", sleeps_with_another_log
    ),
    "what came meanwhile is dropped": Planted(
        "for _, event in ipairs(late) do", "for _ in ipairs({}) do", is_written_to_asleep
    ),
    "a message to a run that is asleep begins a log": Planted(
        "if not mark then return", "if true then return", is_written_to_asleep
    ),
    "a run that is asleep is claimed": Planted(
        "if found[3] then", "if false then", is_claimed_asleep
    ),
    "a run that is asleep is signalled": Planted(
        "return mark and {'asleep', mark} or", "return", is_signalled_asleep
    ),
    "a run is woken twice": Planted(
        "if asleep(id) ~= ARGV[2] then return 0 end", "", is_woken_twice
    ),
    "a snapshot that the log does not have is used": Planted(
        "if by == code and fits(tonumber(version), sha) then",
        "if by == code then",
        has_a_snapshot(2, b"something else", "A1"),
    ),
    "a snapshot of other code is used": Planted(
        "if by == code and", "if by and", has_a_snapshot(2, b"said", "B2")
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_difference_is_shown(name: str, redis_url: str) -> None:
    right, wrong, shown_by = PLANTED[name]

    def tell(change: tuple[str, str] | None) -> None:
        story = Story(redis_url, change)
        try:
            shown_by(story)
        finally:
            story.teardown()

    tell(None)
    with pytest.raises((AssertionError, RedisError)):  # a script that fails is a finding, too
        tell((right, wrong))
