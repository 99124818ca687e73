from __future__ import annotations

from dataclasses import replace

import pytest

from tests.benchmarks.capacity_model import (
    DAY,
    Cost,
    Costs,
    Limits,
    Load,
    copied,
    needs,
    nodes,
    reached,
    used,
)

COSTS = Costs(
    run=Cost(cpu=200e-6, commands=40, scripts=4, sent=2_000, written=4_000, daemon=2e-3),
    step=Cost(cpu=100e-6, commands=10, scripts=1, sent=500, written=2_000, notes=1, worker=1e-3),
    base=Cost(cpu=1e-3, commands=5),
    worker=Cost(cpu=2e-4, commands=2, worker=2e-3),
    consumer=Cost(commands=1),
    word=Cost(cpu=5e-6, sent=70),
    entry=Cost(cpu=2e-7, sent=250),
    note=Cost(cpu=4e-7, sent=400),
    renewal=Cost(cpu=1e-5, commands=7),
    look=Cost(cpu=3e-4, commands=130),
    waiting_bytes=5_000,
    finished_bytes=2_000,
    step_bytes=1_000,
    key_bytes=100,
    touched_bytes=10_000,
    rewrite=100e6,
    archived=500,
    worker_connections=12,
    daemon_connections=5,
)
LOAD = Load(workers=100, open_runs=100_000, messages=100)


def test_costs_add_up_and_scale() -> None:
    cost = Cost(cpu=1, commands=2)
    assert cost + cost == cost * 2
    assert cost - cost * 2 == cost * -1
    assert (cost - Cost(cpu=3)).no_less() == Cost(commands=2)


def test_work_grows_with_the_messages_and_their_steps() -> None:
    alone = replace(LOAD, workers=0, seconds=0)
    need = needs(COSTS, alone)
    assert need.server.cpu == pytest.approx(100 * (200e-6 + 5 * 100e-6) + 1e-3 + 2 * 3e-4)
    assert need.server.commands == pytest.approx(100 * (40 + 5 * 10) + 5 + 2 * 130)
    assert need.server.worker == pytest.approx(100 * 5 * 1e-3)
    assert need.daemons == 1
    assert needs(COSTS, replace(alone, messages=1_000)).daemons == 3


def test_leases_are_renewed_three_times_each() -> None:
    held = needs(COSTS, LOAD).server - needs(COSTS, replace(LOAD, seconds=0)).server
    assert held.commands == pytest.approx(100 * 10 * 3 / 15 * 7)


def test_what_each_worker_reads_of_all_others_grows_with_the_square() -> None:
    one, two = needs(COSTS, LOAD), needs(COSTS, LOAD.times(2))
    assert two.notes == pytest.approx(4 * one.notes)
    assert one.notes == pytest.approx(100 * 5 * 100 * 4e-7)
    met = 100**2 / 2.5 * 2e-7
    assert one.fleet == pytest.approx(met + 100 * (2 + 100 * 0.2) * 5e-6)


def test_no_worker_reads_more_of_a_ledger_than_is_kept() -> None:
    few = replace(LOAD, messages=10_000, agents=1, ledger=100)
    assert needs(COSTS, few).notes == pytest.approx(100 * 100 / 2 * 4e-7)


def test_memory_is_that_of_runs_that_wait_that_have_ended_and_of_keys() -> None:
    need = needs(COSTS, LOAD)
    assert need.open_bytes == 100_000 * 5_000
    assert need.finished_bytes == pytest.approx(100 * DAY * 6_000)
    assert need.key_bytes == pytest.approx(100 * 7 * DAY * 100)
    assert needs(COSTS, replace(LOAD, keep_days=0.5)).finished_bytes == need.finished_bytes / 2


def test_a_rewrite_copies_what_is_written_meanwhile_and_never_more_than_all() -> None:
    need = needs(COSTS, replace(LOAD, messages=1, keep_days=0, key_days=0))
    assert copied(COSTS, need) == pytest.approx(500e6 / 100e6 * 9 * 10_000)
    assert copied(COSTS, need, 2) == pytest.approx(copied(COSTS, need) / 4)
    busy = needs(COSTS, replace(LOAD, messages=10_000))
    assert copied(COSTS, busy) == busy.data


def test_a_cluster_has_as_many_nodes_as_the_scarcest_thing_asks_for() -> None:
    small = replace(LOAD, keep_days=0, key_days=0)
    assert nodes(COSTS, needs(COSTS, small)) == 1
    need = needs(COSTS, replace(LOAD, keep_days=5))
    count = nodes(COSTS, need)
    assert count > 1
    fits = [need.data / n + copied(COSTS, need, n) <= Limits().memory for n in (count - 1, count)]
    assert fits == [False, True]
    fast = needs(COSTS, replace(small, messages=10_000))
    assert nodes(COSTS, fast) == pytest.approx(fast.server.cpu / 0.7, abs=1)


def test_the_walls_stand_where_their_share_is_used_up_the_first_one_first() -> None:
    walls = reached(COSTS, LOAD)
    assert list(walls.values()) == sorted(walls.values())
    for name, factor in walls.items():
        assert used(COSTS, LOAD.times(factor))[name] == pytest.approx(1, rel=0.01)
    assert walls["connections"] == pytest.approx(8.3, abs=0.1)
    assert walls["the one worker that archives"] == pytest.approx(5, rel=0.01)
    assert reached(COSTS, LOAD, Limits(connections=500))["connections"] < 1
