"""`ponderd thinking …`: see what thinking has brought, and set how hard to think."""

from __future__ import annotations

import importlib.util
import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ponderd.channels.errors import MissingExtra, PonderdError
from ponderd.daemon.commands.runs import connect
from ponderd.daemon.commands.terminal import Json, emit_json, hint, say

if TYPE_CHECKING:
    from ponderd.daemon.commands.api_client import Api
    from ponderd.workers.agents.arms import Arms
    from ponderd.workers.thinking.ledger import Episode

app = typer.Typer(
    help="See what thinking has brought, and set how hard to think.", no_args_is_help=True
)

AgentOption = Annotated[str | None, typer.Option(help="Only the calls of this agent.")]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only newer calls: 90m, 24h, 7d, or a date (UTC)."),
]


def _drawable(path: Path | None) -> Path | None:
    """Raises `MissingExtra` before the work begins, which may take an hour on a live model."""
    if path is not None and importlib.util.find_spec("matplotlib") is None:
        raise MissingExtra("matplotlib to draw with", "plot", "leave out --plot")
    return path


Plot = Annotated[
    Path | None,
    typer.Option(metavar="FILE.png", help="Also draw the Pareto front.", callback=_drawable),
]


@app.command(epilog="Example: ponderd thinking report --agent assistant --since 7d")
def report(
    agent: AgentOption = None, since: Since = None, plot: Plot = None, as_json: Json = False
) -> None:
    """Show what thinking has brought: how often, how good, at what price.

    Quality is the mean reward, from approvals, edits, denials, repeated questions, tool errors,
    thumbs and judges. The results of other policies are estimated (doubly robust).
    """
    from ponderd.daemon.commands.thinking_pages import draw_report, print_report
    from ponderd.workers.evaluation.from_ledger import report as reports

    episodes, arms = _episodes(agent, since)
    found = reports.report(episodes, arms, _price(connect()))
    if plot is not None:
        draw_report(plot, found)
    if as_json:
        emit_json(found.model_dump(mode="json"))
    else:
        print_report(found)


