"""A client of the run API, for the commands. Blocking, and quick to import: http.client, not httpx.

Every request is safe to repeat: reads, signals (idempotent by contract), and messages, which carry
an Idempotency-Key. So the client retries if a connection breaks or the daemon restarts.
"""

from __future__ import annotations

import http.client
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

from ponderd.channels.errors import Malformed, PonderdError, Refused, Unauthenticated, Unavailable
from ponderd.daemon.commands.event_stream import parse_events

if TYPE_CHECKING:
    from ponderd.daemon.settings import DaemonSettings

TIMEOUT = 30.0
"""Seconds without a byte until a request fails. A live stream sends comments more often."""

PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between tries. Together they are longer than a restart of the daemon."""

View = dict[str, Any]
"""A run as the API shows it."""


T = TypeVar("T")


class ModelRequest(NamedTuple):
    """The request of one model call."""

    body: bytes
    sha256: str
    """As the run's log recorded it, in hex."""
    verified: bool
    """The SHA-256 of `body` is the recorded one."""


class Api:
    """The run API at the address that `settings` name.

    Methods raise `Refused` for what the daemon refuses, `Unavailable` if it cannot be reached.
    """

    def __init__(self, settings: DaemonSettings, *, pauses: tuple[float, ...] = PAUSES) -> None:
        self._host, self._port = listening_host(settings), settings.http_port
        self.url = base_url(settings)
        self._token = settings.api_token
        self._pauses = pauses
        self._met = False

    def get(self, path: str, **query: str | int | None) -> Any:
        """The JSON at `path`. Query parameters that are None are left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._exchange("GET", f"{path}?{urlencode(given)}" if given else path)

    def launch(
        self,
        agent: str,
        text: str,
        *,
        channel: str,
        by: str,
        conversation: str | None = None,
        reply_to: str | None = None,
    ) -> View:
        body = {
            "agent": agent,
            "text": text,
            "channel": channel,
            "by": by,
            "conversation": conversation,
            "reply_to": reply_to,
        }
        given = {name: value for name, value in body.items() if value is not None}
        return self._view("POST", "/runs", given, _new_key())

    def show(self, run_id: str) -> View:
        return self._view("GET", _run(run_id))

    def message(self, run_id: str, text: str, *, by: str) -> View:
        body = {"text": text, "by": by}
        view = self._view("POST", f"{_run(run_id)}/messages", body, _new_key())
        if "status" not in view:
            raise Unavailable(str(view.get("detail")))
        return view

    def signal(self, run_id: str, verb: str, by: str, **options: str | bool) -> View:
        """`verb` is pause, resume or cancel."""
        given = {name: value for name, value in options.items() if value}
        return self._view("POST", f"{_run(run_id)}/{verb}", {"by": by, **given})

    def fork(self, run_id: str, *, at: int | None, text: str | None, by: str) -> View:
        body = {"at": at, "text": text, "by": by}
        return self._view("POST", f"{_run(run_id)}/fork", body, _new_key())

    def feedback(
        self, run_id: str, value: float, *, by: str, source: str, answer: int | None = None
    ) -> View:
        body: dict[str, Any] = {"value": value, "by": by, "source": source}
        if answer is not None:
            body["answer"] = answer
        return self._view("POST", f"{_run(run_id)}/feedback", body)

    def ledger(self, agent: str) -> Iterator[dict[str, Any]]:
        """An agent's model calls and their outcomes, oldest first."""
        after: str | None = ""
        while after is not None:
            page = self.get("/thinking/ledger", agent=agent, after=after, limit=5000)
            yield from page["entries"]
            after = page["next"]

    def thinking(self) -> View:
        found: View = self.get("/thinking")
        return found

    def tune_thinking(self, price: float | None) -> View:
        return self._view("PUT", "/thinking", {"price": price})

    def forget_thinking(self, agent: str | None) -> View:
        query = "" if agent is None else f"?{urlencode({'agent': agent})}"
        return self._view("DELETE", f"/thinking/ledger{query}")

    def event(self, run_id: str, name: str, payload: Any, *, by: str) -> View:
        body = {"name": name, "payload": payload, "by": by}
        return self._view("POST", f"{_run(run_id)}/events", body, _new_key())

    def prompt(self, run_id: str, version: int) -> ModelRequest:
        def send() -> ModelRequest:
            with self._send("GET", f"{_run(run_id)}/prompts/{version}") as response:
                body = response.read()
                sha256 = response.getheader("x-prompt-sha256", "")
                return ModelRequest(body, sha256, response.getheader("x-prompt-verified") == "true")

        return self._persist(send)

    def approvals(self) -> Iterator[View]:
        """All that are open, oldest first."""
        return (view for page in self._pages("/approvals") for view in page["approvals"])

    def deliveries(self, wanted: Mapping[str, str]) -> Iterator[View]:
        """What did not arrive, a portion at a time."""
        portion: View = {"next": None}
        while True:
            portion = self.get("/deliveries", **wanted, cursor=portion["next"])
            yield portion
            if portion["next"] is None:
                return

    def retry_deliveries(self, run_id: str, *, by: str) -> list[View]:
        """Send again what of a run did not arrive."""
        path = f"/deliveries/{quote(run_id)}/retry"
        found: list[View] = self._exchange("POST", path, {"by": by})["deliveries"]
        return found

    def retry(self, run_id: str, *, by: str) -> View:
        """Bring a failed run on."""
        return self._view("POST", f"{_run(run_id)}/retry", {"by": by}, _new_key())

    def retry_many(self, wanted: Mapping[str, Any], cursor: str | None) -> View:
        """Bring on a portion of the failed runs that are `wanted`, or count them."""
        return self._view("POST", "/runs/retry", {**wanted, "cursor": cursor}, _new_key())

    def check(self, run_id: str) -> View:
        """Compare the snapshot of a run with its log."""
        return self._view("POST", f"{_run(run_id)}/check", {})

    def check_all(self) -> Iterator[View]:
        """Compare the snapshots of all runs with their logs, a portion at a time."""
        portion: View = {"cursor": None}
        while True:
            portion = self._view("POST", "/runs/check", {"cursor": portion["cursor"]})
            yield portion
            if portion["cursor"] is None:
                return

    def retry_all_deliveries(self, wanted: Mapping[str, str], *, by: str) -> Iterator[View]:
        """Send again what did not arrive, a portion at a time."""
        portion: View = {"next": None}
        while True:
            body = {"by": by, **wanted, "cursor": portion["next"]}
            portion = self._exchange("POST", "/deliveries/retry", body)
            yield portion
            if portion["next"] is None:
                return

    def approval_of(self, run_id: str) -> View | None:
        """The open approval of a run. None if the run does not wait for one."""
        found: list[View] = self.get("/approvals", run_id=run_id)["approvals"]
        return next(iter(found), None)

    def decide(
        self,
        approval: View,
        *,
        approve: bool,
        by: str,
        remark: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> View:
        """Approve or deny the call that `approval` shows. The daemon refuses if it has changed."""
        body = {
            "approve": approve,
            "by": by,
            "remark": remark,
            "arguments": arguments,
            "digest": approval["digest"] or None,
        }
        return self._view("POST", f"/approvals/{quote(approval['id'], safe='')}", body)

    def schedules(self) -> list[View]:
        found: list[View] = self.get("/schedules")["schedules"]
        return found

    def schedule(self, name: str) -> View:
        return self._view("GET", _schedule(name))

    def steer_schedule(self, name: str, verb: str, by: str) -> View:
        """`verb` is pause or resume."""
        return self._view("POST", f"{_schedule(name)}/{verb}", {"by": by})

    def run_schedule(self, name: str, by: str) -> View:
        """Begin a run now. Returns the run."""
        return self._view("POST", f"{_schedule(name)}/run", {"by": by}, _new_key())

    def events(self, run_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"{_run(run_id)}/events")["events"]
        return found

    def runs(self, filters: Mapping[str, str | None], *, limit: int) -> Iterator[View]:
        """All that are wanted, newest first, at most `limit` at a time."""
        return (v for page in self._pages("/runs", **filters, limit=limit) for v in page["runs"])

    def _pages(self, path: str, **query: str | int | None) -> Iterator[View]:
        """The pages of a list, which may be empty in between."""
        page: View = {}
        while not page or page["cursor"]:
            page = self.get(path, **query, cursor=page.get("cursor"))
            yield page

    def follow(self, run_id: str, after: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
        """Follow a run until it ends: ("event", event) for each event after number `after`, and
        ("status", view) for the state that they lead to. Continues after a broken stream."""
        while True:
            path = f"{_run(run_id)}/events?after={after}"

            def send(path: str = path) -> http.client.HTTPResponse:
                return self._send("GET", path, accept="text/event-stream")

            stream = self._persist(send)
            try:
                for event in parse_events(stream):
                    data = json.loads(event.data)
                    if event.name == "status":
                        yield "status", data
                        if is_over(data):
                            return
                    else:
                        after = int(event.id)
                        yield "event", {"version": after, **data}
            except (http.client.HTTPException, OSError):
                pass  # the daemon restarts, or a proxy cut the stream
            finally:
                stream.close()
            time.sleep(self._pauses[0])

    def _view(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, key: str = ""
    ) -> View:
        view: View = self._exchange(method, path, body, key)
        return view

    def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, key: str = ""
    ) -> Any:
        def send() -> bytes:
            return self._send(method, path, body, key).read()

        try:
            return json.loads(self._persist(send))
        except ValueError:
            raise Unavailable(f"the program that answers at {self.url} is not ponderd") from None

    def _persist(self, send: Callable[[], T]) -> T:
        """Call `send` until it succeeds, for as long as a restart may take. Returns its result."""
        for pause in (*self._pauses, None):
            try:
                return send()
            except ConnectionRefusedError:
                problem = f"no ponderd answers at {self.url}; start it with `ponderd up`"
                if not self._met:  # we never reached it, so it is not restarting: fail at once
                    raise Unavailable(problem) from None
            except (http.client.HTTPException, ConnectionError) as error:
                self._met = True
                problem = f"ponderd at {self.url} hung up: {error}"
            except TimeoutError:
                raise Unavailable(f"ponderd at {self.url} does not answer") from None
            except OSError as error:  # unknown host, or no route to it
                raise Unavailable(f"cannot reach {self.url}: {error.strerror}") from None
            except Unavailable as error:
                problem = str(error)
            if pause is not None:
                time.sleep(pause)
        raise Unavailable(problem)

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        key: str = "",
        accept: str = "application/json",
    ) -> http.client.HTTPResponse:
        """A response with status 2xx, its body not yet read. Raises any other as an error."""
        headers = {"Accept": accept, "Connection": "close"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        if key:
            headers["Idempotency-Key"] = key
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body=content, headers=headers)
            response = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        self._met = True
        if response.status >= 300:
            with response:
                raise _refusal(response)
        return response


def listening_host(settings: DaemonSettings) -> str:
    """The address to connect to, for a daemon that listens on `settings.host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)


def base_url(settings: DaemonSettings) -> str:
    host = listening_host(settings)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}"


def is_over(view: View) -> bool:
    """Whether the run has ended."""
    return view["status"] in ("COMPLETED", "FAILED", "CANCELLED")


def _refusal(response: http.client.HTTPResponse) -> PonderdError:
    status = response.status
    body = response.read(10_000)
    try:
        text = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        text = f"HTTP {status} {body[:200].decode(errors='replace')}".strip()
    if status == Unauthenticated.http_status:
        return Unauthenticated(
            f"{text}; set PONDERD_API_TOKEN, or PONDERD_DATA_DIR, as for the running ponderd"
        )
    if status >= 500:
        return Unavailable(text) if status == Unavailable.http_status else PonderdError(text)
    known = {kind.http_status: kind for kind in Refused.__subclasses__()}
    return known.get(status, Malformed)(text)


def _run(run_id: str) -> str:
    return f"/runs/{quote(run_id, safe='')}"


def _schedule(name: str) -> str:
    return f"/schedules/{quote(name, safe='')}"


def _new_key() -> str:
    return secrets.token_hex(16)
