"""A primary, its replica and a Sentinel of a test's own. If the primary dies, the Sentinel makes
the replica the primary."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Self

import redis

from ponderd.daemon.local import state_server
from tests.services.eventually import PATIENCE, wait_until
from tests.services.ports import free_port
from tests.services.state_server import PASSWORD, StateServer

SERVICE = "ponderd-test"


class StateSentinel:
    def __init__(self, folder: Path) -> None:
        more = f"masterauth {PASSWORD}\nrepl-diskless-sync-delay 0\n"
        self.primary = StateServer(folder / "primary", more_config=more)
        replicates = f"{more}replicaof 127.0.0.1 {self.primary.port}\n"
        self.replica = StateServer(folder / "replica", more_config=replicates)
        self.port = free_port()
        self._config = folder / "sentinel.conf"
        self._sentinel: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis+sentinel://:{PASSWORD}@127.0.0.1:{self.port}/{SERVICE}"

    def cut_off(self) -> None:
        """Part the replica from the primary; both live on."""
        ask(self.replica.port, "CONFIG", "SET", "masterauth", "wrong")
        ask(self.primary.port, "CLIENT", "KILL", "TYPE", "replica")
        wait_until(lambda: b"master_link_status:down" in self._link())

    def join(self) -> None:
        """Undo `cut_off`."""
        ask(self.replica.port, "CONFIG", "SET", "masterauth", PASSWORD)
        wait_until(lambda: b"master_link_status:up" in self._link())

    def _link(self) -> bytes:
        return bytes(ask(self.replica.port, "INFO", "replication"))

    def fail_over(self) -> None:
        """Kill the primary and wait until the Sentinel has promoted the replica."""
        assert self.primary.process
        self.primary.process.kill()
        self.primary.process.wait(PATIENCE)
        self.primary.process = None
        wait_until(lambda: self._named() == self.replica.port)
        wait_until(lambda: b"role:master" in self._link())

    def primary_returns(self) -> None:
        """Start the killed primary again, as a replica of the one that took over."""
        self.primary.start()
        ask(self.primary.port, "REPLICAOF", "127.0.0.1", self.replica.port)
        wait_until(lambda: b"state=online" in self._link())

    def _named(self) -> int:
        _, port = ask(self.port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE, password=None)
        return int(port)

    def _knows_the_replica(self) -> bool:
        found = ask(self.port, "SENTINEL", "REPLICAS", SERVICE, password=None)
        return any(b"slave" in row and b"ok" in row for row in found)

    def __enter__(self) -> Self:
        try:
            self.primary.start()
            self.replica.start()
            wait_until(lambda: b"master_link_status:up" in self._link())
            self._config.write_text(
                f"port {self.port}\nbind 127.0.0.1\nprotected-mode no\n"
                f"dir {self._config.parent}\n"
                f"sentinel monitor {SERVICE} 127.0.0.1 {self.primary.port} 1\n"
                f"sentinel auth-pass {SERVICE} {PASSWORD}\n"
                f"sentinel down-after-milliseconds {SERVICE} 2000\n"
                f"sentinel failover-timeout {SERVICE} 5000\n"
            )
            self._sentinel = subprocess.Popen(
                [str(state_server.find_binary()), str(self._config), "--sentinel"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            wait_until(self._is_ready)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _is_ready(self) -> bool:
        try:
            return self._knows_the_replica()
        except redis.RedisError:
            return False

    def __exit__(self, *_: object) -> None:
        if self._sentinel:
            self._sentinel.terminate()
            self._sentinel.wait(PATIENCE)
        self.replica.stop()
        self.primary.stop()


def ask(port: int, *command: str | int, password: str | None = PASSWORD) -> Any:
    """The answer as it comes. Raises redis-py's errors."""
    with redis.Redis(port=port, password=password, protocol=2) as client:
        connection = client.connection_pool.get_connection()
        try:
            connection.send_command(*command)
            return connection.read_response()
        finally:
            client.connection_pool.release(connection)
