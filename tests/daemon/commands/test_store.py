"""`ponderd store show` and `ponderd store move`, on a store of the old layout."""

from __future__ import annotations

import time

import pytest
import redis

from ponderd.workers.store import redis_layout
from tests.daemon.commands.commands import Ponderd, ponderd

__all__ = ["ponderd"]


@pytest.fixture
def server(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> redis.Redis:
    monkeypatch.setenv("PONDERD_REDIS_URL", redis_url)
    client = redis.Redis.from_url(redis_url)
    client.set("{ponderd:03}:clock", "1 1 1")
    client.zadd("{ponderd:03}:runs", {"03-a-b": 1})
    return client


def test_a_move_is_asked_for_begun_watched_and_ended(
    server: redis.Redis, ponderd: Ponderd, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ponderd("store", "move")
    assert asked.code == 1 and "cannot be undone" in asked.out
    assert "old: 16 shards with 1 runs" in ponderd("store", "show").out
    begun = ponderd("store", "move", "--yes")
    assert begun.code == 0 and "1 runs are left" in begun.out and "until 20" in begun.out
    assert len(server.keys("{ponderd:0?}:closed")) == 16
    server.delete("{ponderd:03}:runs")
    left = ponderd("store", "move", "--json").json
    assert left["layout"] == "moving" and left["left"]["runs"] == 0 and not left["can_end"]
    monkeypatch.setattr(redis_layout, "TRIGGER_TTL", -2 * redis_layout.MARGIN)
    assert "ends it" in ponderd("store", "show").out
    assert ponderd("store", "move").out.startswith("even: 48 shards")
    assert ponderd("store", "move", "--json").json["layout"] == "even"


def test_it_does_not_begin_while_older_workers_take_runs(
    server: redis.Redis, ponderd: Ponderd
) -> None:
    server.zadd("ponderd:workers", {"host:1:ab": round(time.time() * 1000)})
    refused = ponderd("store", "move", "--yes")
    assert refused.code == 1 and "1 worker of an earlier version" in refused.err
    assert not server.keys("*:closed")
