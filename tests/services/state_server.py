"""A state server of a test's own, that can be killed and started again on the same data."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import redis

from ponderd.daemon.local import state_server
from tests.services.eventually import PATIENCE, wait_until
from tests.services.ports import free_port

PASSWORD = "secret"
FAST = "appendfsync no\n"
"""What was written outlives the process that is killed, but a slow disk makes nobody wait."""


@dataclass
class StateServer:
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    more_config: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return state_server.url(self.port, PASSWORD)

    def start(self) -> None:
        config = state_server.write_config(self.folder, self.port, PASSWORD)
        with config.open("a") as file:
            file.write(FAST + self.more_config)
        self.process = subprocess.Popen(
            state_server.command(config),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self.environment},
        )
        wait_until(self._is_up)

    def _is_up(self) -> bool:
        assert self.process is not None and self.process.poll() is None, "the state server ended"
        return self.answers()

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE)
            self.process = None

    def empty(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
