"""`ponderd thinking evaluate`: offline on a table, or live with the configured model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ponderd.channels.errors import Malformed, PonderdError, StartupError
from ponderd.daemon.commands.terminal import hint, progress, say
from ponderd.daemon.commands.thinking_pages import print_columns

if TYPE_CHECKING:
    from ponderd.workers.agents.arms import Arms
    from ponderd.workers.evaluation.from_table.cascade import Verifier
    from ponderd.workers.evaluation.from_table.evaluate import Goal
    from ponderd.workers.evaluation.from_table.references import Evaluation
    from ponderd.workers.evaluation.live.questions import TestQuestion
    from ponderd.workers.llm.client import ModelClient


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """The options for --live."""

    arms: str | None
    """Comma-separated names or token budgets. None: all arms of the model."""
    samples: int
    """How often each question is asked with each arm."""
    at_once: int
    """Questions that are open at the same time."""
    keep: float
    """Accuracy (0 to 1) that may be given up compared with the best fixed arm."""
    seed: int


def offline(path: Path, verifier: Verifier, seed: int, goal: Goal) -> Evaluation:
    from ponderd.workers.evaluation.from_table.references import evaluate
    from ponderd.workers.evaluation.from_table.table import read_rows, tabulate

    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = tabulate(read_rows(file))
    except OSError as error:
        raise StartupError(f"{path}: {error.strerror}", exit_code=2) from error
    except (Malformed, UnicodeDecodeError) as error:
        raise Malformed(f"{path}: {error}") from error
    if table.dropped:
        hint(f"tasks left out because they were not done with every arm: {table.dropped}")
    if table.repeated:
        hint(f"rows that repeat a sample of a task and arm: {table.repeated}; each counts")
    found = evaluate(table, verifier, seed, goal)
    spent = found.results["policy"].mean_tokens
    if goal.budget is not None and spent > goal.budget:
        hint(f"no lambda stays within {goal.budget:g} tokens; this one takes {spent:.0f}")
    return found


def live(path: Path, out: Path, options: LiveOptions) -> Evaluation:
    from ponderd.daemon import configuration
    from ponderd.workers.agents.config import load_family
    from ponderd.workers.evaluation.live.questions import read_questions
    from ponderd.workers.llm.connect import connect

    settings = configuration.load().workers
    if settings.model_url is None:
        raise StartupError(
            "no model server: set PONDERD_MODEL_URL (`ponderd up` shows that of the embedded one)",
            exit_code=2,
        )
    try:
        questions = read_questions(path.read_text("utf-8-sig").split("\n"))
    except OSError as error:
        raise StartupError(f"{path}: {error.strerror}", exit_code=2) from error
    except (Malformed, UnicodeDecodeError) as error:
        raise Malformed(f"{path}: {error}") from error

    if len(questions) < 2:
        raise StartupError(f"{path}: learning needs at least two questions", exit_code=2)
    if out.is_dir():
        raise StartupError(f"{out} is a folder", exit_code=2)
    if not out.parent.is_dir():
        raise StartupError(f"{out}: the folder {out.parent} does not exist", exit_code=2)
    family = load_family(settings.config_file)

    async def run() -> Evaluation:
        client = connect(settings, family)
        try:
            return await _live(client, questions, out, options)
        finally:
            await client.close()

    return asyncio.run(run())


async def _live(
    client: ModelClient, questions: Sequence[TestQuestion], out: Path, options: LiveOptions
) -> Evaluation:
    from ponderd.workers.evaluation.from_table.references import beside
    from ponderd.workers.evaluation.from_table.table import read_rows, tabulate
    from ponderd.workers.evaluation.live import measure as runs
    from ponderd.workers.llm.canary import problems

    arms = chosen_arms(await client.arms(), options.arms)
    for able in (await client.examine()).values():  # a worker does the same
        for line in [str(able)] if isinstance(able, PonderdError) else problems(able):
            hint(f"model server: {line}")
    sheet = runs.Sheet(out, runs.FIELDS)
    total = len(questions) * len(arms) * options.samples
    with progress(f"{len(arms)} arms", total) as advance:
        await runs.measure(
            client,
            questions,
            arms,
            sheet,
            samples=options.samples,
            at_once=options.at_once,
            advance=advance,
        )
    tasks = runs.tasks_of(questions, arms, sheet.rows())
    hint("learning and tuning, leaving out each part of the questions in turn")
    policies = await asyncio.to_thread(runs.policies, tasks, arms, keep=options.keep)
    followed = runs.Sheet(out.with_suffix(".policy.csv"), runs.POLICY_FIELDS)
    with progress("policy", len(questions)) as advance:
        await runs.follow(
            client, questions, arms, policies, followed, at_once=options.at_once, advance=advance
        )
    wanted = {question.task for question in questions}
    with out.open(newline="", encoding="utf-8") as file:
        rows = [row for row in read_rows(file) if row.task in wanted]
    table = tabulate([row for row in rows if row.arm in {arm.name for arm in arms}])
    hint(f"written: {out} and {followed.path}")
    return beside(table, [row for row in followed.rows() if row["task"] in wanted], options.seed)


def chosen_arms(arms: Arms, wanted: str | None) -> Arms:
    """The arms named in `wanted`; a number stands for an arm with that budget.

    Raises `StartupError`. None: all arms.
    """
    from ponderd.workers.agents.arms import Arm, find

    if wanted is None:
        return arms
    found = []
    for name in (part.strip() for part in wanted.split(",")):
        arm = find(arms, name)
        if arm is None and name.isdecimal() and int(name) > 0:
            arm = Arm(name, "short", int(name))
        if arm is None:
            known = ", ".join(each.name for each in arms)
            raise StartupError(f"--arms: no arm {name!r}; known: {known}, or a number", exit_code=2)
        found.append(arm)
    if len(found) > len({arm.name for arm in found}):
        raise StartupError("--arms: an arm is listed twice", exit_code=2)
    if len(found) < 2 or found[0].thinks:
        raise StartupError("--arms: begin with none, and add at least one more", exit_code=2)
    return tuple(found)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    return {
        name: {
            "accuracy": summary.accuracy,
            "tokens": summary.tokens,
            "think_rate": summary.think_rate,
            "ci": list(summary.ci),
        }
        for name, summary in evaluation.summaries().items()
    }


def print_table(evaluation: Evaluation) -> None:
    rows = [
        (
            name,
            f"{summary.accuracy:.3f}",
            f"[{summary.ci[0]:.3f}, {summary.ci[1]:.3f}]",
            f"{summary.tokens:.1f}",
            f"{summary.think_rate:.1%}",
        )
        for name, summary in evaluation.summaries().items()
    ]
    print_columns(("policy", "accuracy", "95 %", "tokens", "T"), rows)
    print()
    for other in evaluation.results:
        if other != "policy":
            gain, low, high = evaluation.difference("policy", other)
            say(f"policy - {other:<14} {gain:+.3f} [{low:+.3f}, {high:+.3f}]")
    if evaluation.front:
        print()
        say("The policy at each lambda (reward per 1,000 tokens):")
        front = []
        for price, result in evaluation.front.items():
            gain, low, high = evaluation.above_random(price)
            front.append(
                (
                    f"{price:.4g}",
                    f"{result.accuracy:.3f}",
                    f"{result.mean_tokens:.1f}",
                    f"{result.thought.mean():.1%}",
                    f"{gain:+.3f} [{low:+.3f}, {high:+.3f}]",
                )
            )
        print_columns(("lambda", "accuracy", "tokens", "T", "above random at that T"), front)


def draw(path: Path, evaluation: Evaluation) -> None:
    from ponderd.workers.evaluation.plot import Mark, draw_front

    marks = {
        name: Mark(summary.tokens, summary.accuracy, *summary.ci)
        for name, summary in evaluation.summaries().items()
    }
    front = [(result.mean_tokens, result.accuracy) for result in evaluation.front.values()]
    draw_front(path, front, marks, title="Accuracy over tokens", quality="accuracy")
