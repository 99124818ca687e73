"""Approvals over HTTP: JSON with the API token, and the page behind a signed link."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn
from pydantic import SecretStr
from structlog.testing import capture_logs

from ponderd.channels.event_ref import EventRef
from ponderd.channels.links import approval_link
from ponderd.channels.settings import ChannelSettings
from ponderd.daemon.api.server import create_app
from ponderd.daemon.refusals import REGISTRY
from ponderd.daemon.routing import load_routes, route_to
from ponderd.daemon.settings import DaemonSettings
from ponderd.workers.agents.agent import Agent, tool
from ponderd.workers.agents.policies import Approvals
from ponderd.workers.control import inquiries
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.execution.leases import projection
from ponderd.workers.run import events as e
from ponderd.workers.run.approved_call import digest, request_text
from ponderd.workers.run.choices import ToolCall
from ponderd.workers.run.model_call import ModelCall, ThinkingDecision
from ponderd.workers.run.reduce import fold
from ponderd.workers.store.contract import NewMessage, conversation_key
from ponderd.workers.store.memory_store import MemoryStore
from ponderd.workers.store.run_ids import new_run_id
from tests.services import browser

SECRET = "the secret that signs links"
ANN, BOB, EVE = "email:ann@example.com", "slack:u1", "email:eve@example.net"


@tool(approval="always")
def deploy(version: str, hosts: int = 3) -> str:
    """deploy a version"""
    return f"{version} is live on {hosts} hosts"


AGENT = Agent(
    name="deployer",
    description="",
    prompt="Deploy.",
    tools=(deploy,),
    approvals=Approvals(approvers=("email:*@example.com", "slack:U1", "api:*")),
)


@dataclass
class Site:
    """The daemon's HTTP side on loopback, and one run that waits for a yes to `call`."""

    url: str
    log: RunLog
    store: MemoryStore
    call: ToolCall
    approval: str = ""

    def link(self, person: str) -> str:
        return approval_link(self.url, SECRET.encode(), self.approval, person)

    async def ask(self) -> str:
        """The approval of a new run, which has asked already."""
        key = conversation_key("deployer", "api", "", f"c{time.monotonic_ns()}")
        run_id, at = new_run_id(key), time.time()
        text = request_text(self.call)
        history: list[e.Event] = [
            e.RunLaunched(
                at=at,
                run_id=run_id,
                agent="deployer",
                agent_version=AGENT.version,
                channel="api",
                conversation=key,
            ),
            e.MessageReceived(at=at, text="deploy", sender="Dan", via="slack", authentic=True),
            e.ModelAnswered(
                at=at,
                choice=self.call,
                content="{}",
                call=ModelCall(model="m", decision=ThinkingDecision(), prompt_hash="", seconds=0),
            ),
            e.ApprovalRequested(at=at, text=text, digest=digest(self.call)),
            e.ReplyStarted(at=at, key=f"{run_id}:4", kind="question", text=text),
            e.ReplySent(at=at, receipt="held"),
        ]
        *before, last, sent = map(e.encode, history)
        await self.store.admit(
            NewMessage(
                run_id=run_id,
                conversation_key=key,
                keys=(),
                agent="deployer",
                agent_version=AGENT.version,
                channel="api",
                conversation=key,
                history=tuple(before),
                received=last,
            )
        )
        await self.store.signal(run_id, len(before) + 1, sent, projection(fold(history)))
        self.approval = f"{run_id}:4"
        return self.approval

    async def answers(self) -> list[e.ApprovalAnswered]:
        asked = EventRef.parse(self.approval)
        assert asked is not None
        events = await self.log.events(asked.run_id)
        return [event for event in events if isinstance(event, e.ApprovalAnswered)]


@contextlib.asynccontextmanager
async def serving(call: ToolCall, *, secret: str | None = SECRET) -> AsyncIterator[Site]:
    store = MemoryStore()
    agents = {"deployer": AGENT, "assistant": AGENT}
    log = RunLog(store, lambda _: None)
    runs = Runs(log, agents)
    routes = load_routes(None, agents)
    app = create_app(
        log,
        runs,
        inquiries.Inquiries(log, agents),
        route_to(runs, routes),
        routes,
        ChannelSettings(signing_secret=SecretStr(secret) if secret else None),
        DaemonSettings(api_token=SecretStr("token")),
    )
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        site = Site(f"http://127.0.0.1:{listening.getsockname()[1]}", log, store, call)
        await site.ask()
        yield site
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    call = ToolCall(tool="deploy", arguments={"version": "1.4.1"})
    async with serving(call) as found:
        yield found


