"""Every process starts in every folder, also in one whose contents have our names."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.services.model_server import ScriptedModel
from tests.services.stack import API_TOKEN, Client, Stack, running

NAMES = ("ponderd", "workers", "channels", "daemon", "celery", "redis", "secrets")


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A folder with packages and modules that must not be taken for ours, or for what we use."""
    folder = tmp_path / "crowded"
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise SystemExit('taken for ours')\n")
    return folder


@dataclass
class Installed(Stack):
    """Its processes are started as an operator does it, in a folder of their own choice."""

    folder: Path = Path()

    def start(self, command: str, name: str | None = None) -> subprocess.Popen[bytes]:
        name = name or command
        with (self.data_dir / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [Path(sys.executable).with_name("ponderd"), command, "--json"],
                cwd=self.folder,
                env={**os.environ, **self.settings},
                stdout=log,
                stderr=log,
            )
        return self.processes[name]


async def test_serve_and_work(redis_url: str, data_dir: Path, crowded: Path) -> None:
    async with ScriptedModel({"action": "reply", "text": "here"}) as model:
        stack = Installed(redis_url, model.url, data_dir, folder=crowded)
        async with running(stack) as client:
            view = await client.until(await client.launch("assistant", "where?"))
            assert view["status"] == "COMPLETED"


async def test_up_and_all_that_it_starts(redis_url: str, data_dir: Path, crowded: Path) -> None:
    async with ScriptedModel({"action": "reply", "text": "here"}) as model:
        stack = Installed(redis_url, model.url, data_dir, folder=crowded)
        up = stack.start("up")
        try:
            await stack.ready()
            headers = {"authorization": f"Bearer {API_TOKEN}"}
            async with aiohttp.ClientSession(stack.url, headers=headers) as session:
                client = Client(session)
                view = await client.until(await client.launch("assistant", "where?"))
                assert view["status"] == "COMPLETED"
        finally:
            up.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(up.wait, 60) in (0, 130), stack.log("up")


def test_the_embedded_model_server(crowded: Path) -> None:
    """`ponderd up` starts it with exactly these words before the options."""
    from ponderd.daemon.local.up import _python

    done = subprocess.run(
        [*_python("ponderd.daemon.local.model_server"), "--help"],
        cwd=crowded,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "--parent" in done.stdout