@app.command(epilog="Example: ponderd thinking tune --keep-quality 1")
def tune(
    budget: Annotated[
        float | None, typer.Option(min=1, metavar="TOKENS", help="Mean tokens per message.")
    ] = None,
    keep_quality: Annotated[
        float | None,
        typer.Option(
            min=0, max=100, metavar="POINTS", help="Percentage points of quality to give up."
        ),
    ] = None,
    automatic: Annotated[
        bool, typer.Option("--automatic", help="Back to the default for the model.")
    ] = False,
    agent: AgentOption = None,
    since: Since = None,
    yes: Annotated[bool, typer.Option("--yes", help="Apply without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Choose how much a token is worth (lambda), show the difference, and apply it.

    --budget: the best quality within that many tokens. --keep-quality (the default, with 1 point):
    the fewest tokens with a quality at most that far below the best. The choice applies to all
    agents, even if it is based on the calls of one.
    """
    _finite(budget, keep_quality)
    if budget is not None and keep_quality is not None:
        raise typer.BadParameter("give --budget or --keep-quality, not both")
    if automatic and (budget is not None or keep_quality is not None):
        raise typer.BadParameter("--automatic takes neither --budget nor --keep-quality")
    from ponderd.daemon.commands.thinking_pages import print_change
    from ponderd.workers.evaluation.from_ledger.tuning import choose

    api = connect()
    if automatic:
        change = None
    else:
        keep = 1.0 if keep_quality is None else keep_quality
        episodes, arms = _episodes(agent, since)
        change = choose(episodes, arms, _price(api), budget=budget, keep=keep / 100)
        if not as_json:
            print_change(change)
    if not yes:
        if as_json:
            emit_json({"applied": False, "change": change and change.model_dump(mode="json")})
            return
        if not typer.confirm("Apply it?", default=False, err=True):
            raise typer.Exit(1)
    tuned = api.tune_thinking(change.after.price if change else None)
    if as_json:
        emit_json({"applied": True, "change": change and change.model_dump(mode="json"), **tuned})
    else:
        say("Applied. The workers adopt it within seconds.")


@app.command(epilog="Example: ponderd thinking reset --agent assistant")
def reset(
    agent: Annotated[str | None, typer.Option(help="Forget only this agent.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Forget what was learned. Fixed rules decide until there is something new."""
    if not yes and not typer.confirm("Forget what was learned?", default=False, err=True):
        raise typer.Exit(1)
    tuned = connect().forget_thinking(agent)
    if as_json:
        emit_json(tuned)
    else:
        say("Forgotten. The runs keep their logs.")


@app.command(epilog="Example: ponderd thinking evaluate outcomes.csv --verifier none --seed 1")
def evaluate(
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="TABLE.csv", help="task,set,arm,sample,passed,tokens, and features."
        ),
    ] = None,
    live: Annotated[
        Path | None,
        typer.Option(metavar="SET.jsonl", help="Ask the configured model these questions."),
    ] = None,
    verifier: Annotated[
        Literal["none", "margin", "oracle"],
        typer.Option(help="What may doubt a cheap answer; margin needs a column margin."),
    ] = "none",
    seed: Annotated[int, typer.Option(min=0, help="For the folds and the intervals.")] = 0,
    budget: Annotated[
        float | None, typer.Option(min=0, metavar="TOKENS", help="Mean tokens per task.")
    ] = None,
    keep_quality: Annotated[
        float | None,
        typer.Option(
            min=0, max=100, metavar="POINTS", help="Most points below the best fixed arm."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Table that --live writes or continues.")
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(help="With --live, comma-separated: none, short, long, or token budgets."),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="With --live: tries per question.")] = 1,
    at_once: Annotated[int, typer.Option(min=1, help="With --live: questions at a time.")] = 2,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Compare a policy with fixed arms, chance, the best arm per kind of task, and an oracle.

    With a TABLE.csv of outcomes, the row `policy` is an offline learner, cross-validated by task.
    It is not the workers' policy: --live measures that one, on a running model, and writes such
    a table. --json: policy name -> accuracy, tokens, think_rate, ci.
    """
    from ponderd.daemon.commands import thinking_evaluate as commands
    from ponderd.workers.evaluation.from_table.evaluate import Goal

    if (table is None) == (live is None):
        raise typer.BadParameter("give a TABLE.csv, or --live SET.jsonl")
    if live is not None and (verifier != "none" or budget is not None):
        raise typer.BadParameter("--verifier and --budget are for a TABLE.csv")
    if table is not None and (out is not None or arms is not None or samples > 1):
        raise typer.BadParameter("--out, --arms and --samples are for --live")
    if budget is not None and keep_quality is not None:
        raise typer.BadParameter("give --budget or --keep-quality, not both")
    _finite(budget, keep_quality)
    keep = None if keep_quality is None else keep_quality / 100
    goal = Goal(keep=keep, budget=budget)
    if table is not None:
        found = commands.offline(table, verifier, seed, goal)
    else:
        assert live is not None
        found = commands.live(
            live,
            out or Path(f"thinking-{live.stem}.csv"),
            commands.LiveOptions(arms, samples, at_once, keep or 0.0, seed),
        )
    if plot is not None:
        commands.draw(plot, found)
    if as_json:
        emit_json(commands.as_json(found))
    else:
        commands.print_table(found)


@app.command(epilog="Example: ponderd thinking export --format sft --since 30d > rows.jsonl")
def export(
    form: Annotated[
        Literal["sft", "rl"], typer.Option("--format", help="Examples, or answers with rewards.")
    ],
    agent: AgentOption = None,
    since: Since = None,
    as_json: Json = False,
) -> None:
    """Write runs as training data: one JSON object per line, with or without --json.

    sft: conversations in AdaCoT's form, with an empty think block if no thought was needed.
    rl: answers with AdaCoT's reward and AdaptThink's advantage (the functions for TRL and verl are
    in ponderd.workers.thinking.rewards).
    """
    from ponderd.daemon.commands.thinking_export import export as write

    episodes, _ = _episodes(agent, since)
    count = write(connect(), episodes, form)
    hint(f"{count} rows")


def _episodes(agent: str | None, since: str | None) -> tuple[list[Episode], Arms]:
    """The episodes to look at, and the arms that all agents together have used.

    Raises `PonderdError` if there is no episode.
    """
    import json

    from ponderd.workers.evaluation.from_ledger.report import arms_of
    from ponderd.workers.thinking.ledger import Ledger

    now = time.time()
    begin = 0.0 if since is None else moment(since, now)
    api = connect()
    everything: list[Episode] = []
    for name in api.thinking()["agents"]:
        ledger = Ledger()
        ledger.read((str(k), json.dumps(entry)) for k, entry in enumerate(api.ledger(name)))
        everything += ledger.episodes(now)
    chosen = [
        episode
        for episode in sorted(everything, key=lambda episode: episode.first.at)
        if episode.first.at >= begin and agent in (None, episode.first.agent)
    ]
    if not chosen:
        of = f" of {agent}" if agent else ""
        raise PonderdError(f"the ledger has no model calls{of} in that time")
    return chosen, arms_of(everything)


def _price(api: Api) -> float | None:
    """The workers' current lambda. None if no worker has reported one yet."""
    found = api.thinking()
    price: float | None = found["usual"] if found["price"] is None else found["price"]
    return price


def _finite(*values: float | None) -> None:
    if not all(value is None or math.isfinite(value) for value in values):
        raise typer.BadParameter("infinity and nan are not accepted")


def moment(text: str, now: float) -> float:
    """Unix seconds of `text`, such as "7d" (before now) or a date. Raises `typer.BadParameter`."""
    from pydantic import TypeAdapter, ValidationError

    from ponderd.workers.agents.policies import Seconds

    if not (text.isdecimal() and len(text) == len("20261101")):  # a date, not a number of seconds
        try:
            return now - TypeAdapter(Seconds).validate_python(text)
        except ValidationError:
            pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"--since {text}: write 90m, 24h, 7d, or a date such as 2026-11-01"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
