"""Real parts for tests: one Redis or Valkey for the session, emptied before each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from ponderd.workers.store import redis_client
from tests.services.eventually import PATIENCE
from tests.services.state_cluster import StateCluster
from tests.services.state_server import StateServer

pytest_plugins = ["tests.services.side_by_side", "tests.services.skips"]

# Settings of the person who runs the tests must not leak into them.
for name in [name for name in os.environ if name.startswith("PONDERD_")]:
    del os.environ[name]


# Nor may a busy machine: a store in this process waits for its server for as long as it takes.
redis_client.ANSWER_SECONDS = redis_client.CONNECT_SECONDS = PATIENCE

# Nor may it end a search for examples: hypothesis gives each 0.2 s by default.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Rich tracebacks, with all local variables of each frame, cost a second each.
*_before, _console = structlog.get_config()["processors"]
_plain = structlog.dev.ConsoleRenderer(
    colors=False, exception_formatter=structlog.dev.plain_traceback
)
structlog.configure(processors=[*_before, _plain])


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StateServer]:
    with StateServer(tmp_path_factory.mktemp("state")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: StateServer) -> str:
    """A real state server, empty."""
    redis_server.empty()
    return redis_server.url


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StateCluster]:
    with StateCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster_url(redis_cluster: StateCluster) -> str:
    """A real cluster of three nodes, empty."""
    redis_cluster.empty()
    return redis_cluster.url


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder
