"""`ponderd thinking …` and `ponderd runs rate`: offline on tables, live on a scripted model, and on
the ledger of a real daemon and worker."""

import asyncio
import csv
import json
import random
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ponderd.daemon.commands.thinking import moment
from ponderd.workers.thinking.beliefs import PRICE_OF_SHORT
from tests.daemon.commands.commands import Ponderd, ponderd
from tests.services.eventually import PATIENCE
from tests.services.model_server import Line, Says, ScriptedModel
from tests.services.ports import free_port
from tests.services.stack import API_TOKEN, Client, Stack
from tests.services.standing import standing

__all__ = ["ponderd"]

POLICIES = {"always-none", "always-long", "random", "best-per-kind", "oracle", "policy"}


@pytest.fixture(autouse=True)
def _alone(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDERD_DATA_DIR", str(data_dir))
    monkeypatch.setenv("PONDERD_HTTP_PORT", str(free_port()))
    monkeypatch.chdir(data_dir)


# -- offline -------------------------------------------------------------------------------------


@pytest.fixture
def table(data_dir: Path) -> Path:
    luck = random.Random(0)
    path = data_dir / "outcomes.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["task", "set", "arm", "sample", "passed", "tokens", "margin"])
        for k in range(60):
            easy = k % 2
            for arm, chance, tokens in (
                ("none", 0.95 if easy else 0.1, 8),
                ("long", 0.8 if easy else 0.9, 200),
            ):
                for sample in range(2):
                    passed = luck.random() < chance
                    margin = "" if arm == "long" else -0.1 if passed else -2.0
                    kind = "easy" if easy else "hard"
                    rows.writerow([f"t{k}", kind, arm, sample, int(passed), tokens, margin])
    return path


def test_a_table_is_evaluated_beside_its_references(ponderd: Ponderd, table: Path) -> None:
    result = ponderd("thinking", "evaluate", str(table), "--seed", "1", "--json")
    assert result.code == 0
    found = result.json
    assert set(found) == POLICIES
    for entry in found.values():
        assert set(entry) == {"accuracy", "tokens", "think_rate", "ci"}
        low, high = entry["ci"]
        assert 0 <= low <= entry["accuracy"] <= high <= 1
        assert 0 <= entry["think_rate"] <= 1
    assert found["policy"]["accuracy"] > found["random"]["accuracy"] + 0.2
    assert found["policy"]["tokens"] < 0.65 * found["always-long"]["tokens"]
    again = ponderd("thinking", "evaluate", str(table), "--seed", "1", "--json")
    assert again.out == result.out


def test_people_get_a_table_differences_and_the_front(ponderd: Ponderd, table: Path) -> None:
    out = ponderd("thinking", "evaluate", str(table), "--verifier", "margin").out
    assert "best-per-kind" in out
    assert "policy - random" in out
    assert "lambda" in out


def test_the_front_is_drawn(ponderd: Ponderd, table: Path, data_dir: Path) -> None:
    picture = data_dir / "front.png"
    result = ponderd("thinking", "evaluate", str(table), "--plot", str(picture), "--json")
    assert result.code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_rows_too_few_and_too_many_are_told(ponderd: Ponderd, table: Path) -> None:
    heading, first, *others = table.read_text().splitlines(keepends=True)
    table.write_text("".join([heading, first, first, *others, "t99,easy,none,0,1,8,\n"]))
    result = ponderd("thinking", "evaluate", str(table), "--json")
    assert result.code == 0
    assert "rows that repeat a sample of a task and arm: 1" in result.err
    assert "tasks left out because they were not done with every arm: 1" in result.err


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (None, 2, "No such file"),
        ("task,arm\n", 1, "it needs task, set, arm, sample, passed, tokens"),
        ("task,set,arm,sample,passed,tokens\na,x,none,0,perhaps,5\n", 1, "line 2: passed"),
        ("task,set,arm,sample,passed,tokens\na,x,none,0,1,5\n", 1, "only one arm"),
        ("\x00\x01", 1, ""),
    ],
)
def test_a_wrong_table_is_one_line(
    ponderd: Ponderd, data_dir: Path, content: str | None, code: int, says: str
) -> None:
    path = data_dir / "wrong.csv"
    if content is not None:
        path.write_text(content)
    result = ponderd("thinking", "evaluate", str(path))
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith(f"ponderd: {path}: ")
    assert says in result.err
    assert result.err.count("\n") == 1


