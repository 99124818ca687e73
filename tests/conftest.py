"""Real parts for tests: one Redis or Valkey for the session, emptied before each test."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from daemon.embedded import state_server
from tests.services.ports import free_port

# Settings of the person who runs the tests must not leak into them.
for name in [name for name in os.environ if name.startswith("PONDERD_")]:
    del os.environ[name]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("state")
    port = free_port()
    config = state_server.write_config(folder, port, "secret")
    process = subprocess.Popen(
        state_server.command(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = state_server.url(port, "secret")
    try:
        _wait_until_it_answers(url)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            with redis.Redis.from_url(url) as client:
                client.ping()
            return
        except redis.RedisError:
            assert time.monotonic() < deadline, "the state server did not start"
            time.sleep(0.02)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """A real state server, empty."""
    return empty(redis_server)


def empty(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder
