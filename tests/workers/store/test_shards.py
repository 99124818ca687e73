"""Shards lie evenly on the nodes of a cluster, whatever the namespace."""

from __future__ import annotations

import pytest
from redis.crc import key_slot

from ponderd.workers.store.shards import (
    EVEN_SHARDS,
    OLD_SHARDS,
    SHARDS,
    family,
    old_shard,
    prefixes,
    shard_of_name,
    slot_of,
)
from tests.services.state_cluster import SLOTS, dealt

NAMESPACES = ("ponderd", "acme:prod", "täglich")


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("nodes", [2, 3, 4, 6, 8, 12, 16, 24, 48])
def test_each_node_has_equally_many(namespace: str, nodes: int) -> None:
    slots = [slot_of(prefix[1:-1]) for prefix in prefixes(namespace)[OLD_SHARDS:]]
    counts = [sum(first <= slot <= last for slot in slots) for first, last in dealt(nodes)]
    assert counts == [EVEN_SHARDS // nodes] * nodes


@pytest.mark.parametrize("nodes", [3, 6, 12, 16])
def test_so_many_runs_have_equally_many_keys_on_each_node(nodes: int) -> None:
    """Within a tenth, which chance alone does not spend."""
    slots = [slot_of(prefix[1:-1]) for prefix in prefixes("ponderd")]
    found = [slots[shard_of_name(f"assistant:api::c{number}")] for number in range(96_000)]
    counts = [sum(first <= slot <= last for slot in found) for first, last in dealt(nodes)]
    assert all(abs(count * nodes / 96_000 - 1) < 0.1 for count in counts), counts


@pytest.mark.parametrize("nodes", [5, 7, 9, 10, 11, 13, 20])
def test_other_numbers_differ_by_one(nodes: int) -> None:
    slots = [slot_of(prefix[1:-1]) for prefix in prefixes("ponderd")[OLD_SHARDS:]]
    counts = [sum(first <= slot <= last for slot in slots) for first, last in dealt(nodes)]
    assert max(counts) - min(counts) <= 1, counts


def test_the_old_tags_are_what_they_were() -> None:
    assert prefixes("ponderd")[:OLD_SHARDS] == tuple(f"{{ponderd:{n:02x}}}" for n in range(16))
    assert prefixes("ponderd")[OLD_SHARDS] == "{ponderd:10.30}"  # its keys stand in servers
    assert len(set(prefixes("ponderd"))) == SHARDS


def test_slots_are_those_of_a_server() -> None:
    for prefix in prefixes("ponderd"):
        assert slot_of(prefix[1:-1]) == key_slot(f"{prefix}:run:1".encode(), SLOTS)


def test_a_shard_tells_where_its_names_stood_before() -> None:
    for number in range(1000):
        name = f"c{number}"
        old, new = shard_of_name(name, old=True), shard_of_name(name)
        assert old < OLD_SHARDS <= new < SHARDS
        assert old_shard(new) == old
        assert {old, new} <= set(family(old)) == set(family(new))