@dataclass
class Page:
    status: int
    text: str
    headers: Any

    @property
    def digest(self) -> str:
        found = re.search(r'name="digest" value="(\w+)"', self.text)
        return found[1] if found else ""


async def get(url: str, method: str = "GET", **fields: Any) -> Page:
    async with aiohttp.ClientSession() as http, http.request(method, url, **fields) as response:
        return Page(response.status, await response.text(), response.headers)


async def post(url: str, decision: str, **fields: str) -> Page:
    """Press a button of the page; fields that were not touched are as the page had them."""
    form = {"decision": decision, "digest": (await get(url)).digest, **fields}
    return await get(url, "POST", data=form)


# -- with the token -----------------------------------------------------------------------------


async def api(site: Site, method: str, path: str, **body: Any) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession(headers={"authorization": "Bearer token"}) as http,
        http.request(method, site.url + path, json=body or None) as response,
    ):
        return response.status, await response.json()


async def test_open_approvals_are_listed_oldest_first(site: Site) -> None:
    first, second = site.approval, await site.ask()
    _, listed = await api(site, "GET", "/approvals")
    assert [view["id"] for view in listed["approvals"]] == [first, second]
    await api(site, "POST", f"/approvals/{first}", approve=False)
    _, listed = await api(site, "GET", "/approvals")
    assert [view["id"] for view in listed["approvals"]] == [second]


async def test_an_approval_says_what_it_is_for(site: Site) -> None:
    status, view = await api(site, "GET", f"/approvals/{site.approval}")
    assert status == 200
    assert (view["tool"], view["arguments"]) == ("deploy", {"version": "1.4.1"})
    assert (view["status"], view["subject"], view["digest"]) == ("open", "tool", digest(site.call))
    assert (view["sender"], view["asked_for"][:6]) == ("slack:dan", "deploy")
    assert view["text"] == 'May I run deploy(version="1.4.1")? Please answer yes or no.'
    for unknown in ("x", "00-none-0:4", site.approval.replace(":4", ":3"), site.approval + "0"):
        assert (await api(site, "GET", f"/approvals/{unknown}"))[0] == 404


async def test_the_first_answer_counts_and_its_repetition_changes_nothing(site: Site) -> None:
    path = f"/approvals/{site.approval}"
    for _ in range(3):
        status, view = await api(site, "POST", path, approve=True, by="ann", remark="go")
        assert (status, view["status"], view["decided_by"]) == (200, "approved", "api:ann")
    for late in ({"approve": False, "by": "ann"}, {"approve": True, "by": "bob"}):
        status, view = await api(site, "POST", path, **late)
        assert status == 409
        assert "already approved by api:ann" in view["error"]
    [answer] = await site.answers()
    assert (answer.by, answer.via, answer.remark) == ("ann", "api", "go")


async def test_a_name_that_somebody_made_up_cannot_look_proven(site: Site) -> None:
    path, forged = f"/approvals/{site.approval}", "x\u202e (approved by\nslack:uboss)"
    for _ in range(2):
        status, view = await api(site, "POST", path, approve=True, by=forged)
        assert (status, view["decided_by"]) == (200, "api:“x approved by slack uboss”")
    [answer] = await site.answers()
    assert answer.by == "“x approved by slack uboss”"
    assert "slack:uboss" not in (await get(site.link("email:ann@x.test"))).text


async def test_changed_arguments_are_checked_and_recorded(site: Site) -> None:
    path = f"/approvals/{site.approval}"
    status, view = await api(site, "POST", path, approve=True, arguments={"versio": "1"})
    assert (status, "deploy: " in view["error"]) == (400, True)
    change = {"approve": True, "arguments": {"version": "1.4.2"}, "digest": digest(site.call)}
    for _ in range(2):  # the digest is of what was looked at, also when it is repeated
        status, view = await api(site, "POST", path, **change)
        assert (status, view["arguments"]) == (200, {"version": "1.4.2", "hosts": 3})
    [answer] = await site.answers()
    assert answer.arguments == {"version": "1.4.2", "hosts": 3}


async def test_another_call_than_the_one_looked_at_is_not_approved(site: Site) -> None:
    status, view = await api(
        site, "POST", f"/approvals/{site.approval}", approve=True, digest="0" * 32
    )
    assert (status, "look again" in view["error"]) == (409, True)
    assert await site.answers() == []


