"""Celery reaches its broker by every kind of URL that is allowed, and is asked for little."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from ponderd.workers.execution.pokes import ADVANCE, JOINT, Poker, create_app
from ponderd.workers.execution.runtime import Runtime
from ponderd.workers.execution.tasks import register
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


async def test_runs_that_begin_together_share_messages(redis_url: str) -> None:
    poker = Poker(redis_url)
    sent: list[list[str]] = []
    to_broker = poker._app.send_task

    def send(name: str, runs: list[str], **options: Any) -> Any:
        sent.append(runs)
        return to_broker(name, runs, **options)

    poker._app.send_task = send
    poker.poke("alone")
    await asyncio.sleep(0)  # it is on its way before the others come
    for n in range(3 * JOINT):
        poker.poke(str(n))
    while poker._sending:
        await asyncio.wait([poker._sending])
    assert sent[0] == ["alone"]
    assert [run for runs in sent[1:] for run in runs] == [str(n) for n in range(3 * JOINT)]
    assert len(sent) == 4 == await poker.queue_length()
    await poker.close()


async def test_a_broker_that_is_away_loses_pokes_and_nothing_else() -> None:
    poker = Poker("redis://127.0.0.1:1/0")
    for _ in range(2):
        poker.poke("a run")
        while poker._sending:
            await asyncio.wait([poker._sending])
    await poker.close()


class Worker:
    """With room for so many runs, ever."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.begun: list[str] = []
        self.waited: list[str] = []

    def submit(self, run_id: str, patience: float | None = None) -> bool:
        if len(self.begun) < self.room:
            self.begun.append(run_id)
            return True
        if patience is None:
            self.waited.append(run_id)
        return patience is None


@pytest.mark.parametrize(
    ("room", "begun", "waited", "back"),
    [(9, "abc", "", ""), (1, "a", "", "bc"), (2, "ab", "c", ""), (0, "", "", "abc")],
)
def test_runs_without_room_go_back_one_by_one(
    room: int, begun: str, waited: str, back: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one waits here, as one that was poked for alone."""
    app, worker, sent = create_app("redis://127.0.0.1:1/0"), Worker(room), []
    monkeypatch.setattr(app, "send_task", lambda _, runs, **__: sent.append(runs))
    register(app, cast(Runtime, worker))
    app.tasks[ADVANCE](*"abc")
    assert (worker.begun, worker.waited) == ([*begun], [*waited])
    assert sent == [(run,) for run in back]
