"""Celery reaches its broker by every kind of URL that the settings allow."""

from __future__ import annotations

from pathlib import Path

from ponderd.workers.execution.pokes import Poker
from tests.services.state_server import PASSWORD, StateServer


async def test_pokes_go_through_a_unix_socket(tmp_path: Path) -> None:
    socket = tmp_path / "s"
    with StateServer(tmp_path, more_config=f"unixsocket {socket}\nunixsocketperm 700\n") as server:
        by_socket = Poker(f"unix://:{PASSWORD}@{socket}?db=0")
        by_socket.poke("a run")
        by_port = Poker(server.url)
        await by_socket.close()
        assert await by_port.queue_length() == 1
        await by_port.close()