async def test_only_the_token_opens_the_api(site: Site) -> None:
    for path in ("/approvals", f"/approvals/{site.approval}"):
        assert (await get(site.url + path)).status == 401
    page = await get(site.url + f"/approvals/{site.approval}", "POST", json={"approve": True})
    assert page.status == 401
    assert await site.answers() == []


# -- with a link --------------------------------------------------------------------------------


async def test_looking_at_the_link_approves_nothing(site: Site) -> None:
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        await get(site.link(ANN), method)
    page = await get(site.link(ANN))
    assert (page.status, "May I run deploy" in page.text) == (200, True)
    assert await site.answers() == []


async def test_pressing_approve_approves_as_the_person_of_the_link(site: Site) -> None:
    page = await post(site.link(ANN), "approve", remark="after lunch")
    assert page.status == 200
    assert "Approved by email:ann@example.com at 20" in page.text
    [answer] = await site.answers()
    assert (answer.approved, answer.by, answer.via) == (True, "ann@example.com", "email")
    assert (answer.remark, answer.arguments) == ("after lunch", None)
    assert "<form" not in (await get(site.link(BOB))).text  # nothing is left to press


async def test_pressing_deny_denies_whatever_the_arguments(site: Site) -> None:
    page = await post(site.link(ANN), "deny", arguments="{")
    assert "Denied by email:ann@example.com" in page.text
    assert [answer.approved for answer in await site.answers()] == [False]


async def test_who_comes_second_is_told_who_decided(site: Site) -> None:
    digest_seen = (await get(site.link(BOB))).digest
    await post(site.link(ANN), "approve")
    for decision in ("approve", "deny"):
        form = {"decision": decision, "digest": digest_seen}
        page = await get(site.link(BOB), "POST", data=form)
        assert page.status == 409
        assert "already approved by email:ann@example.com" in page.text
    again = await get(site.link(ANN), "POST", data={"decision": "approve", "digest": digest_seen})
    assert again.status == 200  # a double click
    assert len(await site.answers()) == 1


async def test_arguments_can_be_edited_on_the_page(site: Site) -> None:
    page = await post(site.link(ANN), "approve", arguments='{"version": "1.4.2"}')
    assert (page.status, "1.4.2" in page.text) == (200, True)
    [answer] = await site.answers()
    assert answer.arguments == {"version": "1.4.2", "hosts": 3}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("{", "the arguments are not JSON"),
        ("[1]", "must be one JSON object"),
        ('{"version": "2", "to": "all"}', "deploy: to: Extra inputs"),
    ],
)
async def test_arguments_that_do_not_fit_are_shown_again_with_the_reason(
    arguments: str, complaint: str, site: Site
) -> None:
    page = await post(site.link(ANN), "approve", arguments=arguments, remark="mine")
    assert page.status == 400
    assert complaint in page.text and "mine</textarea>" in page.text
    assert arguments.replace('"', "&#34;") in page.text
    assert await site.answers() == []


async def test_neither_button_is_no_answer(site: Site) -> None:
    for form in ({}, {"decision": "yes"}):
        assert (await get(site.link(ANN), "POST", data=form)).status == 400
    assert await site.answers() == []


async def test_a_form_of_many_fields_is_not_read_and_the_mark_comes_first(site: Site) -> None:
    form = [("decision", "approve"), *(("a", "") for _ in range(20))]
    page = await get(site.link(ANN), "POST", data=form)
    assert (page.status, "more than 20 fields" in page.text) == (400, True)
    assert (await get(site.link(ANN) + "0", "POST", data=form)).status == 401
    assert await site.answers() == []


async def test_a_link_is_for_one_person_and_one_approval(site: Site) -> None:
    mine, first = site.link(ANN), site.approval
    await site.ask()
    wrong = (
        mine.replace("ann", "bob"),
        mine.replace(first.replace(":", "%3A"), site.approval).replace(first, site.approval),
        mine[:-1] + ("0" if mine[-1] != "0" else "1"),
        mine.replace("mark=", "mark=&x="),
    )
    for link in wrong:
        for method in ("GET", "POST"):
            page = await get(link, method, data={"decision": "approve"})
            assert page.status == 401, link
            assert "deploy" not in page.text  # nor what it is about
    assert await site.answers() == []


async def test_somebody_who_is_no_approver_may_look_but_not_decide(site: Site) -> None:
    page = await post(site.link(EVE), "approve")
    assert (page.status, "may not decide" in page.text) == (403, True)
    assert await site.answers() == []


