"""What README and docs/ show is real: links, commands, settings, routes, metrics, examples."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr

from ponderd.channels.settings import ChannelSettings
from ponderd.channels.signature import sign_standard, standard_key
from ponderd.channels.webhook.body import read_body
from ponderd.channels.webhook.methods import SENDERS
from ponderd.channels.webhook.presets import PRESETS
from ponderd.channels.webhook.rendering import render_all
from ponderd.channels.webhook.route import WebhookRoute
from ponderd.daemon.api.health import families, health_routes
from ponderd.daemon.api.ingress import slack_routes
from ponderd.daemon.api.schedules import schedule_routes
from ponderd.daemon.api.server import create_app
from ponderd.daemon.api.thinking import thinking_routes
from ponderd.daemon.cli import app
from ponderd.daemon.configuration import describe
from ponderd.daemon.routing import load_routes, route_to
from ponderd.daemon.schedule_table import load_schedules
from ponderd.daemon.settings import DaemonSettings
from ponderd.workers.agents.discovery import discover
from ponderd.workers.control.inquiries import Inquiries
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs
from ponderd.workers.control.schedules import Schedules
from ponderd.workers.execution.pokes import Poker
from ponderd.workers.store.contract import Gauges
from ponderd.workers.store.memory_store import MemoryStore
from tests.channels.slack.out import test_examples
from tests.pictures import slack_thread
from tests.services.eventually import eventually
from tests.services.model_server import Line, ScriptedModel
from tests.services.stack import API_TOKEN, WEBHOOK_SECRET, Client, Stack, running

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "examples" / "README.md",
]
README = ROOT / "README.md"
CONFIGURATION = ROOT / "docs" / "configuration.md"
AGENTS = ROOT / "docs" / "agents.md"
API = ROOT / "docs" / "api.md"
HOW_IT_WORKS = ROOT / "docs" / "how-it-works.md"
MAIL = ROOT / "docs" / "mail.md"
WEBHOOKS = ROOT / "docs" / "webhooks.md"

# Typer brings a click of its own; this is its UsageError.
UsageError = typer.BadParameter.__mro__[1]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced code blocks of a page."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.M | re.S)
    return [text for language, text in found if language in languages]


# -- links, names ------------------------------------------------------------------------------


@each_page
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@each_page
def test_links_to_headings_lead_to_one(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)]+)\)", page.read_text())
    lost = [
        f"{file}#{heading}"
        for file, heading in links
        if heading not in headings(page.parent / file if file else page)
    ]
    assert lost == []


def headings(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    text = re.sub(r"^(`{3,}).*?^\1$", "", page.read_text(), flags=re.M | re.S)
    titles = [line.lower() for line in re.findall(r"^#+ (.+)$", text, re.M)]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


@each_page
def test_settings_exist(page: Path) -> None:
    named = set(re.findall(r"PONDERD_[A-Z]+(?:_[A-Z]+)*", page.read_text()))
    assert named - {setting.name for setting in describe()} == set()


@each_page
def test_classes_exist(page: Path) -> None:
    code = "".join(
        file.read_text()
        for folder in ("channels", "workers", "daemon", "tests")
        for file in (ROOT / folder).rglob("*.py")
    )
    named = set(re.findall(r"`((?:[A-Z][a-z]+){2,})`", page.read_text()))
    assert [name for name in named if not re.search(rf"\b{name}\b", code)] == []


@each_page
def test_commands_exist_and_take_these_arguments(page: Path) -> None:
    for arguments in commands(page):
        check_command(arguments)


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    for wrong in (["fly"], ["runs", "fly"], ["doctor", "--fly"], ["launch", "assistant"]):
        with pytest.raises((UsageError, AssertionError)):
            check_command(wrong)


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of every `ponderd …` in code blocks and code spans."""
    shown = [line for text in blocks(page, "sh") for line in text.replace("\\\n", "").splitlines()]
    shown += re.findall(r"`((?:[\w./]+/)?ponderd [^`]+)`", page.read_text())
    for line in shown:
        if not re.search(r"\bponderd ", line):
            continue
        words = shlex.split(line, comments=True)
        for start in [i for i, word in enumerate(words) if Path(word).name == "ponderd"]:
            rest = words[start + 1 :]
            end = next((i for i, word in enumerate(rest) if word in ("|", ";", "&&", ">")), None)
            yield rest[:end]


