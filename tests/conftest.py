"""Real parts for tests: one Redis or Valkey for the session, emptied before each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.state_cluster import StateCluster
from tests.services.state_server import StateServer

# Settings of the person who runs the tests must not leak into them.
for name in [name for name in os.environ if name.startswith("PONDERD_")]:
    del os.environ[name]


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
