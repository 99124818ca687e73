"""A pytest plugin: how the tests are dealt out to the processes of pytest-xdist.

A file goes to one process as a whole, for its tests share what takes long to start, except where
each test stands for itself. What takes longest begins first, so that nobody waits for it.
All that tests start has ports, folders and a state server of its own: see `tests.services.ports`,
and `redis_server`, which each process has."""

from __future__ import annotations

import os
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

APART = (
    "tests/channels/test_fuzz.py",
    "tests/daemon/local/test_model_file.py",
    "tests/daemon/local/test_supervisor.py",
    "tests/scenarios/test_faults.py",
    "tests/workers/agents/test_actions.py",
    "tests/workers/evaluation/test_from_ledger.py",
    "tests/workers/evaluation/test_from_table.py",
    "tests/workers/protocol/test_properties.py",
    "tests/workers/protocol/test_protocol.py",
    "tests/workers/protocol/test_twin.py",
)
"""Files whose tests share nothing."""

ONE_AFTER_THE_OTHER = "tests/model/"
"""A model takes 3 GB and all cores: one at a time."""

LONGEST = (
    "tests/model/",
    "tests/chaos/test_chaos.py",
    "tests/workers/run/test_run_states_doc.py",
    "tests/workers/agents/test_actions.py::test_nothing_a_model_writes_crashes_the_reading",
    "tests/channels/test_fuzz.py",
    "tests/daemon/commands/test_thinking.py",
    "tests/workers/store/test_contract.py",
    "tests/scenarios/test_people.py",
    "tests/scenarios/test_main_path.py",
    "tests/daemon/commands/test_cli_live.py",
    "tests/workers/protocol/",
    "tests/scenarios/",
    "tests/daemon/local/",
    "tests/daemon/api/",
)


class SideBySide(LoadScopeScheduling):  # type: ignore[misc]
    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith(ONE_AFTER_THE_OTHER):
            return ONE_AFTER_THE_OTHER
        return nodeid if file in APART else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SideBySide:
    return SideBySide(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two for each core, because whole systems mostly wait; but each takes up to 0.5 GB."""
    return min(2 * (os.cpu_count() or 1), 8)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        begins = (i for i, name in enumerate(LONGEST) if item.nodeid.startswith(name))
        return next(begins, len(LONGEST))

    items.sort(key=rank)