def test_wrong_usage(ponderd: Ponderd, table: Path) -> None:
    for arguments in (
        ["evaluate"],
        ["evaluate", str(table), "--live", str(table)],
        ["evaluate", str(table), "--verifier", "guess"],
        ["tune", "--budget", "5", "--keep-quality", "1"],
        ["export", "--format", "csv"],
    ):
        assert ponderd("thinking", *arguments).code == 2


def test_since(ponderd: Ponderd) -> None:
    assert moment("90m", 10_000.0) == 10_000 - 5400
    assert moment("2026-11-01", 0) == moment("20261101", 0) == 1793491200
    assert moment("2026-11-01T12:00:00+02:00", 0) == 1793491200 + 10 * 3600


# -- live ----------------------------------------------------------------------------------------

QUESTIONS = [
    *(
        {
            "task": f"easy-{k}",
            "set": "easy",
            "question": f"What is the capital of country {k}?",
            "check": "exact",
            "answer": "Paris",
        }
        for k in range(10)
    ),
    *(
        {
            "task": f"hard-{k}",
            "set": "hard",
            "question": f"Anna buys {k} boxes of 12 eggs each and drops 5 of them. How many eggs "
            "are left in total, and how many per box on average?",
            "check": "number",
            "answer": 42,
        }
        for k in range(10)
    ),
]


def know(body: dict[str, Any]) -> Line:
    """Hard ones only with a thought; easy ones without, mostly."""
    asked = body["messages"][-1]["content"]
    thinks = body["chat_template_kwargs"]["enable_thinking"]
    if "Anna" in asked:
        return Says('{"answer":42}' if thinks else '{"answer":7}', reasoning="a " * 30, logprob=-1)
    right = not (thinks and asked.endswith(("3?", "7?")))
    return Says(f'{{"answer":"{"Paris" if right else "Rome"}"}}', reasoning="b " * 5)


