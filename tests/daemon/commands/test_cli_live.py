"""The commands against a real daemon and a real worker; only the model is scripted."""

import contextlib
import hashlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from typing import Any

import psutil
import pytest

from ponderd.workers.llm.vllm import OPTIONAL
from tests.daemon.commands.commands import Ponderd, ponderd
from tests.services.eventually import PATIENCE, wait_until
from tests.services.model_server import Fault, Line, Says, ScriptedModel
from tests.services.stack import Stack
from tests.services.standing import standing

__all__ = ["ponderd"]


@dataclass
class World:
    stack: Stack
    model: ScriptedModel


def answer(body: dict[str, Any]) -> Line:
    said = body["messages"][-1]["content"].removeprefix("[new conversation]\n")
    match said.split():
        case ["which"]:
            return {"action": "ask_human", "text": "Which one?"}
        case ["slow"]:
            return Says('{"action": "reply", "text": "at last"}', delay=0.6)
        case ["endless"]:
            return Says('{"action": "reply", "text": "at last"}', delay=3600)
        case ["deploy", version]:
            return {"action": "deploy", "version": version}
        case _:
            return {"action": "reply", "text": f"you said {said}"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with standing(tmp_path_factory.mktemp("live"), answer) as (stack, model):
        yield World(stack, model)


@pytest.fixture(autouse=True)
def _same_settings(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.stack.settings.items():
        monkeypatch.setenv(name, value)
    world.model.script = answer


def until(ponderd: Ponderd, run_id: str, status: str) -> Any:
    def found() -> Any:
        view = ponderd("runs", "show", run_id, "--json").json
        return view if view["status"] == status else None

    return wait_until(found)


# -- launch ----------------------------------------------------------------------------------------


def test_launch_prints_the_answer_and_nothing_else(ponderd: Ponderd) -> None:
    result = ponderd("launch", "assistant", "hello")
    assert (result.code, result.out, result.err) == (0, "you said hello\n", "")


def test_launch_as_json_is_one_run(ponderd: Ponderd) -> None:
    result = ponderd("launch", "assistant", "hello", "--json")
    assert result.code == 0
    assert (result.json["status"], result.json["reply"]) == ("COMPLETED", "you said hello")


def test_launch_without_waiting_prints_the_run(ponderd: Ponderd) -> None:
    result = ponderd("launch", "assistant", "slow", "--no-wait")
    run_id, status = result.out.split()
    assert (result.code, status) == (0, "READY")
    assert until(ponderd, run_id, "COMPLETED")["reply"] == "at last"


def test_a_question_is_printed_with_exit_code_3(ponderd: Ponderd) -> None:
    result = ponderd("launch", "assistant", "which")
    assert (result.code, result.out) == (3, "Which one?\n")
    assert "ponderd runs answer " in result.err


def test_the_same_conversation_is_the_same_run(ponderd: Ponderd) -> None:
    first = ponderd("launch", "assistant", "one", "--conversation", "c1", "--json").json
    second = ponderd("launch", "assistant", "two", "--conversation", "c1", "--json").json
    assert first["id"] == second["id"] and second["reply"] == "you said two"


def test_an_unknown_agent_is_one_line_naming_the_known_ones(ponderd: Ponderd) -> None:
    result = ponderd("launch", "butler", "hello")
    assert (result.code, result.out) == (1, "")
    assert "assistant" in result.err and result.err.count("\n") == 1


def test_reply_to_a_private_address_is_refused(ponderd: Ponderd) -> None:
    result = ponderd("launch", "assistant", "hello", "--reply-to", "http://127.0.0.1:1/hook")
    assert result.code == 1 and "127.0.0.1" in result.err


def test_a_model_that_fails_is_told_and_waited_for(ponderd: Ponderd, world: World) -> None:
    faults = [Fault.BAD_REQUEST] * (len(OPTIONAL) + 1)  # refused whatever is left out
    world.model.script = lambda body: faults.pop() if faults else answer(body)
    result = ponderd("launch", "assistant", "hello")
    assert (result.code, result.out) == (0, "you said hello\n")
    assert result.err.startswith("trying again soon: ") and result.err.count("\n") == 1


def test_a_run_that_is_cancelled_meanwhile_is_exit_code_4(ponderd: Ponderd, world: World) -> None:
    command = [
        sys.executable,
        "-m",
        "ponderd.daemon.cli",
        "launch",
        "assistant",
        "endless",
        "--conversation",
        "x",
    ]
    launch = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen: list[Any] = []
    while not seen:
        seen = [
            run
            for run in ponderd("runs", "list", "--json").json_lines
            if run["conversation"] == "x"
        ]
    assert ponderd("runs", "cancel", seen[0]["id"], "--reason", "not needed").code == 0
    out, err = launch.communicate(timeout=PATIENCE)
    assert (launch.returncode, out) == (4, "") and "not needed" in err


def test_a_wrong_token_is_exit_code_2(ponderd: Ponderd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDERD_API_TOKEN", "wrong")
    result = ponderd("runs", "list")
    assert result.code == 2 and "set PONDERD_API_TOKEN" in result.err


# -- runs ------------------------------------------------------------------------------------------


def test_list_shows_the_newest_first_and_all_if_asked(ponderd: Ponderd) -> None:
    ids = [ponderd("launch", "triage", f"n{i}", "--no-wait").out.split()[0] for i in range(3)]
    listed = ponderd("runs", "list", "--agent", "triage", "--limit", "2", "--json").json_lines
    assert [run["id"] for run in listed] == ids[:0:-1]
    everything = ponderd("runs", "list", "--limit", "1", "--all").out
    assert all(run_id in everything for run_id in ids)


def test_list_by_status(ponderd: Ponderd) -> None:
    waiting = ponderd("launch", "assistant", "which", "--json").json["id"]
    done = ponderd("launch", "assistant", "hello", "--json").json["id"]
    text = ponderd("runs", "list", "--status", "WAITING").out
    assert waiting in text and done not in text and "WAITING for answer" in text


def test_list_by_whatever_else_the_api_knows(ponderd: Ponderd) -> None:
    waiting = ponderd("launch", "assistant", "which", "--json").json
    person = f"{waiting['channel']}:{getuser()}"
    chosen = ("--waiting-for", "answer", "--channel", waiting["channel"], "--person", person)
    assert waiting["id"] in ponderd("runs", "list", *chosen).out
    assert ponderd("runs", "list", *chosen, "--agent", "triage").out == ""


def test_list_of_an_unknown_agent_names_the_known_ones(ponderd: Ponderd) -> None:
    result = ponderd("runs", "list", "--agent", "nosuch")
    assert result.code == 1 and result.out == ""
    assert result.err.count("\n") == 1
    assert "no agent is called nosuch; known: " in result.err and "assistant" in result.err


def test_show_tells_all_about_a_run(ponderd: Ponderd) -> None:
    run_id = ponderd("launch", "assistant", "hello", "--json").json["id"]
    text = ponderd("runs", "show", run_id, "--events").out
    for part in (run_id, "COMPLETED", "1 model calls", "you said hello", "model_answered"):
        assert part in text
    document = ponderd("runs", "show", run_id, "--events", "--json").json
    assert [event["version"] for event in document["events"]] == list(
        range(1, document["version"] + 1)
    )


def test_show_of_no_such_run_is_exit_code_1(ponderd: Ponderd) -> None:
    result = ponderd("runs", "show", "00-none-0")
    assert (result.code, result.out) == (1, "") and "no run" in result.err
    assert ponderd("runs", "show", "../healthz").code == 1


def test_what_a_model_writes_cannot_steer_the_terminal(ponderd: Ponderd, world: World) -> None:
    world.model.script = {"action": "reply", "text": "\x1b]0;pwned\x07\x1b[2Jhi"}
    launched = ponderd("launch", "assistant", "hello")
    shown = ponderd("runs", "list").out + ponderd("runs", "tail", newest(ponderd)).out
    assert "hi" in launched.out and "\x1b" not in launched.out + shown


def newest(ponderd: Ponderd) -> str:
    return str(ponderd("runs", "list", "--limit", "1", "--json").json["id"])


def test_tail_follows_to_the_end(ponderd: Ponderd) -> None:
    run_id = ponderd("launch", "assistant", "slow", "--no-wait").out.split()[0]
    result = ponderd("runs", "tail", run_id, "--json")
    types = [event["type"] for event in result.json_lines]
    assert result.code == 0 and types[0] == "run_launched" and types[-1] == "reply_sent"
    assert [event["version"] for event in result.json_lines] == list(range(1, len(types) + 1))
    assert ponderd("runs", "tail", run_id).out.rstrip().endswith("COMPLETED")


def test_pause_holds_a_run_until_resume(ponderd: Ponderd, world: World) -> None:
    with world.model.silent():
        run_id = ponderd("launch", "assistant", "hello", "--no-wait").out.split()[0]
        assert ponderd("runs", "pause", run_id).out == f"{run_id} PAUSED\n"
    assert ponderd("runs", "pause", run_id).code == 0
    events = ponderd("runs", "show", run_id, "--events", "--json").json["events"]
    assert [event["by"] for event in events if event["type"] == "run_paused"] == [getuser()]
    assert ponderd("runs", "resume", run_id).out == f"{run_id} READY\n"
    assert until(ponderd, run_id, "COMPLETED")


def test_a_paused_run_answers_with_exit_code_3(ponderd: Ponderd) -> None:
    run_id = ponderd("launch", "assistant", "which", "--json").json["id"]
    ponderd("runs", "pause", run_id)
    result = ponderd("runs", "answer", run_id, "this", "one")
    assert (result.code, result.out) == (3, "") and f"ponderd runs resume {run_id}" in result.err


def test_a_run_that_is_over_cannot_be_paused(ponderd: Ponderd) -> None:
    run_id = ponderd("launch", "assistant", "hello", "--json").json["id"]
    result = ponderd("runs", "pause", run_id)
    assert result.code == 1 and "COMPLETED" in result.err


def test_only_what_failed_is_retried(ponderd: Ponderd) -> None:
    run_id = ponderd("launch", "assistant", "hello", "--json").json["id"]
    retried = ponderd("runs", "retry", run_id)
    assert (retried.code, "nothing to retry" in retried.err) == (1, True)
    since = ("--status", "FAILED", "--since", "2h", "--agent", "nobody")
    counted = ponderd("runs", "retry", *since, "--dry-run")
    assert (counted.code, counted.out) == (0, "0 runs would be retried\n")
    assert ponderd("runs", "retry", *since, "--json").json == {"matched": 0, "retried": []}
    for wrong in ((), (run_id, "--status", "FAILED"), ("--since", "soon"), ("--status", "READY")):
        assert ponderd("runs", "retry", *wrong).code == 2, wrong


def test_an_answer_lets_a_run_go_on(ponderd: Ponderd) -> None:
    run_id = ponderd("launch", "assistant", "which", "--json").json["id"]
    result = ponderd("runs", "answer", run_id, "this", "one")
    assert (result.code, result.out) == (0, "you said this one\n")


def test_yes_approves(ponderd: Ponderd, world: World) -> None:
    asked = ponderd("launch", "deployer", "deploy 1.4.1", "--json")
    assert (asked.code, asked.json["waiting_for"]) == (3, "approval")
    assert ponderd("runs", "answer", asked.json["id"], "yes").code == 0
    events = ponderd("runs", "show", asked.json["id"], "--events", "--json").json["events"]
    assert [e["type"] for e in events].count("tool_finished") == 1
    [answered] = [e for e in events if e["type"] == "approval_answered"]
    assert (answered["via"], answered["by"]) == ("api", getuser())


def test_open_approvals_are_listed_and_answered_with_other_arguments(ponderd: Ponderd) -> None:
    run_id = ponderd("launch", "deployer", "deploy 1.4.1", "--json").json["id"]
    listed = ponderd("approvals", "--json").json_lines
    assert [view["tool"] for view in listed if view["run_id"] == run_id] == ["deploy"]
    assert f"{run_id}  " in ponderd("approvals").out
    change = ("--arguments", '{"version": "1.4.2"}', "--remark", "not that one")
    assert ponderd("runs", "answer", run_id, "maybe", *change).code == 2
    assert ponderd("runs", "answer", run_id, "yes", "--arguments", "[]").code == 2
    wrong = ponderd("runs", "answer", run_id, "yes", "--arguments", '{"to": 1}')
    assert wrong.code == 1 and wrong.err.startswith("ponderd: deploy: ")
    assert ponderd("runs", "answer", run_id, "yes", *change).code == 0
    events = ponderd("runs", "show", run_id, "--events", "--json").json["events"]
    [answered] = [event for event in events if event["type"] == "approval_answered"]
    assert (answered["arguments"], answered["remark"]) == ({"version": "1.4.2"}, "not that one")
    assert any("1.4.2 is live" in event.get("result", "") for event in events)
    assert run_id not in ponderd("approvals").out


def test_other_words_are_told_to_the_agent(ponderd: Ponderd) -> None:
    run_id = ponderd("launch", "deployer", "deploy 1.4.1", "--json").json["id"]
    ponderd("runs", "answer", run_id, "is", "it", "tested?")
    events = ponderd("runs", "show", run_id, "--events", "--json").json["events"]
    [answered] = [event for event in events if event["type"] == "approval_answered"]
    assert (answered["withdrawn"], answered["remark"]) == (True, "is it tested?")


def test_fork_begins_with_the_same_events(ponderd: Ponderd) -> None:
    run_id = ponderd("launch", "assistant", "hello", "--json").json["id"]
    result = ponderd("runs", "fork", run_id, "--at", "2", "--text", "again")
    forked, _ = result.out.split()
    assert result.code == 0 and forked != run_id
    until(ponderd, forked, "COMPLETED")
    events = ponderd("runs", "show", forked, "--events", "--json").json["events"]
    assert [event["type"] for event in events][:3] == [
        *("run_launched", "message_received", "run_forked")
    ]
    assert (events[1]["text"], events[2]["source"]) == ("hello", run_id)


def test_an_event_is_kept_for_a_run_that_will_wait_for_it(ponderd: Ponderd) -> None:
    run_id = ponderd("launch", "assistant", "hello", "--json").json["id"]
    assert ponderd("runs", "event", run_id, "paid", '{"euro": 3}').code == 0
    assert ponderd("runs", "event", run_id, "paid", "{").code == 2
    events = ponderd("runs", "show", run_id, "--events", "--json").json["events"]
    [kept] = [event for event in events if event["type"] == "event_received"]
    assert (kept["name"], kept["payload"], kept["by"]) == ("paid", '{"euro": 3}', getuser())


def test_the_prompt_of_a_call_is_shown_byte_for_byte(ponderd: Ponderd, world: World) -> None:
    run_id = ponderd("launch", "assistant", "hello", "--json").json["id"]
    result = ponderd("runs", "prompt", run_id, "3", "--json")
    assert result.code == 0 and result.json["verified"] is True
    assert result.json["prompt"] == world.model.requests[-1]
    command = [sys.executable, "-m", "ponderd.daemon.cli", "runs", "prompt", run_id, "3"]
    piped = subprocess.run(command, capture_output=True, check=True)
    assert hashlib.sha256(piped.stdout).hexdigest() == result.json["sha256"]
    assert ponderd("runs", "prompt", run_id, "2").code == 1


def test_a_prompt_is_shown_though_the_run_keeps_less_of_its_conversation_by_now(
    ponderd: Ponderd, world: World
) -> None:
    first = len(world.model.requests)
    for number in range(8):
        said = f"message {number} " + "blah " * 1_000
        run = ponderd("launch", "assistant", said, "--conversation", "long", "--json").json
    events = ponderd("runs", "show", run["id"], "--events", "--json").json["events"]
    calls = [event["version"] for event in events if event["type"] == "model_answered"]
    assert len(calls) == 8
    for number in (0, 7):
        result = ponderd("runs", "prompt", run["id"], str(calls[number]), "--json")
        assert result.code == 0 and result.json["verified"] is True
        assert result.json["prompt"] == world.model.requests[first + number]
        assert ("message 0 " in str(result.json["prompt"])) == (number == 0)


def test_snapshots_are_compared_with_their_logs(ponderd: Ponderd) -> None:
    run_id = ponderd("launch", "assistant", "hello", "--json").json["id"]
    found = ponderd("runs", "check", "--json")
    assert found.code == 0 and found.json["wrong"] == [] and found.json["checked"] >= 1
    assert ponderd("runs", "check", run_id).out == "1 run, 0 snapshots, 0 of them wrong\n"
    assert ponderd("runs", "check", "nosuch").code == 1


def test_replay_asks_again_and_compares(ponderd: Ponderd, world: World) -> None:
    run_id = ponderd("launch", "assistant", "hello", "--json").json["id"]
    before = ponderd("runs", "show", run_id, "--json").json
    same = ponderd("runs", "replay", run_id)
    assert same.code == 0 and re.search("3 +same .* answer: you said hello$", same.out, re.M)
    world.model.script = {"action": "reply", "text": "good day"}
    other = ponderd("runs", "replay", run_id)
    assert " other " in other.out and "->  answer: good day" in other.out
    assert other.err.startswith("0 of 1 the same")
    line = ponderd("runs", "replay", run_id, "--model", "small", "--json").json
    assert (line["version"], line["same"], line["now"]["text"]) == (3, False, "good day")
    assert (line["call"]["model"], line["recorded_call"]["model"]) == ("small", "scripted")
    assert ponderd("runs", "show", run_id, "--json").json == before


def test_replay_with_another_prompt(ponderd: Ponderd, world: World, tmp_path: Path) -> None:
    run_id = ponderd("launch", "assistant", "hello", "--json").json["id"]
    file = tmp_path / "assistant.py"
    file.write_text(
        "from ponderd import Agent\n"
        'agent = Agent(name="assistant", description="", prompt="Be rude.")\n'
    )
    assert ponderd("runs", "replay", run_id, "--agent", str(file)).code == 0
    assert world.model.requests[-1]["messages"][0]["content"].startswith("Be rude.")


def test_replay_needs_a_model(ponderd: Ponderd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PONDERD_MODEL_URL")
    result = ponderd("runs", "replay", "00-a-b")
    assert result.code == 2 and "--model-url" in result.err


# -- chat ------------------------------------------------------------------------------------------


def test_chat_answers_each_line_that_is_piped_in(ponderd: Ponderd) -> None:
    result = ponderd("chat", stdin="one\n\ntwo\n")
    assert (result.code, result.out, result.err) == (0, "you said one\nyou said two\n", "")


def test_chat_is_one_conversation_on_the_terminal(ponderd: Ponderd) -> None:
    views = ponderd("chat", "--json", stdin="which\nthis\nthanks\n").json_lines
    assert len({view["id"] for view in views}) == 1
    assert [view["status"] for view in views] == ["WAITING", "COMPLETED", "COMPLETED"]
    assert views[0]["channel"] == "terminal"


def test_two_chats_are_two_conversations(ponderd: Ponderd) -> None:
    first, second = (ponderd("chat", "--json", stdin="hello\n").json for _ in range(2))
    assert first["id"] != second["id"]


def test_chat_ends_with_quit_and_tells_how_the_last_message_ended(ponderd: Ponderd) -> None:
    result = ponderd("chat", stdin="which\n/quit\nnever\n")
    assert (result.code, result.out) == (3, "Which one?\n")


def test_chat_with_an_unknown_agent_ends(ponderd: Ponderd) -> None:
    assert ponderd("chat", "butler", stdin="hello\nhello\n").code == 1


# What a shell starts in the background, as a `make test &`, ignores the Ctrl-C of others.
CHAT = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("ponderd.daemon.cli", run_name="__main__", alter_sys=True)
"""


class Terminal:
    """A person at a terminal with `ponderd chat`."""

    def __init__(self, **environment: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHAT, "chat"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", **environment},
        )
        os.close(slave)
        self.shown = ""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def see(self, text: str) -> str:
        """Read on until `text` is shown, forget all up to there, and return what came before it."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            ready, _, _ = select.select([self.master], [], [], 0.1)
            if ready:
                self.shown += os.read(self.master, 4096).decode(errors="replace")
            assert time.monotonic() < deadline, f"{text!r} not in {self.shown!r}"
        before, _, self.shown = self.shown.partition(text)
        return before

    def wait_until_it_reads(self) -> None:
        """readline is deaf to signals between showing what was typed and reading on."""
        time.sleep(0.2)
        process = psutil.Process(self.process.pid)
        wait_until(lambda: process.status() == psutil.STATUS_SLEEPING)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self.master)


def test_a_person_at_a_terminal(world: World) -> None:
    terminal = Terminal()
    try:
        terminal.see("> ")
        terminal.type("one\n")
        terminal.see("thinking …")
        terminal.see("assistant: \x1b[0myou said one")
        terminal.see("> ")
        terminal.type("half a l")
        terminal.see("half a l")
        terminal.wait_until_it_reads()
        terminal.process.send_signal(signal.SIGINT)  # drops the line that is being typed
        terminal.see("> ")
        with world.model.silent():
            terminal.type("slow\n")
            terminal.see("thinking …")
            terminal.process.send_signal(signal.SIGINT)  # stops waiting, not the run
            terminal.see("the run continues")
            terminal.see("> ")
        terminal.type("two\n")
        terminal.see("at last")
        terminal.see("you said two")
        terminal.see("> ")
        terminal.type("\x04")
        assert terminal.process.wait(PATIENCE) == 0
    finally:
        terminal.close()


def test_what_was_typed_before_the_answer_was_shown_is_not_sent(world: World) -> None:
    """A yes must not approve a question that nobody has read yet."""
    terminal = Terminal()
    try:
        terminal.see("> ")
        with world.model.silent():
            terminal.type("slow\n")
            terminal.see("thinking …")
            terminal.type("yes\n")
        terminal.see("at last")
        terminal.see("> ")
        terminal.type("two\n")
        terminal.see("you said ")
        assert terminal.see("\r\n") == "two"
    finally:
        terminal.close()


def test_no_colour_if_not_wanted() -> None:
    terminal = Terminal(NO_COLOR="1")
    try:
        terminal.see("> ")
        terminal.type("one\n")
        terminal.see("assistant: you said one")
    finally:
        terminal.close()


# -- doctor ----------------------------------------------------------------------------------------


def test_doctor_finds_all_well(ponderd: Ponderd) -> None:
    result = ponderd("doctor", "--json")
    levels = {check["name"]: check["level"] for check in result.json["checks"]}
    assert set(levels.values()) == {"ok"}, result.out
    assert set(levels) == {
        *("Python", "settings", "data folder", "state server", "model server"),
        *("HTTP API", "workers", "SMTP", "Slack", "SMS", "thinking", "deliveries", "safety"),
    }
    assert (result.code, result.json["ok"]) == (0, True)


def test_doctor_finds_a_wrong_token(ponderd: Ponderd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDERD_API_TOKEN", "wrong")
    result = ponderd("doctor")
    assert result.code == 1 and "does not accept the API token" in result.out


def test_doctor_asks_the_daemon_for_what_is_not_configured_here(
    ponderd: Ponderd, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    monkeypatch.delenv("PONDERD_REDIS_URL")
    monkeypatch.delenv("PONDERD_MODEL_URL")
    result = ponderd("doctor")
    assert result.code == 0 and result.out.count("the embedded one works") == 2


# -- deliveries ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["list", "retry"])
def test_a_filter_that_nothing_matches_is_not_said_to_have_arrived(
    ponderd: Ponderd, command: str
) -> None:
    result = ponderd("deliveries", command, "--to", "slack:C0NOBODY")
    assert result.code == 0 and "nothing that did not arrive matches" in result.err


def test_where_nothing_is_left_everything_arrived(ponderd: Ponderd) -> None:
    assert "everything arrived" in ponderd("deliveries").err
