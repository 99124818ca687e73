"""A Redis Cluster of a test's own: nodes on loopback that share the slots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import redis

from tests.services.eventually import PATIENCE, wait_until
from tests.services.ports import free_port
from tests.services.state_server import PASSWORD, StateServer

SLOTS = 16384


def dealt(nodes: int) -> list[tuple[int, int]]:
    """The first and last slot of each node, as `redis-cli --cluster create` deals them."""
    each, first, found = SLOTS / nodes, 0, list[tuple[int, int]]()
    for node in range(nodes):
        last = SLOTS - 1 if node == nodes - 1 else math.floor((node + 1) * each - 1 + 0.5)
        found.append((first, last))
        first = last + 1
    return found


@dataclass
class ClusterNode(StateServer):
    """One node; its second port is for the others."""

    def __post_init__(self) -> None:
        self.bus_port = free_port()
        self.more_config = (
            "cluster-enabled yes\n"
            f"cluster-port {self.bus_port}\n"
            f"cluster-node-timeout {1_000 * PATIENCE:.0f}\n"  # a slow node is no dead one
            f"masterauth {PASSWORD}\n"
        )

    def ask(self, *command: str | int) -> Any:
        with redis.Redis.from_url(self.url) as client:
            return client.execute_command(*command)


class StateCluster:
    def __init__(self, folder: Path, nodes: int = 3) -> None:
        self.nodes = [ClusterNode(folder / str(i)) for i in range(nodes)]

    @property
    def url(self) -> str:
        return self.nodes[0].url.replace("redis://", "redis+cluster://")

    def start(self) -> None:
        for node, (first, last) in zip(self.nodes, dealt(len(self.nodes)), strict=True):
            node.start()
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        for node in self.nodes[1:]:
            meet = self.nodes[0]
            node.ask("CLUSTER", "MEET", "127.0.0.1", meet.port, meet.bus_port)
        self.wait_until_complete()

    def wait_until_complete(self) -> None:
        wait_until(lambda: all(self._complete(node) for node in self.nodes))

    def _complete(self, node: ClusterNode) -> bool:
        info = node.ask("CLUSTER", "INFO")
        return b"cluster_state:ok" in info and b"cluster_known_nodes:%d" % len(self.nodes) in info

    def empty(self) -> None:
        for node in self.nodes:
            node.empty()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