class Served:
    """A scripted model on a loop of its own thread: the command runs one in this."""

    def __init__(self, script: Any) -> None:
        self.model = ScriptedModel(script)

    def __enter__(self) -> ScriptedModel:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.model.__aenter__(), self._loop).result()
        return self.model

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.model.__aexit__(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def questions(data_dir: Path) -> Path:
    path = data_dir / "set.jsonl"
    path.write_text("\n".join(map(json.dumps, QUESTIONS)))
    return path


def test_a_set_of_questions_is_asked_in_every_arm_and_under_the_policy(
    ponderd: Ponderd, questions: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Served(know) as model:
        monkeypatch.setenv("PONDERD_MODEL_URL", model.url)
        arguments = ["thinking", "evaluate", "--live", str(questions), "--json"]
        result = ponderd(*arguments)
        assert result.code == 0
        asked = model.count
        again = ponderd(*arguments)
        assert model.count == asked  # all of it was written down
    assert again.json == result.json
    found = result.json
    assert set(found) == POLICIES | {"always-short"}
    assert found["always-none"]["accuracy"] == 0.5
    assert found["always-short"]["accuracy"] == 0.9
    assert found["oracle"]["accuracy"] == 1
    assert found["policy"]["accuracy"] >= 0.9
    with (data_dir / "thinking-set.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert list(rows[0])[:6] == ["task", "set", "arm", "sample", "passed", "tokens"]
    offline = ponderd("thinking", "evaluate", "thinking-set.csv", "--json").json
    assert offline["always-short"] == found["always-short"]


def test_what_was_cut_short_goes_on_where_it_stopped(
    ponderd: Ponderd, questions: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = data_dir / "outcomes.csv"
    arguments = ["thinking", "evaluate", "--live", str(questions), "--out", str(out)]
    with Served(know) as model:
        monkeypatch.setenv("PONDERD_MODEL_URL", model.url)
        assert ponderd(*arguments, "--arms", "none,short").code == 0
        asked = model.count
        lines = out.read_text().splitlines(keepends=True)
        out.write_text("".join(lines[:-5]) + lines[-5][:7])  # killed while it wrote a line
        (data_dir / "outcomes.policy.csv").unlink()
        assert ponderd(*arguments, "--arms", "none,short").code == 0
        assert model.count == asked + 5 + (asked - 40)
    assert len(out.read_text().splitlines()) == 41


def test_budgets_can_be_tried_as_arms(
    ponderd: Ponderd, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Served(know) as model:
        monkeypatch.setenv("PONDERD_MODEL_URL", model.url)
        arguments = ["thinking", "evaluate", "--live", str(questions), "--json"]
        found = ponderd(*arguments, "--arms", "none,10,64").json
        budgets = {body.get("thinking_token_budget") for body in model.requests}
    assert {"always-10", "always-64"} <= set(found)
    assert budgets == {None, 10, 64}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--arms", "short"], "begin with none"),
        (["--arms", "none,huge"], "no arm 'huge'"),
        (["--arms", "none,short,none"], "twice"),
        (["--out", "."], "is a folder"),
    ],
)
def test_arms_that_there_are_not(
    ponderd: Ponderd,
    questions: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    says: str,
) -> None:
    with Served(know) as model:
        monkeypatch.setenv("PONDERD_MODEL_URL", model.url)
        result = ponderd("thinking", "evaluate", "--live", str(questions), *arguments)
    assert (result.code, result.out) == (2, "")
    assert says in result.err


def test_without_a_model_or_with_wrong_questions_there_is_one_line(
    ponderd: Ponderd, questions: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = ponderd("thinking", "evaluate", "--live", str(questions))
    assert (result.code, "PONDERD_MODEL_URL" in result.err) == (2, True)
    monkeypatch.setenv("PONDERD_MODEL_URL", "http://127.0.0.1:1/v1")
    questions.write_text('{"task": 1}')
    result = ponderd("thinking", "evaluate", "--live", str(questions))
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "line 1" in result.err
    questions.write_text(json.dumps(QUESTIONS[0]))
    result = ponderd("thinking", "evaluate", "--live", str(questions))
    assert (result.code, "at least two questions" in result.err) == (2, True)


def test_answers_to_something_else_are_not_taken_for_these(
    ponderd: Ponderd, questions: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["thinking", "evaluate", "--live", str(questions), "--arms", "none,short"]
    out = data_dir / "thinking-set.csv"
    with Served(know) as model:
        monkeypatch.setenv("PONDERD_MODEL_URL", model.url)
        assert ponderd(*arguments).code == 0
        before, asked = out.read_text(), model.count
        changed = [{**QUESTIONS[0], "answer": "Rome"}, *QUESTIONS[1:]]
        questions.write_text("\n".join(map(json.dumps, changed)))
        other_answer = ponderd(*arguments)
        questions.write_text("\n".join(map(json.dumps, QUESTIONS)))
        monkeypatch.setenv("PONDERD_THINKING_SHORT", "64")
        other_budget = ponderd(*arguments)
        monkeypatch.delenv("PONDERD_THINKING_SHORT")
        monkeypatch.setenv("PONDERD_MODEL", "another")
        other_model = ponderd(*arguments)
        assert model.count == asked
    for result in (other_answer, other_budget, other_model):
        assert result.code == 1
        assert "move it away" in result.err
    assert out.read_text() == before
    # Moved away as it says, the policy's own answers to the other question are not kept either.
    out.unlink()
    with Served(know) as model:
        monkeypatch.setenv("PONDERD_MODEL_URL", model.url)
        monkeypatch.delenv("PONDERD_MODEL")
        questions.write_text("\n".join(map(json.dumps, changed)))
        assert ponderd(*arguments).code == 0
    with (data_dir / "thinking-set.policy.csv").open() as file:
        first = next(row for row in csv.DictReader(file) if row["task"] == QUESTIONS[0]["task"])
    assert first["passed"] == "0"


def test_arms_may_have_any_name(ponderd: Ponderd, table: Path, data_dir: Path) -> None:
    table.write_text(table.read_text().replace(",short,", r",$\frac$,"))
    result = ponderd("thinking", "evaluate", str(table), "--plot", str(data_dir / "f.png"))
    assert result.code == 0


def test_another_file_is_not_written_over(
    ponderd: Ponderd, questions: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = data_dir / "letters.csv"
    other.write_text("dear,diary\n1,2\n")
    with Served(know) as model:
        monkeypatch.setenv("PONDERD_MODEL_URL", model.url)
        result = ponderd("thinking", "evaluate", "--live", str(questions), "--out", str(other))
    assert result.code == 1
    assert "move it away" in result.err
    assert other.read_text() == "dear,diary\n1,2\n"


# -- the ledger of a real ponderd ----------------------------------------------------------------


def reply(body: dict[str, Any]) -> Line:
    said = body["messages"][-1]["content"].removeprefix("[new conversation]\n")
    return Says(
        json.dumps({"action": "reply", "text": f"you said {said}"}), reasoning="one two three"
    )


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A whole ponderd that has answered 40 messages, every second of them well."""

    async def answer_forty(client: Client) -> None:
        for k in range(40):
            text = f"/think {k}" if k % 4 == 0 else f"{k}"
            run = await client.launch("assistant", text)
            await client.until(run, "COMPLETED")
            body = {"value": float(k % 2), "source": "judge"}
            assert (await client.post(f"/runs/{run}/feedback", body))[0] == 200
        async with asyncio.timeout(PATIENCE):
            while await noted(client) < 2 * 40:  # a call and a verdict each
                await asyncio.sleep(0.1)

    async def noted(client: Client) -> int:
        page = await client.get("/thinking/ledger?agent=assistant&limit=5000")
        return sum(entry.get("source", "judge") == "judge" for entry in page["entries"])

    with standing(tmp_path_factory.mktemp("ledger"), reply, answer_forty) as (stack, _):
        yield stack


@pytest.fixture
def at(live: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setenv("PONDERD_HTTP_PORT", str(live.http_port))
    monkeypatch.setenv("PONDERD_API_TOKEN", API_TOKEN)
    return live


def test_a_report_of_what_thinking_bought(ponderd: Ponderd, at: Stack) -> None:
    found = ponderd("thinking", "report", "--json").json
    assert (found["messages"], found["rewarded"], found["conversations"]) == (40, 40, 40)
    assert found["think_rate"] >= 0.25
    assert [arm["arm"] for arm in found["arms"]][:2] == ["none", "short"]
    assert found["reward"]["reward"] == pytest.approx(0.5)
    assert {point["name"] for point in found["references"]} >= {
        "always-none",
        "always-short",
        "random",
        "best-per-kind",
        "oracle",
    }
    assert len(found["front"]) > 3
    for point in found["front"]:
        assert point["low"] <= point["reward"] <= point["high"]
    text = ponderd("thinking", "report").out
    assert "T, share of calls that thought" in text
    assert "always-short" in text


def test_a_report_of_another_agent_or_time_has_nothing(ponderd: Ponderd, at: Stack) -> None:
    result = ponderd("thinking", "report", "--agent", "nobody")
    assert (result.code, result.out) == (1, "")
    assert "no model calls of nobody" in result.err
    assert ponderd("thinking", "report", "--since", "1s").code in (0, 1)
    assert ponderd("thinking", "report", "--since", "soon").code == 2


def test_the_report_is_drawn(ponderd: Ponderd, at: Stack, data_dir: Path) -> None:
    picture = data_dir / "report.png"
    assert ponderd("thinking", "report", "--plot", str(picture)).code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_tuning_shows_the_difference_and_applies_it_only_on_a_yes(
    ponderd: Ponderd, at: Stack
) -> None:
    shown = ponderd("thinking", "tune", "--budget", "50", "--json").json
    assert shown["applied"] is False
    assert {"before", "after", "bound", "pairs"} == set(shown["change"])
    assert ponderd("thinking", "tune", stdin="n\n").code == 1
    done = ponderd("thinking", "tune", "--keep-quality", "5", "--yes", "--json").json
    assert done["applied"] is True
    assert done["price"] == done["change"]["after"]["price"]
    back = ponderd("thinking", "tune", "--automatic", "--yes", "--json").json
    assert back["price"] is None


def test_runs_become_rows_to_train_with(ponderd: Ponderd, at: Stack) -> None:
    examples = ponderd("thinking", "export", "--format", "sft").json_lines
    assert 15 <= len(examples) <= 20  # the good ones
    for row in examples:
        last = row["messages"][-1]
        assert last["role"] == "assistant"
        assert last["content"].startswith("<think>\n")
        assert json.loads(last["content"].rpartition("</think>\n\n")[2])["action"] == "reply"
        assert row["messages"][0]["role"] == "system"
    rewarded = ponderd("thinking", "export", "--format", "rl", "--json").json_lines
    assert len(rewarded) == 40
    thinking = [row for row in rewarded if row["thinking"]]
    assert len(thinking) >= 10
    assert all("one two three" in row["completion"] for row in thinking)
    assert {row["base_reward"] for row in rewarded} == {0.0, 1.0}
    assert all(0 < row["probability"] <= 1 <= row["weight"] for row in rewarded)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/thinking/ledger?agent=assistant&after=1-0&limit=1", None, 200),
        ("GET", "/thinking/ledger?agent=assistant&after=%D9%A1-%D9%A1", None, 422),
        ("GET", "/thinking/ledger?agent=butler", None, 404),
        ("PUT", "/thinking", '{"price": null}', 200),
        ("PUT", "/thinking", '{"price": Infinity}', 422),
        ("PUT", "/thinking", '{"price": 1e999}', 422),
        ("PUT", "/thinking", '{"price": true}', 422),
        ("PUT", "/thinking", '{"price": "1"}', 422),
        ("PUT", "/thinking", '{"price": -1}', 422),
    ],
)
def test_what_programs_may_ask(
    ponderd: Ponderd, at: Stack, method: str, path: str, body: str | None, status: int
) -> None:
    headers = {"authorization": f"Bearer {API_TOKEN}", "content-type": "application/json"}
    data = None if body is None else body.encode()
    request = urllib.request.Request(at.url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            assert response.status == status
    except urllib.error.HTTPError as error:
        with error:
            assert error.code == status, error.read()


def test_the_lambda_of_the_workers_is_known(ponderd: Ponderd, at: Stack) -> None:
    """Although what is in the ledger shows only one budget of it."""
    found = ponderd("thinking", "report", "--json").json
    request = urllib.request.Request(
        at.url + "/thinking", headers={"authorization": f"Bearer {API_TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        overview = json.load(response)
    assert overview["price"] is None
    assert found["price"] == overview["usual"] == pytest.approx(PRICE_OF_SHORT * 1000 / 1024)


def test_an_answer_is_rated(ponderd: Ponderd, at: Stack) -> None:
    (newest,) = ponderd("runs", "list", "--limit", "1", "--json").json_lines
    assert ponderd("runs", "rate", newest["id"], "good").code == 0
    assert ponderd("runs", "rate", newest["id"], "0.5", "--judge", "--event", "3").code == 0
    assert ponderd("runs", "rate", newest["id"], "great").code == 2
    assert "is not an answer" in ponderd("runs", "rate", newest["id"], "bad", "--event", "2").err
    events = ponderd("runs", "show", newest["id"], "--events", "--json").json["events"]
    given = [event for event in events if event["type"] == "feedback_received"]
    assert [(event["value"], event["source"]) for event in given[-2:]] == [
        (1.0, "thumb"),
        (0.5, "judge"),
    ]
    assert ponderd("runs", "show", newest["id"], "--json").json["status"] == "COMPLETED"


def test_all_that_was_learned_is_forgotten(ponderd: Ponderd, at: Stack) -> None:
    """The last one: it leaves nothing behind."""
    assert ponderd("thinking", "reset", stdin="n\n").code == 1
    assert "no agent 'butler'" in ponderd("thinking", "reset", "--agent", "butler", "--yes").err
    forgotten = ponderd("thinking", "reset", "--yes", "--json").json
    assert "assistant" in forgotten["agents"]
    assert "no model calls" in ponderd("thinking", "report").err
