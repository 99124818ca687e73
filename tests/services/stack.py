"""A whole ponderd for scenarios: real daemon and worker processes on a real state server, with the
scripted model behind them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.services.eventually import PATIENCE
from tests.services.ports import free_port

API_TOKEN = "token-of-the-tests"
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNING_SECRET = "a secret that signs links and marks"


@dataclass
class Stack:
    """`environment` holds further settings of the processes."""

    redis_url: str
    model_url: str
    data_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    http_port: int = field(default_factory=free_port)
    smtp_port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def settings(self) -> dict[str, str]:
        return {
            "PONDERD_DATA_DIR": str(self.data_dir),
            "PONDERD_REDIS_URL": self.redis_url,
            "PONDERD_MODEL_URL": self.model_url,
            "PONDERD_HTTP_PORT": str(self.http_port),
            "PONDERD_SMTP_PORT": str(self.smtp_port),
            "PONDERD_API_TOKEN": API_TOKEN,
            "PONDERD_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "PONDERD_SIGNING_SECRET": SIGNING_SECRET,
            "PONDERD_LEASE_SECONDS": "10",
            "PONDERD_DRAIN_SECONDS": "15",
            **self.environment,
        }

    def start(self, command: str, name: str | None = None) -> subprocess.Popen[bytes]:
        """Start `ponderd serve` or `ponderd work`; its log is `<data folder>/<name>.log`."""
        name = name or command
        with (self.data_dir / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "ponderd.daemon.cli", command, "--json"],
                env={**os.environ, **self.settings},
                stdout=log,
                stderr=log,
            )
        self.processes[name] = process
        return process

    async def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> int:
        """Signal a process and wait for its end; returns its exit code."""
        process = self.processes.pop(name)
        process.send_signal(how)
        return await asyncio.to_thread(process.wait, PATIENCE)

    def log(self, name: str) -> str:
        return (self.data_dir / f"{name}.log").read_text()

    async def ready(self, path: str = "/readyz") -> None:
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(self.url + path) as response:
                        if response.status == 200:
                            return
                for name, process in self.processes.items():
                    assert process.poll() is None, f"{name} ended:\n{self.log(name)}"
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def running(stack: Stack, *, workers: int = 1) -> AsyncIterator[Client]:
    """The daemon and some workers, and a client of their API."""
    stack.start("serve")
    for i in range(workers):
        stack.start("work", f"work-{i}")
    try:
        await stack.ready()
        async with aiohttp.ClientSession(
            stack.url,
            headers={"authorization": f"Bearer {API_TOKEN}"},
            # The daemon closes those that were idle for 5 s, perhaps just when one is used again.
            connector=aiohttp.TCPConnector(keepalive_timeout=1),
        ) as session:
            yield Client(session)
    finally:
        for process in stack.processes.values():
            process.terminate()
        for process in stack.processes.values():
            try:
                await asyncio.to_thread(process.wait, PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass
class Client:
    """The run API, as a program would use it."""

    session: aiohttp.ClientSession

    async def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Again as long as the answer is 503, as every sender does it; with an `idempotency_key`
        also when there is none."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                status, view = await self.post_once(path, body, **headers)
                if status != 503:
                    return status, view
            except (aiohttp.ClientConnectionError, OSError) as error:
                if "idempotency_key" not in headers:
                    raise
                view = repr(error)
            assert time.monotonic() < deadline, view
            await asyncio.sleep(0.1)

    async def post_once(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else io.BytesIO(json.dumps(body).encode())
        names["content-type"] = "application/json"
        async with self.session.post(path, data=data, headers=names) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while True:
            async with self.session.get(path) as response:
                if response.status == 200:
                    return await response.json()
                text = await response.text()
            assert response.status == 503 and time.monotonic() < deadline, text
            await asyncio.sleep(0.1)

    async def launch(self, agent: str, text: str, **fields: Any) -> str:
        body = {"agent": agent, "text": text, **fields}
        status, view = await self.post("/runs", body, idempotency_key=secrets.token_hex())
        assert status in (201, 202), view  # 202: stored, and cannot be shown now
        return str(view["id"])

    async def until(self, run_id: str, *statuses: str) -> dict[str, Any]:
        """The run as soon as it has one of these statuses; by default, one that waits or ends."""
        wanted = statuses or ("COMPLETED", "FAILED", "CANCELLED", "WAITING")
        deadline = time.monotonic() + PATIENCE
        while True:
            view: dict[str, Any] = await self.get(f"/runs/{run_id}")
            if view["status"] in wanted:
                return view
            assert time.monotonic() < deadline, f"still {view}"
            await asyncio.sleep(0.05)

    async def events(self, run_id: str) -> list[dict[str, Any]]:
        return list((await self.get(f"/runs/{run_id}/events"))["events"])
