"""A restore drill: backup.sh copies a server that is written to, and another one starts with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.services.eventually import PATIENCE, wait_until
from tests.services.state_server import PASSWORD, StateServer

SCRIPT = Path(__file__).parents[2] / "deploy" / "backup.sh"
SETTING = "auto-aof-rewrite-percentage"

needs_cli = pytest.mark.skipif(
    not (shutil.which("redis-cli") or shutil.which("valkey-cli")), reason="needs redis-cli"
)


class Load:
    """Writes all the time; `acknowledged` is the last number whose writing was answered."""

    def __init__(self, url: str) -> None:
        self.acknowledged = 0
        self._client = redis.Redis.from_url(url)
        self._on = threading.Event()
        self._on.set()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self) -> None:
        while self._on.is_set():
            number = self.acknowledged + 1
            self._client.rpush("log", f"{number} {'x' * 1000}")
            self.acknowledged = number

    def stop(self) -> None:
        self._on.clear()
        self._thread.join()
        self._client.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StateServer]:
    with StateServer(tmp_path / "state") as server:
        with redis.Redis.from_url(server.url) as client:
            client.config_set(SETTING, 77)
        yield server


def start(server: StateServer, target: Path, **more: str) -> subprocess.Popen[str]:
    environment = os.environ | {
        "REDIS_PORT": str(server.port),
        "REDISCLI_AUTH": PASSWORD,
        "TMPDIR": str(target.parent),
        **more,
    }
    return subprocess.Popen(
        ["sh", SCRIPT, target], env=environment, stderr=subprocess.PIPE, text=True
    )


def percentage(server: StateServer) -> str:
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        return str(client.config_get(SETTING)[SETTING])


@needs_cli
def test_what_was_acknowledged_before_the_backup_is_in_it(
    server: StateServer, tmp_path: Path
) -> None:
    load, target = Load(server.url), tmp_path / "backup"
    try:
        wait_until(lambda: load.acknowledged > 1000)
        with redis.Redis.from_url(server.url) as client:
            client.bgrewriteaof()
        before = load.acknowledged
        backup = start(server, target)
        _, said = backup.communicate(timeout=PATIENCE)
        wait_until(lambda: load.acknowledged > before + 100)
    finally:
        load.stop()
    assert backup.returncode == 0, said
    assert "checked with" in said or "not checked" in said
    assert percentage(server) == "77"

    restored = StateServer(tmp_path / "restored")
    shutil.copytree(target / "appendonlydir", restored.folder / "state" / "appendonlydir")
    with restored, redis.Redis.from_url(restored.url, decode_responses=True) as client:
        numbers = [int(line.partition(" ")[0]) for line in client.lrange("log", 0, -1)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert before <= len(numbers) <= load.acknowledged


@needs_cli
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_rewrites_are_on_again_when_it_is_killed(
    server: StateServer, tmp_path: Path, how: signal.Signals
) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.config_set("rdb-key-save-delay", 100_000)  # a rewrite that does not end
        client.config_set("aof-use-rdb-preamble", "yes")
        client.rpush("log", *range(10))
        for number in range(1000):
            client.set(f"key {number}", "x")
        client.bgrewriteaof()
    backup = start(server, tmp_path / "backup")
    wait_until(lambda: percentage(server) == "0")
    backup.send_signal(how)
    backup.communicate(timeout=PATIENCE)
    wait_until(lambda: percentage(server) == "77")
    assert backup.returncode != 0
    assert not (tmp_path / "backup").exists()


@needs_cli
def test_it_says_why_there_is_no_backup(server: StateServer, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    wrong = start(server, target, REDISCLI_AUTH="wrong")
    assert "does not answer" in wrong.communicate(timeout=PATIENCE)[1]
    assert wrong.returncode == 3
    target.mkdir()
    there = start(server, target)
    assert "exists already" in there.communicate(timeout=PATIENCE)[1]
    assert there.returncode == 2
