"""The real embedded model: at TEST_MODEL_URL if that is set, else started here."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator

import pytest
from rich.console import Console

from ponderd.daemon.local.model_file import QWEN, fetch
from ponderd.daemon.settings import DaemonSettings
from ponderd.workers.llm.client import ModelClient
from ponderd.workers.llm.connect import connect
from ponderd.workers.settings import WorkerSettings
from tests.services.eventually import PATIENCE, wait_until
from tests.services.ports import free_port

LETS_OTHERS_WORK = {"OMP_WAIT_POLICY": "passive"}
"""Without it each thread of the model spins until the others are done, which on a busy machine they
are not for long."""


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    if given := os.environ.get("TEST_MODEL_URL"):
        yield given
        return
    file = fetch(QWEN, DaemonSettings().cache_dir, Console())
    port = free_port()
    command = [sys.executable, "-m", "ponderd.daemon.local.model_server", "--inspect"]
    server = subprocess.Popen(
        [
            *command,
            "--model",
            str(file),
            "--port",
            str(port),
            "--parent",
            str(os.getpid()),
            "--inspect",
        ],
        env={**os.environ, **LETS_OTHERS_WORK},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
async def client(model_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelClient]:
    monkeypatch.setattr("ponderd.workers.llm.connect.PROBE_SECONDS", PATIENCE)
    client = connect(WorkerSettings(model_url=model_url))
    yield client
    await client.close()


def _wait_until_healthy(url: str) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE):
                return True
        except OSError:
            return False

    wait_until(answers)
