"""Confirmed is what a replica has: on a server without one, nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ponderd.channels.errors import Unavailable
from ponderd.daemon.api import health
from ponderd.workers.store.contract import NewMessage, Projection
from ponderd.workers.store.redis_store import RedisStore, connect
from ponderd.workers.store.replicas import Replicas
from ponderd.workers.store.run_ids import new_run_id
from tests.services.state_cluster import StateCluster
from tests.services.state_sentinel import StateSentinel


def message(key: str) -> NewMessage:
    return NewMessage(
        run_id=new_run_id("c"),
        conversation_key="c",
        keys=(key,),
        agent="a",
        agent_version="v",
        channel="webhook",
        conversation="c",
        history=(b"began",),
        received=key.encode(),
    )


async def test_what_a_replica_has_is_confirmed(tmp_path: Path) -> None:
    with StateSentinel(tmp_path) as state:
        store = RedisStore(connect(state.url), replicas=1)
        admitted = await store.admit(message("k"))
        assert (await store.admit(message("k"))).outcome == "duplicate"
        await store.put("box", "key", b"value")
        claim = await store.claim(admitted.run_id, "me", 60)
        assert claim
        known = (admitted.run_id, claim.token, 2)
        assert await store.confirm(*known, b"k") == "confirmed"
        assert await store.confirm(*known, b"other") == "lost"
        assert await store.confirm(admitted.run_id, claim.token - 1, 2, b"k") == "lost"
        ready = Projection("READY")
        lost = await store.commit(*known, [b"e"], ready, None, b"other")
        assert type(lost).__name__ == "Lost"

        state.cut_off()
        assert await store.confirm(*known, b"k") == "waiting"
        for refused in (
            lambda: store.admit(message("l")),
            lambda: store.put("box", "other", b"value"),
            lambda: store.signal(admitted.run_id, 2, b"e", ready),
            store.check_replicas,
        ):
            with pytest.raises(Unavailable, match="PONDERD_STATE_REPLICAS"):
                await refused()
        assert await store.load(admitted.run_id) == (b"began", b"k")  # refused before it was stored

        state.join()
        assert await store.confirm(*known, b"k") == "confirmed"
        assert (await store.admit(message("l"))).outcome == "appended"
        await store.close()


async def test_the_health_is_known_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a server whose replicas went away unnoticed: before the daemon gives up asking."""
    with StateSentinel(tmp_path) as state:
        state.cut_off()
        store = RedisStore(connect(state.url), replicas=1)
        waits: list[int] = []
        ask = Replicas._on_one_connection

        async def noted(self: Replicas, key: str, commands: list[tuple[Any, ...]]) -> list[Any]:
            waits.append(commands[-1][2])
            return await ask(self, key, commands)

        monkeypatch.setattr(Replicas, "_on_one_connection", noted)
        for _ in range(2):
            with pytest.raises(Unavailable, match="PONDERD_STATE_REPLICAS"):
                await store.check_replicas()
        with pytest.raises(Unavailable, match="PONDERD_STATE_REPLICAS"):
            await store.admit(message("k"))
        await store.close()
    assert waits == [1000, 1000, 2000]
    assert waits[0] < health.CHECK_SECONDS * 1000


async def test_each_node_of_a_cluster_is_asked(
    redis_cluster: StateCluster, cluster_url: str
) -> None:
    alone = RedisStore(connect(cluster_url), replicas=1)
    with pytest.raises(Unavailable, match="PONDERD_STATE_REPLICAS"):
        await alone.check_replicas()
    await alone.close()
    store = RedisStore(connect(cluster_url))
    admitted = await store.admit(message("k"))
    claim = await store.claim(admitted.run_id, "me", 60)
    assert claim
    assert await store.confirm(admitted.run_id, claim.token, 2, b"k") == "confirmed"
    await store.close()