async def test_without_a_signing_secret_there_are_no_links() -> None:
    call = ToolCall(tool="deploy", arguments={"version": "1"})
    async with serving(call, secret=None) as site:
        for secret in (b"", SECRET.encode()):
            link = approval_link(site.url, secret, site.approval, ANN)
            page = await get(link, "POST", data={"decision": "approve"})
            assert (page.status, "PONDERD_SIGNING_SECRET" in page.text) == (401, True)


async def test_a_mark_opens_nothing_but_its_page(site: Site) -> None:
    query = site.link(ANN).partition("?")[2]
    for path in ("/approvals", "/runs", f"/runs/{site.approval.rpartition(':')[0]}"):
        assert (await get(f"{site.url}{path}?{query}")).status == 401


async def test_the_page_is_not_kept_framed_or_told_to_others(site: Site) -> None:
    for page in (
        await get(site.link(ANN)),
        await get(site.link(ANN) + "x"),
        await post(site.link(ANN), "approve"),
    ):
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["x-frame-options"] == "DENY"
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script" not in policy
        assert "<script" not in page.text


HOSTILE = {
    "version": '</textarea><script>alert(1)</script><img src=x onerror="alert(2)">',
    "hosts": 3,
}


async def test_what_a_model_wrote_stays_text() -> None:
    arguments = {**HOSTILE, "note": "\u202e1.4.1\u200b ü"}
    async with serving(ToolCall(tool="deploy", arguments=arguments)) as site:
        page = await get(site.link(ANN))
    assert "<script" not in page.text and "<img" not in page.text
    assert "\u202e" not in page.text.partition("<textarea")[2]  # what hides text is spelt out
    assert "\\u202e1.4.1\\u200b ü" in page.text


# -- in a browser -------------------------------------------------------------------------------

needs_browser = pytest.mark.skipif(not browser.AVAILABLE, reason="needs chromium, chromedriver")


@needs_browser
async def test_a_person_with_a_browser_edits_and_approves(site: Site, tmp_path: Path) -> None:
    def person() -> None:
        with browser.browser(tmp_path, scripts=False) as page:
            page.open(site.link(ANN))
            assert page.text("h1") == "deployer asks for approval"
            assert 'deploy(version="1.4.1")' in page.text(".question")
            assert page.value("#arguments") == '{\n  "version": "1.4.1"\n}'
            assert page.style("main", "max-width") == "672px"  # the policy lets our style through
            page.write("#arguments", "{version: 1}")
            page.click("button[value=approve]")
            assert "the arguments are not JSON" in page.text(".problem")
            page.write("#arguments", '{\n  "version": "1.4.2"\n}')
            page.write("#remark", "first line\nsecond line")  # Enter presses nothing
            page.click("button[value=approve]")
            assert "Approved by email:ann@example.com" in page.text(".outcome")
            page.open(site.link(BOB))
            assert "Approved by email:ann@example.com" in page.text(".outcome")

    await asyncio.to_thread(person)
    [answer] = await site.answers()
    assert answer.arguments == {"version": "1.4.2", "hosts": 3}
    assert answer.remark.split() == ["first", "line", "second", "line"]


@needs_browser
async def test_scripts_of_a_model_do_not_run(tmp_path: Path) -> None:
    async with serving(ToolCall(tool="deploy", arguments=HOSTILE)) as site:

        def person() -> None:
            with browser.browser(tmp_path) as page:
                page.open(site.link(ANN))
                assert "<script>alert(1)</script>" in page.value("#arguments")
                page.click("button[value=deny]")  # an alert would stand in the way
                assert "Denied by" in page.text(".outcome")

        await asyncio.to_thread(person)
        assert [answer.approved for answer in await site.answers()] == [False]


async def test_a_link_that_is_refused_is_a_line_and_a_count(site: Site) -> None:
    def counted() -> float:
        labels = {"channel": "api", "source": ""}
        kinds = ("unauthenticated", "malformed")
        return sum(
            REGISTRY.get_sample_value("ponderd_refused_total", {**labels, "reason": kind}) or 0
            for kind in kinds
        )

    before = counted()
    with capture_logs() as lines:
        link = site.link(ANN)
        assert (await get(f"{link}x")).status == 401
        assert (await get(f"{link}x", "POST", data={"decision": "approve"})).status == 401
        assert (await get(link, "POST", data={"decision": "perhaps"})).status == 400
    assert [line["event"] for line in lines] == ["refused"] * 3
    assert counted() == before + 3
    assert await site.answers() == []
