"""Ask a running model: every question with every arm, then under the policy that the other
questions taught. Each answer is written down at once, so that an interrupted measurement can go
on."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ponderd.channels.errors import Malformed, PonderdError
from ponderd.workers.agents.arms import Arm, Arms
from ponderd.workers.evaluation.from_table.table import COLUMNS
from ponderd.workers.evaluation.live.questions import (
    ANSWER_TOKENS,
    TestQuestion,
    messages,
    passes,
    schema,
)
from ponderd.workers.evaluation.live.walk import (
    ArmOutcome,
    Task,
    case_of,
    steps,
    taught,
    tune_price,
)
from ponderd.workers.llm.client import CallOptions, Completion, ModelClient
from ponderd.workers.run.model_call import ThinkingDecision
from ponderd.workers.thinking.case import Case
from ponderd.workers.thinking.criteria import read
from ponderd.workers.thinking.policy import Policy

FIELDS = (*COLUMNS, "thinking_tokens", "seconds", "margin", "cut", "key", "question")
POLICY_FIELDS = (
    "task",
    "set",
    "passed",
    "tokens",
    "thinking_tokens",
    "seconds",
    "arms",
    "price",
    "policy",
)

FOLDS = 5
INNER_FOLDS = 4

PRICES = (0.0, *(0.05 * 1.35**k for k in range(20)))
"""Candidates of lambda, in reward per 1,000 tokens. The last one is 15."""

Progressed = Callable[[], None]


class Graded(NamedTuple):
    """One answer, with its cost."""

    passed: bool
    completion: Completion


async def ask(client: ModelClient, question: TestQuestion, decision: ThinkingDecision) -> Graded:
    """Raises `ModelError`."""
    completion = await client.complete(
        messages(question),
        schema=schema(question),
        decision=decision,
        max_tokens=ANSWER_TOKENS,
        options=CallOptions(margin=True),
    )
    return Graded(passes(question, completion.content), completion)


def key_of(question: TestQuestion, arm: Arm, model: str) -> str:
    """Identifies what was answered: another question, check, budget or model has another key.
    `model` is our own model, for arms that name none."""
    identity = [question.model_dump(), arm.mode, arm.budget, arm.model or model, arm.url]
    return _digest(identity)


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]


def with_arm(arm: Arm) -> ThinkingDecision:
    return ThinkingDecision(mode=arm.mode, arm=arm.name, budget=arm.budget, reason="evaluation")


@dataclass(frozen=True)
class Sheet:
    """A CSV file that grows by one row at a time. A last line that was cut short is dropped."""

    path: Path
    fields: tuple[str, ...]

    def rows(self) -> list[dict[str, str]]:
        """Raises `Malformed` if the file is something else."""
        if not self.path.exists() or not self.path.stat().st_size:
            return []
        other = Malformed(f"{self.path} exists, but this command did not write it: move it away")
        try:
            with self.path.open(newline="", encoding="utf-8") as file:
                text = file.read()
            # A row ends at the end of a line, unless that is within quotes.
            end = len(text)
            while end and (text[end - 1] != "\n" or text.count('"', 0, end) % 2):
                end = text.rfind("\n", 0, end - 1) + 1
            if end < len(text):
                with self.path.open("w", newline="", encoding="utf-8") as file:
                    file.write(text[:end])
            reader = csv.DictReader(io.StringIO(text[:end], newline=""))
            if tuple(reader.fieldnames or ()) != self.fields:
                raise other
            return list(reader)
        except (csv.Error, UnicodeDecodeError):
            raise other from None

    def append(self, row: Mapping[str, Any]) -> None:
        """Raises `PonderdError` if the row cannot be written."""
        try:
            begins = not self.path.exists() or not self.path.stat().st_size
            with self.path.open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, self.fields)
                if begins:
                    writer.writeheader()
                writer.writerow(row)
        except OSError as error:
            raise PonderdError(f"{self.path} cannot be written: {error.strerror}") from error

    def keep(self, wanted: Callable[[Mapping[str, str]], bool]) -> None:
        """Drop all rows but the wanted ones."""
        rows = self.rows()
        kept = [row for row in rows if wanted(row)]
        if len(kept) < len(rows):
            self.path.unlink()
            for row in kept:
                self.append(row)


async def measure(
    client: ModelClient,
    questions: Sequence[TestQuestion],
    arms: Arms,
    sheet: Sheet,
    *,
    samples: int,
    at_once: int,
    advance: Progressed,
) -> None:
    """Ask what is not in the sheet yet. `advance` is called for each answer, including old ones.

    Raises `Malformed` for a sheet with answers to something else.
    """
    model = await client.model()
    keys = {(q.task, arm.name): key_of(q, arm, model) for q in questions for arm in arms}
    rows = sheet.rows()
    for row in rows:
        if row["key"] != keys.get((row["task"], row["arm"]), row["key"]):
            raise Malformed(
                f"{sheet.path} holds answers from before the question, its answer, the budget or "
                f"the model changed (task {row['task']}, arm {row['arm']}): move it away, or give "
                "another --out"
            )
    done = {(row["task"], row["arm"], row["sample"]) for row in rows}

    async def one(question: TestQuestion, arm: Arm, sample: int) -> None:
        if (question.task, arm.name, str(sample)) not in done:
            answer = await ask(client, question, with_arm(arm))
            sheet.append(_row(question, arm.name, sample, answer, keys[question.task, arm.name]))
        advance()

    await _several(
        at_once,
        (
            lambda q=question, a=arm, s=sample: one(q, a, s)  # type: ignore[misc]
            for question in questions
            for arm in arms
            for sample in range(samples)
        ),
    )


def tasks_of(
    questions: Sequence[TestQuestion], arms: Arms, rows: Iterable[Mapping[str, str]]
) -> list[Task]:
    """The questions, with what each arm achieved (means over samples)."""
    found: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for row in rows:
        found.setdefault((row["task"], row["arm"]), []).append(row)
    return [
        Task(
            question.task,
            question.set,
            read(question.question),
            {arm.name: _outcome(found[question.task, arm.name]) for arm in arms},
        )
        for question in questions
    ]


def _outcome(rows: Sequence[Mapping[str, str]]) -> ArmOutcome:
    margins = [float(row["margin"]) for row in rows if row["margin"]]
    return ArmOutcome(
        passed=sum(float(row["passed"]) for row in rows) / len(rows),
        tokens=sum(float(row["tokens"]) for row in rows) / len(rows),
        margin=sum(margins) / len(margins) if margins else None,
        cut=any(row["cut"] == "1" for row in rows),
    )


class Taught(NamedTuple):
    """A policy, and the name of what taught it: other outcomes make another name."""

    policy: Policy
    name: str


def policies(tasks: Sequence[Task], arms: Arms, *, keep: float) -> list[Taught]:
    """One policy for each fold, taught and tuned on the other folds. Task k is in fold k %
    `FOLDS`."""
    found = []
    for fold in range(FOLDS):
        rest = [task for k, task in enumerate(tasks) if k % FOLDS != fold]
        price = tune_price(rest, arms, PRICES, folds=INNER_FOLDS, keep=keep)
        policy = Policy(taught(rest, arms, price), price=price, trying=False)
        name = hashlib.sha256(repr((rest, arms, price)).encode()).hexdigest()[:12]
        found.append(Taught(policy, name))
    return found


async def follow(
    client: ModelClient,
    questions: Sequence[TestQuestion],
    arms: Arms,
    by_fold: Sequence[Taught],
    sheet: Sheet,
    *,
    at_once: int,
    advance: Progressed,
) -> None:
    """Ask each question under the policy that was taught without it. Rows of another policy are
    dropped."""
    model = await client.model()
    names = {
        question.task: _digest(
            [by_fold[k % FOLDS].name, [key_of(question, arm, model) for arm in arms]]
        )
        for k, question in enumerate(questions)
    }
    sheet.keep(lambda row: row["policy"] == names.get(row["task"]))
    done = {row["task"] for row in sheet.rows()}

    async def one(question: TestQuestion, under: Taught) -> None:
        if question.task not in done:
            case = case_of(read(question.question), arms)
            row = await _under(client, question, case, under.policy)
            sheet.append(row | {"policy": names[question.task]})
        advance()

    await _several(
        at_once,
        (
            lambda q=question, u=by_fold[k % FOLDS]: one(q, u)  # type: ignore[misc]
            for k, question in enumerate(questions)
        ),
    )


async def _under(
    client: ModelClient, question: TestQuestion, case: Case, policy: Policy
) -> dict[str, Any]:
    """Do as a worker does: decide, ask, doubt, and ask again with more thought."""
    answers: list[tuple[str, Graded]] = []
    walking = steps(case, policy, 0.5)
    decision = next(walking)
    while True:
        asked = await ask(client, question, decision)
        answers.append((decision.arm, asked))
        found = asked.completion
        outcome = ArmOutcome(
            float(asked.passed), found.usage.completion_tokens, found.margin, found.cut
        )
        try:
            decision = walking.send(outcome)
        except StopIteration:
            break
    costs = [asked.completion for _, asked in answers]
    return {
        "task": question.task,
        "set": question.set,
        "passed": int(asked.passed),
        "tokens": sum(cost.usage.completion_tokens for cost in costs),
        "thinking_tokens": sum(cost.usage.reasoning_tokens for cost in costs),
        "seconds": f"{sum(cost.usage.seconds for cost in costs):.3f}",
        "arms": "+".join(arm for arm, _ in answers),
        "price": policy.price,
    }


def _row(question: TestQuestion, arm: str, sample: int, answer: Graded, key: str) -> dict[str, Any]:
    completion = answer.completion
    return {
        "task": question.task,
        "set": question.set,
        "arm": arm,
        "sample": sample,
        "passed": int(answer.passed),
        "tokens": completion.usage.completion_tokens,
        "thinking_tokens": completion.usage.reasoning_tokens,
        "seconds": f"{completion.usage.seconds:.3f}",
        "margin": "" if completion.margin is None else f"{completion.margin:.4f}",
        "cut": int(completion.cut),
        "key": key,
        "question": question.question,
    }


async def _several(at_once: int, calls: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Run at most so many at a time. The first error ends all."""
    slots = asyncio.Semaphore(at_once)

    async def one(call: Callable[[], Awaitable[None]]) -> None:
        async with slots:
            await call()

    try:
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(one(call))
    except* PonderdError as failed:
        raise failed.exceptions[0] from None