def check_command(arguments: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    rest = arguments
    while hasattr(command, "commands") and rest:
        assert rest[0] in command.commands, f"no command {' '.join(arguments)}"
        command, rest = command.commands[rest[0]], rest[1:]
    if rest:  # a bare name only mentions the command
        command.make_context("ponderd", list(rest))


# -- generated or complete ---------------------------------------------------------------------


def settings_table() -> str:
    rows = [
        f"| `{setting.name}` | {f'`{setting.default}`' if setting.default else ''} "
        f"| {setting.description}{' (secret)' if setting.secret else ''} |"
        for setting in describe()
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def test_the_table_of_settings_is_generated_from_them() -> None:
    assert settings_table() in CONFIGURATION.read_text()


def test_the_page_of_the_api_lists_exactly_its_routes() -> None:
    routes = load_routes(None, ["assistant"])
    store = MemoryStore()
    run_log = RunLog(store, lambda _: None)
    runs, approvals = Runs(run_log, {}), Inquiries(run_log, {})
    daemon = DaemonSettings(api_token=SecretStr("t"))
    accept = route_to(runs, routes)
    server = create_app(run_log, runs, approvals, accept, routes, ChannelSettings(), daemon)
    server.include_router(health_routes(store, Poker("redis://127.0.0.1:1/0"), None, None))
    server.include_router(thinking_routes(store, []))
    server.include_router(slack_routes(ChannelSettings(), None))
    server.include_router(schedule_routes(Schedules(store, runs, []), runs))
    real = {
        f"{method.upper()} {path}"
        for path, methods in server.openapi()["paths"].items()
        for method in methods
    }
    listed = re.findall(r"^\| `((?:GET|POST|PUT|DELETE) [^`]+)` \|", API.read_text(), re.M)
    assert set(listed) == real
    assert len(listed) == len(real)


@each_page
def test_metrics_exist(page: Path) -> None:
    gauges = Gauges(0, 0, 0, {}, 0, {})
    real = {metric.name for metric in families(gauges, 0, {}, {})}
    text = re.sub(r"^```json\n.*?^```$", "", page.read_text(), flags=re.M | re.S)
    named = set(re.findall(r"`[^`]*?\b(ponderd_[a-z_]+)", text))
    assert {name.removesuffix("_total") for name in named} - real == set()


@each_page
def test_routing_files_load(page: Path, tmp_path: Path) -> None:
    for text in blocks(page, "toml"):
        file = tmp_path / "ponderd.toml"
        file.write_text(text)
        named = re.findall(r"_env = (.+)", text)
        variables = dict.fromkeys(re.findall(r'"(\w+)"', " ".join(named)), "secret")
        agents = discover([], file)
        assert load_routes(file, agents, variables).webhooks
        assert ("[schedules" in text) == bool(load_schedules(file, agents))


def test_the_github_route_of_the_page_fires_only_on_what_people_open(tmp_path: Path) -> None:
    [text] = [text for text in blocks(WEBHOOKS, "toml") if text.startswith("[webhooks.github]")]
    assert len(text.splitlines()) == 5
    file = tmp_path / "ponderd.toml"
    file.write_text(text)
    routes = load_routes(file, ["assistant", "triage"], {"GITHUB_WEBHOOK_SECRET": "secret"})
    templates = routes.webhook("github").templates()
    opened = {"action": "opened", "issue": {"title": "Crash"}, "sender": {"type": "User"}}
    bot = {"sender": {"type": "Bot"}}
    closed, labelled = {"action": "closed"}, {"action": "labeled"}
    fires = [
        render_all(templates, {**opened, **changed}, {"x-github-event": "issues"}, {}).keys()
        == templates.keys()
        for changed in ({}, bot, closed, labelled)
    ]
    assert fires == [True, False, False, False]


def test_the_templates_of_the_page_give_what_it_says() -> None:
    section = WEBHOOKS.read_text().partition("## Templates")[2].partition("## Presets")[0]
    payload = re.search(r"```json\n(.*?)```", section, re.S)
    assert payload is not None
    [body] = read_body({}, payload[1].encode())
    rows = re.findall(r"^\| `(.*)` \| `(.*)` \|$", section, re.M)
    assert len(rows) == 10
    for template, expected in rows:
        source = {"text": template.replace("\\|", "|")}
        done = render_all(source, body.payload, {"x-github-event": "issues"}, {})["text"]
        assert done.text == expected, template


def test_the_page_names_all_presets_and_all_fields_of_a_route() -> None:
    text = WEBHOOKS.read_text()
    presets = text.partition("## Presets")[2].partition("\n\n```")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", presets, re.M)) == set(PRESETS)
    routes = text.partition("## Routes")[2].partition("## Templates")[0]
    named = {name for row in re.findall(r"^\| (`.*?) \|", routes, re.M) for name in row.split(", ")}
    fields = {f"`{name}`" for name in WebhookRoute.model_fields}
    assert named == {*fields, "`secret_env`", "`token_env`"}
    proofs = text.partition("## Proofs")[2].partition("```toml")[0]
    rows = re.findall(r"^\| (`.*?) \|", proofs, re.M)
    assert len(rows) == 5
    assert set(re.findall(r"`(\w+)`", " ".join(rows[1:]))) <= set(SENDERS)


def walk() -> list[Path]:
    """The page of the walk, and the files that its first table says to read."""
    first = HOW_IT_WORKS.read_text().partition("\n## ")[0]
    listed = re.findall(r"^\| \[.*?\]\((.*?)\)", first, re.M)
    return [HOW_IT_WORKS, *((HOW_IT_WORKS.parent / name).resolve() for name in listed)]


def test_the_figures_of_the_comparison_were_measured() -> None:
    measured = (ROOT / "docs" / "benchmarks.md").read_text()
    rows = re.findall(r"^\| (?:steps a second|trigger to|bytes kept).*$", README.read_text(), re.M)
    figures = [
        figure for row in rows for figure in re.findall(r"\d[\d.,]*\d", row.partition(" | ")[2])
    ]
    assert (len(rows), len(figures)) == (3, 10)
    assert [figure for figure in figures if f" {figure} |" not in measured] == []


def test_the_walk_is_not_longer_than_it_says() -> None:
    files = walk()
    said = re.search(r"this page and four files: at most (\d+) lines", HOW_IT_WORKS.read_text())
    assert said is not None
    assert len(files) == 5
    assert sum(len(file.read_text().splitlines()) for file in files) <= int(said[1]) <= 900


def test_the_walk_quotes_the_scripts_as_they_are() -> None:
    scripts = [file.read_text() for file in (ROOT / "workers" / "store" / "lua").glob("*.lua")]
    quoted = re.findall(r"^ +```lua\n(.*?)^ +```$", HOW_IT_WORKS.read_text(), re.M | re.S)
    assert len(quoted) == 2
    for text in quoted:
        assert any(textwrap.dedent(text) in script for script in scripts), text


# -- examples ----------------------------------------------------------------------------------


async def test_the_picture_is_what_a_run_posts_today(redis_url: str, data_dir: Path) -> None:
    """Drawn anew by `python -m tests.pictures.slack_thread`."""
    asked, decided = await slack_thread.threads(redis_url, data_dir)
    assert [message.buttons for message in asked] == [(), ("Approve", "Deny")]
    assert slack_thread.draw(asked, decided) == slack_thread.PICTURE.read_text()


def test_the_agent_of_the_readme_is_15_lines() -> None:
    assert len(slack_thread.readme_agent().splitlines()) == 15


def librarian(request: dict[str, Any]) -> Line:
    """Plays the model for the agent of docs/agents.md."""
    said = request["messages"][-1]["content"]
    if said.startswith("[tool]"):
        return {"action": "reply", "text": said.splitlines()[0].removeprefix("[tool] ")}
    return {"action": "lend", "title": "Emma", "days": 7}


@pytest.fixture
async def ponderd(
    redis_url: str, data_dir: Path, tmp_path: Path
) -> AsyncIterator[tuple[Client, Stack]]:
    """A running ponderd that has the agent of docs/agents.md."""
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "library.py").write_text(blocks(AGENTS, "python")[0])
    async with ScriptedModel(librarian) as model:
        stack = Stack(redis_url, model.url, data_dir, {"PONDERD_AGENTS_DIR": str(folder)})
        async with running(stack) as client:
            yield client, stack


async def test_the_agent_of_the_page_lends_a_book_after_a_yes(
    ponderd: tuple[Client, Stack], data_dir: Path
) -> None:
    client, _ = ponderd
    run_id = await client.launch("library", "Emma for a week, please")
    asked = await client.until(run_id)
    assert (asked["status"], asked["waiting_for"]) == ("WAITING", "approval")
    assert asked["reply"] in " ".join(AGENTS.read_text().split())  # the page quotes the question
    assert not (data_dir / "lent.txt").exists()

    await client.post(f"/runs/{run_id}/messages", {"text": "yes"})
    answered = await client.until(run_id, "COMPLETED")
    assert answered["reply"] == "lend: Emma is lent for 7 days."
    assert (data_dir / "lent.txt").read_text().endswith(" Emma 7\n")


@pytest.mark.skipif(not shutil.which("openssl") or not shutil.which("curl"), reason="needs both")
async def test_the_three_ways_to_send_a_webhook_work(ponderd: tuple[Client, Stack]) -> None:
    client, stack = ponderd
    shell = [text for text in blocks(WEBHOOKS, "sh") if "/webhooks/" in text]
    senders = [["sh", "-euc", text] for text in shell]
    senders += [[sys.executable, "-c", blocks(WEBHOOKS, "python")[0]]]
    assert len(senders) == 3
    accepted = [await run(command, stack) for command in senders]
    run_ids = {re.search(r'"run_id": ?"([^"]+)"', answer) for answer in accepted}
    assert len(run_ids) == 3 and None not in run_ids, accepted
    assert len((await client.get("/runs"))["runs"]) == 3


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
async def test_the_mail_on_the_page_is_answered_into_the_outbox(
    ponderd: tuple[Client, Stack], data_dir: Path
) -> None:
    _, stack = ponderd
    [text] = [text for text in blocks(MAIL, "sh") if "smtp://" in text]
    await run(["sh", "-euc", text], stack)
    await eventually(lambda: list((data_dir / "outbox").glob("*.eml")))


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
async def test_an_approval_is_shown_and_given_as_the_page_says(
    ponderd: tuple[Client, Stack], data_dir: Path
) -> None:
    client, stack = ponderd
    run_id = await client.launch("library", "Emma for a week, please")
    await client.until(run_id)
    [approval] = (await client.get("/approvals"))["approvals"]
    [text] = blocks(API, "sh")
    said = await run(["sh", "-euc", text], stack, APPROVAL=approval["id"])
    assert '"status":"open"' in said and '"decided_by":"api:ann"' in said
    assert set(approval) <= set(re.findall(r"`(\w+)`", API.read_text()))
    await client.until(run_id, "COMPLETED")
    assert (data_dir / "lent.txt").exists()


async def run(command: list[str], stack: Stack, **environment: str) -> str:
    *start, program = command
    process = await asyncio.create_subprocess_exec(
        *start,
        program.replace("http://127.0.0.1:8700", stack.url).replace(":8725", f":{stack.smtp_port}"),
        env={
            **os.environ,
            **environment,
            "PONDERD_API_TOKEN": API_TOKEN,
            "PONDERD_WEBHOOK_SECRET": WEBHOOK_SECRET,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


def test_the_receiver_of_callbacks_knows_what_ponderd_signed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PONDERD_WEBHOOK_SECRET", WEBHOOK_SECRET)
    names: dict[str, Any] = {}
    exec(blocks(WEBHOOKS, "python")[1], names)
    body = b'{"kind": "answer", "text": "391"}'
    signed = sign_standard(
        standard_key(WEBHOOK_SECRET), message_id="r:1", body=body, now=time.time()
    )
    assert names["receive"](signed, body) == "answer: 391"
    with pytest.raises(Exception, match="signature"):
        names["receive"](signed, body + b" ")


if __name__ == "__main__":
    text = CONFIGURATION.read_text()
    begin, end = "`python -m tests.test_docs` -->\n", "<!-- end of settings -->"
    head, _, rest = text.partition(begin)
    CONFIGURATION.write_text(f"{head}{begin}{settings_table()}\n{end}{rest.partition(end)[2]}")
    asyncio.run(test_examples.write())
