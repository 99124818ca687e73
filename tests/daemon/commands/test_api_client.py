"""The client of the run API when the connection is bad: nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ponderd.channels.errors import (
    Conflict,
    NotFound,
    PonderdError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from ponderd.daemon.commands.api_client import Api
from ponderd.daemon.commands.event_stream import parse_events
from ponderd.daemon.commands.outcome import await_outcome, exit_code
from ponderd.daemon.settings import DaemonSettings
from tests.daemon.commands.commands import Ponderd, ponderd
from tests.services.ports import free_port

__all__ = ["ponderd"]

DROP = "closes the connection without an answer"
VIEW = {"id": "00-a-b", "status": "READY", "version": 2, "waiting_for": None, "error": None}
Behaviour = str | bytes | tuple[int, Any]


@dataclass
class Server:
    """Does one behaviour per request: DROP, (status, JSON), a stream that then ends, or bytes of
    another protocol."""

    behaviours: list[Behaviour]
    port: int = 0
    requests: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)

    @property
    def settings(self) -> DaemonSettings:
        return DaemonSettings(http_port=self.port, api_token="token")  # type: ignore[arg-type]

    def api(self, pauses: tuple[float, ...] = (0.01, 0.01, 0.01)) -> Api:
        return Api(self.settings, pauses=pauses)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    running: list[ThreadingHTTPServer] = []

    def start(*behaviours: Behaviour) -> Server:
        server = Server(list(behaviours))

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline()
                if not self.raw_requestline or not self.parse_request():
                    return
                self.close_connection = True
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                key = self.headers.get("idempotency-key")
                server.requests.append((self.command, self.path, key, body))
                match server.behaviours.pop(0):
                    case bytes() as raw:
                        self.wfile.write(raw)
                    case (status, value):
                        self.send_response(status)
                        self.end_headers()
                        self.wfile.write(json.dumps(value).encode())
                    case str() as stream if stream != DROP:
                        self.send_response(200)
                        self.end_headers()
                        self.wfile.write(stream.encode())

            def log_message(self, *_: object) -> None:
                pass

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=http.serve_forever, args=(0.01,)).start()
        running.append(http)
        server.port = http.server_address[1]
        return server

    yield start
    for http in running:
        http.shutdown()
        http.server_close()


Serve = Callable[..., Server]


def stream(*entries: tuple[int, str] | str) -> str:
    """Server-sent events: (version, type), or the status of the run."""
    lines = ""
    for entry in entries:
        if isinstance(entry, str):
            lines += f"event: status\ndata: {json.dumps({**VIEW, 'status': entry})}\n\n"
        else:
            version, kind = entry
            lines += f"id: {version}\nevent: {kind}\ndata: {json.dumps({'type': kind})}\n\n"
    return lines


def test_a_message_is_repeated_after_a_dropped_connection_with_the_same_key(serve: Serve) -> None:
    server = serve(DROP, DROP, (201, VIEW))
    assert server.api().launch("assistant", "hello", channel="api", by="ann") == VIEW
    assert len(server.requests) == 3 and len(set(server.requests)) == 1
    assert server.requests[0][2]


def test_two_messages_have_two_keys(serve: Serve) -> None:
    server = serve((201, VIEW), (201, VIEW), (200, VIEW))
    api = server.api()
    for _ in range(2):
        api.launch("assistant", "hello", channel="api", by="ann")
    api.message("00-a-b", "hello", by="ann")
    assert len({key for _, _, key, _ in server.requests}) == 3


def test_a_state_server_that_is_away_is_waited_for(serve: Serve) -> None:
    server = serve((503, {"error": "away"}), (200, VIEW))
    assert server.api().show("00-a-b") == VIEW


def test_and_told_when_it_stays_away(serve: Serve) -> None:
    server = serve(*[(503, {"error": "the state server is away"})] * 4)
    with pytest.raises(Unavailable, match="the state server is away"):
        server.api().show("00-a-b")
    assert len(server.requests) == 4


def test_nobody_there_is_told_at_once() -> None:
    api = Api(DaemonSettings(http_port=free_port()), pauses=(60,))
    with pytest.raises(Unavailable, match="start it with `ponderd up`"):
        api.show("00-a-b")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, Unauthenticated),
        (404, NotFound),
        (409, Conflict),
        (413, TooLarge),
        (500, PonderdError),
    ],
)
def test_a_refusal_keeps_its_kind_and_its_words(
    status: int, error: type[PonderdError], serve: Serve
) -> None:
    server = serve((status, {"error": "because"}))
    with pytest.raises(error, match="because"):
        server.api().show("00-a-b")
    assert len(server.requests) == 1


def test_something_else_on_the_port_is_told(serve: Serve) -> None:
    with pytest.raises(Unavailable, match="is not ponderd"):
        serve("<html>hello</html>").api().show("00-a-b")
    with pytest.raises(Unavailable, match="hung up"):
        serve(*[b"SSH-2.0-OpenSSH_9.6\r\n"] * 4).api().show("00-a-b")


def test_an_address_for_all_interfaces_is_reached_on_loopback() -> None:
    assert Api(DaemonSettings(host="0.0.0.0", http_port=1)).url == "http://127.0.0.1:1"
    assert Api(DaemonSettings(host="::", http_port=1)).url == "http://[::1]:1"


def test_a_broken_stream_goes_on_where_it_broke(serve: Serve) -> None:
    server = serve(
        stream((1, "run_launched"), (2, "message_received"), "READY") + "id: 3\nevent: model_an",
        DROP,
        stream((3, "model_answered"), (4, "reply_sent"), "COMPLETED"),
    )
    seen = [data.get("version") for kind, data in server.api().follow("00-a-b") if kind == "event"]
    assert seen == [1, 2, 3, 4]
    assert [path.partition("?")[2] for _, path, _, _ in server.requests] == [
        "after=0",
        "after=2",
        "after=2",
    ]


def test_a_daemon_that_does_not_come_back_ends_the_stream(serve: Serve) -> None:
    server = serve(stream((1, "run_launched"), "READY"), DROP, DROP, DROP, DROP)
    with pytest.raises(Unavailable):
        list(server.api().follow("00-a-b"))


def test_all_replies_since_are_found_once_each(serve: Serve) -> None:
    def reply(version: int, text: str) -> str:
        event = {"type": "reply_started", "kind": "answer", "key": f"00-a-b:{text}", "text": text}
        return f"id: {version}\nevent: reply_started\ndata: {json.dumps(event)}\n\n"

    again = reply(5, "two")  # sent a second time: its first outcome was not seen
    server = serve(reply(3, "one") + reply(4, "two") + again + stream("COMPLETED"))
    outcome = await_outcome(server.api(), "00-a-b", 2, note=lambda text: None)
    assert outcome.replies == ("one", "two") and exit_code(outcome.view) == 0


def test_a_question_that_is_asked_elsewhere_later_is_shown_once(serve: Serve) -> None:
    def asked(version: int, key: str) -> str:
        event = {"kind": "question", "key": key, "text": "May I?", "prompt": prompt}
        data = json.dumps({"type": "reply_started", **event})
        return f"id: {version}\nevent: reply_started\ndata: {data}\n\n"

    prompt = {"id": "00-a-b:3", "kind": "approval", "choices": []}
    server = serve(
        asked(4, "00-a-b:4") + stream("WAITING"), asked(6, "00-a-b:6") + stream("COMPLETED")
    )
    shown: set[str] = set()

    def ask(after: int) -> tuple[str, ...]:
        return await_outcome(server.api(), "00-a-b", after, lambda text: None, shown).replies

    assert (ask(3), ask(5)) == (("May I?",), ())


def test_comments_and_long_data_are_read_as_the_standard_says() -> None:
    lines = b": keep-alive\n\nid: 7\r\nevent: x\r\ndata: a\r\ndata:b\r\n\r\ndata: c\n\n".splitlines(
        True
    )
    assert [tuple(event) for event in parse_events(lines)] == [
        ("7", "x", "a\nb"),
        ("7", "message", "c"),
    ]


@pytest.mark.parametrize(
    ("status", "code"),
    [("COMPLETED", 0), ("WAITING", 3), ("PAUSED", 3), ("FAILED", 4), ("CANCELLED", 4)],
)
def test_launch_tells_the_outcome_by_its_exit_code(
    status: str, code: int, serve: Serve, ponderd: Ponderd, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve((201, {**VIEW, "reply": None}), stream(status))
    monkeypatch.setenv("PONDERD_HTTP_PORT", str(server.port))
    monkeypatch.setenv("PONDERD_API_TOKEN", "token")
    assert ponderd("launch", "assistant", "hello", "--json").code == code
