"""What holds for every request, whatever it asks for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from structlog.testing import capture_logs

from ponderd.channels.errors import Unauthenticated
from ponderd.daemon.api import guard
from ponderd.daemon.api.guard import FREE_FAILURES, LONGEST_DELAY, MEMORY, PEERS, Guard
from ponderd.daemon.api.http import install_errors
from tests.services.asgi import ask


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    app.add_middleware(Guard, hosts=("metrics.example.com",))
    install_errors(app)

    @app.get("/runs")
    async def runs(proof: str = "") -> str:
        structlog.get_logger().info("asked")
        if proof != "right":
            raise Unauthenticated("no valid bearer token")
        return "ok"

    @app.get("/metrics")
    async def metrics() -> str:
        return "ok"

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("a secret of ours")

    return app


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how long answers were held back."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(guard.asyncio, "sleep", sleep)
    return found


async def test_wrong_proofs_are_slowed_and_right_ones_are_not(
    app: FastAPI, waited: list[float]
) -> None:
    for _ in range(60):
        assert (await ask(app, "GET", "/runs")).status == 401
    assert waited[:FREE_FAILURES] == [0.0] * FREE_FAILURES
    assert waited == sorted(waited) and waited[-1] == LONGEST_DELAY
    waited.clear()
    assert (await ask(app, "GET", "/runs?proof=right")).status == 200
    assert waited == []


async def test_others_go_on_while_an_answer_is_held_back(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard._Failures, "delay", lambda *_: 1_000.0)
    held = asyncio.create_task(ask(app, "GET", "/runs"))
    await asyncio.sleep(0)
    assert (await ask(app, "GET", "/runs?proof=right")).status == 200
    assert not held.done()
    held.cancel()


async def test_who_failed_is_logged_but_not_with_what(app: FastAPI) -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await ask(app, "GET", "/runs", headers={"authorization": "Bearer my-wrong-token"})
    [line] = [one for one in lines if one["event"] == "refused"]
    assert (line["peer"], line["reason"]) == ("203.0.113.9", "unauthenticated")
    assert "my-wrong-token" not in str(lines)


def test_failures_are_forgotten() -> None:
    now = [0.0]
    failures = guard._Failures(lambda: now[0])
    for _ in range(100):
        last = failures.delay("a")
    assert last == LONGEST_DELAY and failures.delay("b") == 0
    now[0] = MEMORY
    assert failures.delay("a") == 0
    for i in range(2 * PEERS):
        failures.delay(str(i))
    assert len(failures._of) == PEERS


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8700", 200), ("[::1]:8700", 200), ("localhost", 200), ("ponderd:8700", 200),
        ("ponderd.default.svc.cluster.local", 200), ("metrics.example.com", 200),
        ("METRICS.example.com.", 200), ("evil.example", 403), ("evil.example:8700", 403),
        ("127.0.0.1.evil.example", 403), ("[::1", 403),
    ],
)  # fmt: skip
async def test_strange_names_read_nothing_that_needs_no_token(
    app: FastAPI, host: str, status: int
) -> None:
    assert (await ask(app, "GET", "/metrics", headers={"host": host})).status == status
    assert (await ask(app, "GET", "/runs?proof=right", headers={"host": host})).status == 200


async def test_every_answer_is_of_its_type(app: FastAPI) -> None:
    for path in ("/runs", "/metrics", "/nowhere"):
        answer = await ask(app, "GET", path)
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_an_error_of_ours_tells_nothing(app: FastAPI) -> None:
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    with pytest.raises(RuntimeError):  # for the server, which logs it
        await ask(app, "GET", "/broken", receive=None)
    assert said == []


async def test_other_methods_are_named(app: FastAPI) -> None:
    answer = await ask(app, "DELETE", "/runs")
    assert (answer.status, answer.headers["allow"]) == (405, "GET")
