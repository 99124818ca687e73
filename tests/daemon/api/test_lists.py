"""Lists over HTTP: what may be asked, and that nobody works for who has gone away."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, Unpack

import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from ponderd.channels.message import Trigger
from ponderd.channels.settings import ChannelSettings
from ponderd.daemon.api.server import create_app
from ponderd.daemon.routing import load_routes, route_to
from ponderd.daemon.settings import DaemonSettings
from ponderd.workers.agents.agent import Agent
from ponderd.workers.control.inquiries import Inquiries
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.store.listings import AskingPage, Filters, HeadPage
from ponderd.workers.store.memory_store import MemoryStore
from ponderd.workers.store.tables import RowPage
from tests.services.asgi import ask
from tests.services.eventually import eventually

AGENTS = {name: Agent(name=name, description="", prompt="", tools=()) for name in ("a", "b")}
TOKEN = {"authorization": "Bearer token"}


class SlowStore(MemoryStore):
    """Takes for ever to list, unless `quick`."""

    def __init__(self) -> None:
        super().__init__()
        self.quick = True
        self.begun = self.ended = 0

    async def _last(self) -> None:
        self.begun += 1
        try:
            while not self.quick:
                await asyncio.sleep(0.01)
        finally:
            self.ended += 1

    async def list_runs(
        self, *, limit: int, cursor: str | None, **filters: Unpack[Filters]
    ) -> HeadPage:
        await self._last()
        return await super().list_runs(limit=limit, cursor=cursor, **filters)

    async def rows(self, table: str, after: str, limit: int) -> RowPage:
        await self._last()
        return await super().rows(table, after, limit)

    async def asking(self, *, limit: int, cursor: str | None) -> AskingPage:
        await self._last()
        return await super().asking(limit=limit, cursor=cursor)


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


@pytest.fixture
def app(store: SlowStore) -> FastAPI:
    log, routes = RunLog(store, lambda _: None), load_routes(None, AGENTS)
    runs = Runs(log, AGENTS)
    settings = DaemonSettings(api_token=SecretStr("token"), http_hosts=("agents.test",))
    accept = route_to(runs, routes)
    inquiries = Inquiries(log, AGENTS)
    return create_app(log, runs, inquiries, accept, routes, ChannelSettings(), settings)


async def get(app: FastAPI, path: str) -> tuple[int, Any]:
    answer = await ask(app, "GET", path, headers=TOKEN)
    return answer.status, json.loads(answer.body)


async def test_all_filters_hold_at_once(app: FastAPI, store: SlowStore) -> None:
    runs = Runs(RunLog(store, lambda _: None), AGENTS)
    for agent, sender in (("a", "ann"), ("a", "bob"), ("b", "ann")):
        trigger = Trigger(channel="email", conversation=sender, text="x", sender=sender)
        await runs.accept(agent, trigger)
    asked = "/runs?agent=a&channel=email&status=READY&person=email:ANN"
    status, page = await get(app, asked)
    assert status == 200 and page["cursor"] is None
    assert [(run["agent"], run["conversation"]) for run in page["runs"]] == [("a", "ann")]
    assert (await get(app, asked + "&waiting_for=answer"))[1]["runs"] == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/runs?agnet=a", "/runs has no parameter 'agnet'; it knows agent, channel, cursor, limit"),
        ("/runs?sender=ann", "it knows agent, channel, cursor, limit, person, status, waiting_for"),
        ("/approvals?agent=a", "/approvals has no parameter 'agent'; it knows cursor, limit, run"),
        ("/runs/00-x-1?full=1", "it knows none"),
        ("/deliveries?state=trying", "has no parameter 'state'"),
        ("/runs?status=done", "no status is called done; known: CANCELLED"),
        ("/runs?agent=nosuch", "no agent is called nosuch; known: a, b"),
        ("/runs?cursor=1", "'1' is not a cursor of this list"),
        ("/approvals?cursor=1", "'1' is not a cursor of this list"),
    ],
)
async def test_an_unknown_filter_is_refused_with_what_is_known(
    app: FastAPI, path: str, said: str
) -> None:
    status, answer = await get(app, path)
    assert status == 400
    assert said in answer["error"]


@contextlib.asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[int]:
    """The port on which it is served for real."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, ws="none", log_config=None))
    task = asyncio.create_task(server._serve())
    await eventually(lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


@pytest.mark.parametrize(
    "asked",
    [
        "GET /runs",
        "GET /runs?agent=a&limit=1",
        "GET /approvals",
        "GET /deliveries",
        "POST /runs/check",
    ],
)
async def test_a_list_ends_with_the_client_that_asked_for_it(
    app: FastAPI, store: SlowStore, asked: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.quick = False
    request = f"{asked} HTTP/1.1\r\nHost: agents.test\r\nAuthorization: Bearer token\r\n\r\n"
    async with served(app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request.encode())
        await eventually(lambda: store.begun)
        assert not store.ended
        writer.transport.abort()
        await eventually(lambda: store.ended)
        store.quick = True
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request.encode())
        assert await reader.readuntil(b"\r\n") == b"HTTP/1.1 200 OK\r\n"
        writer.close()
    assert caplog.records == []
