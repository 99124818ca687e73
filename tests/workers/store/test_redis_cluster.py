"""What only a cluster can do to the store: slots that move, nodes that die. (What the store does
is in test_contract.py, which runs on a cluster, too.)"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis

from ponderd.channels.errors import Unavailable
from ponderd.workers.store.contract import NewMessage, Projection, Release, conversation_key
from ponderd.workers.store.redis_store import RedisStore, connect
from ponderd.workers.store.run_ids import new_run_id
from ponderd.workers.store.shards import EVEN_SHARDS, prefixes
from tests.services.eventually import patiently
from tests.services.ports import free_port
from tests.services.state_cluster import ClusterNode, StateCluster, dealt


@pytest.fixture
async def store(cluster_url: str) -> AsyncIterator[RedisStore]:
    opened = RedisStore(connect(cluster_url))
    yield opened
    await opened.close()


def message(conversation: str) -> NewMessage:
    key = conversation_key("assistant", "api", "", conversation)
    return NewMessage(
        run_id=new_run_id(key),
        conversation_key=key,
        keys=(),
        agent="assistant",
        agent_version="v1",
        channel="api",
        conversation=conversation,
        history=(b"launched",),
        received=b"hello",
    )


async def work_everywhere(store: RedisStore, round_: str) -> None:
    """Launch, claim, renew and finish runs in all shards."""
    admissions = await asyncio.gather(
        *(store.admit(message(f"{round_}-{i}")) for i in range(10 * EVEN_SHARDS))
    )
    ids = [admission.run_id for admission in admissions]
    assert len({run_id[:2] for run_id in ids}) == EVEN_SHARDS
    claims = [await store.claim(run_id, "worker", 30) for run_id in ids]
    held = [(claim.run_id, claim.token) for claim in claims if claim]
    assert await store.renew(held, 30) == dict.fromkeys(ids, 2)
    done = Projection("COMPLETED")
    await asyncio.gather(
        *(store.commit(run_id, token, 2, [b"end"], done, Release()) for run_id, token in held)
    )
    page = await store.list_runs(status="COMPLETED", agent=None, limit=1000, cursor=None)
    assert set(ids) <= {head.id for head in page.heads}
    assert await store.sweep(100, 1) == []


def owners(cluster: StateCluster) -> dict[int, ClusterNode]:
    """Slot of each shard -> the node that has it."""
    found = {}
    for prefix in prefixes("ponderd"):
        slot = int(cluster.nodes[0].ask("CLUSTER", "KEYSLOT", prefix))
        for node, (first, last) in zip(cluster.nodes, dealt(3), strict=True):
            if first <= slot <= last:
                found[slot] = node
    return found


async def test_the_shards_lie_on_all_nodes(redis_cluster: StateCluster, store: RedisStore) -> None:
    assert {node.port for node in owners(redis_cluster).values()} == {
        node.port for node in redis_cluster.nodes
    }
    await work_everywhere(store, "a")
    assert all(node.ask("DBSIZE") > 0 for node in redis_cluster.nodes)


async def test_load_is_spread_evenly(redis_cluster: StateCluster, store: RedisStore) -> None:
    """Runs from their beginning to their end: keys and commands of each node, within a tenth."""
    await store.admit(message("the first, so that all know the scripts"))
    redis_cluster.empty()
    before = {node.port: scripts_run(node) for node in redis_cluster.nodes}
    for part in range(10):
        ids = [f"load-{part}-{number}" for number in range(240)]
        admissions = await asyncio.gather(*(store.admit(message(name)) for name in ids))
        claims = await asyncio.gather(*(store.claim(a.run_id, "w", 30) for a in admissions))
        await asyncio.gather(
            *(
                store.commit(c.run_id, c.token, 2, [b"end"], Projection("COMPLETED"), Release())
                for c in claims
                if c
            )
        )
    keys = [node.ask("DBSIZE") for node in redis_cluster.nodes]
    commands = [scripts_run(node) - before[node.port] for node in redis_cluster.nodes]
    for shares in (keys, commands):
        assert sum(shares) > 7_000
        assert all(abs(3 * share / sum(shares) - 1) < 0.1 for share in shares), (keys, commands)


def scripts_run(node: ClusterNode) -> int:
    with redis.Redis.from_url(node.url) as client:
        stats: Any = client.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])


async def test_more_at_once_than_there_are_connections(cluster_url: str) -> None:
    store = RedisStore(connect(cluster_url, connections=4))
    await asyncio.gather(*(store.admit(message(f"c{i}")) for i in range(300)))
    assert (await store.gauges()).runs["READY"] == 300
    await store.close()


async def test_slots_that_move_are_followed(redis_cluster: StateCluster, store: RedisStore) -> None:
    await work_everywhere(store, "a")  # the client knows now who has what
    redis_cluster.empty()
    ids = {node.port: node.ask("CLUSTER", "MYID") for node in redis_cluster.nodes}
    before = owners(redis_cluster)

    def move(slot: int, giver: ClusterNode, taker: ClusterNode) -> None:
        taker.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[giver.port])
        giver.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[taker.port])
        for node in (taker, giver, *redis_cluster.nodes):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[taker.port])

    def next_to(node: ClusterNode) -> ClusterNode:
        return redis_cluster.nodes[(redis_cluster.nodes.index(node) + 1) % 3]

    try:
        for slot, node in before.items():
            move(slot, node, next_to(node))
        await work_everywhere(store, "b")
        held = await store.admit(message("held"))
        assert await store.claim(held.run_id, "worker", 30)
    finally:
        redis_cluster.empty()
        for slot, node in before.items():
            move(slot, next_to(node), node)


async def test_a_dead_node_makes_the_store_unavailable_until_it_is_back(
    redis_cluster: StateCluster, store: RedisStore
) -> None:
    await work_everywhere(store, "a")
    victim = redis_cluster.nodes[1]
    victim.stop(signal.SIGKILL)
    try:
        with pytest.raises(Unavailable):
            await asyncio.gather(*(store.admit(message(f"c{i}")) for i in range(50)))
        for _ in range(3):
            with pytest.raises(Unavailable):
                await store.sweep(1, 1)
            with pytest.raises(Unavailable):
                await store.gauges()
    finally:
        victim.start()
    redis_cluster.wait_until_complete()
    await patiently(until_available(store))
    await work_everywhere(store, "b")
    page = await store.list_runs(status="COMPLETED", agent=None, limit=1000, cursor=None)
    assert len(page.heads) == 2 * 10 * EVEN_SHARDS  # the node kept what it had


async def until_available(store: RedisStore) -> None:
    """The nodes are complete a little before each of them knows it of the others."""
    while True:
        try:
            await store.sweep(100, 60)
            return
        except Unavailable:
            await asyncio.sleep(0.1)


async def test_an_unreachable_cluster_is_unavailable() -> None:
    store = RedisStore(connect(f"redis+cluster://127.0.0.1:{free_port()}"))
    with pytest.raises(Unavailable):
        await store.admit(message("c"))
    with pytest.raises(Unavailable):
        await store.sweep(1, 1)
    await store.close()
