"""What is refused or ignored leaves a line in the log and a counter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi import FastAPI, Request
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from ponderd.channels.errors import Malformed, NotFound, TooLarge, Unavailable, kind_of
from ponderd.daemon.api.http import BodyLimit, install_errors
from ponderd.daemon.refusals import REGISTRY, note_ignored, note_refused
from tests.services.asgi import ask


def count(name: str, channel: str, source: str, reason: str) -> float:
    labels = {"channel": channel, "source": source, "reason": reason}
    return REGISTRY.get_sample_value(f"{name}_total", labels) or 0


@pytest.mark.parametrize(
    ("note", "name", "level"),
    [(note_refused, "ponderd_refused", "warning"), (note_ignored, "ponderd_ignored", "info")],
)
def test_each_is_told_and_counted(note: Callable[..., None], name: str, level: str) -> None:
    before = count(name, "slack", "T1", "bot")
    with capture_logs() as lines:
        note("slack", "T1", "bot", "B7\x1b[31m\nsays")
    assert count(name, "slack", "T1", "bot") == before + 1
    [line] = lines
    assert (line["log_level"], line["channel"], line["source"]) == (level, "slack", "T1")
    assert (line["reason"], line["detail"]) == ("bot", "B7[31m says")
    assert f"{name}_total" in generate_latest(REGISTRY).decode()


def test_reasons_are_the_names_of_errors() -> None:
    errors = (NotFound(""), TooLarge(""), Unavailable(""), Malformed(""))
    assert [kind_of(error) for error in errors] == [
        "not_found", "too_large", "unavailable", "malformed",
    ]  # fmt: skip


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    app.add_middleware(BodyLimit, limit=100)
    install_errors(app)

    @app.post("/webhooks/{source}")
    async def receive(source: str, request: Request) -> None:
        if source != "known":
            raise NotFound("there is no such source")
        request.state.source = source
        raise Malformed("the body is empty")

    @app.get("/runs")
    async def runs(limit: int) -> None:
        raise Unavailable("away")

    return app


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("POST", "/webhooks/known", ("webhook", "known", "malformed")),
        ("POST", "/webhooks/a-name-of-a-stranger", ("webhook", "unknown", "not_found")),
        ("GET", "/runs?limit=1", ("api", "", "unavailable")),
        ("GET", "/runs?limit=x", ("api", "", "malformed")),
        ("GET", "/nowhere", ("api", "", "http_404")),
        ("PUT", "/runs", ("api", "", "http_405")),
    ],
)
async def test_every_refused_request_is_counted_by_names_of_ours(
    app: FastAPI, method: str, path: str, labels: tuple[str, str, str]
) -> None:
    before = count("ponderd_refused", *labels)
    with capture_logs() as lines:
        assert (await ask(app, method, path)).status >= 400
    assert count("ponderd_refused", *labels) == before + 1
    [line] = lines
    assert line["event"] == "refused" and path.partition("?")[0] in line["detail"]


async def test_so_is_a_body_that_is_too_large(app: FastAPI) -> None:
    before = count("ponderd_refused", "webhook", "unknown", "http_413")
    assert (await ask(app, "POST", "/webhooks/known", b"x" * 200)).status == 413
    assert count("ponderd_refused", "webhook", "unknown", "http_413") == before + 1
