"""`ponderd runs replay`: repeat the model calls of a run with another model or another prompt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, assert_never

import typer

from ponderd.channels.errors import NotFound, PonderdError, StartupError
from ponderd.channels.text import one_line
from ponderd.daemon.commands.runs import RunId, connect
from ponderd.daemon.commands.terminal import Json, coloured, emit_json, hint, progress

if TYPE_CHECKING:
    from ponderd.workers.agents.actions import Rejected
    from ponderd.workers.agents.agent import Agent
    from ponderd.workers.control.replay import Replayed
    from ponderd.workers.run.choices import Choice
    from ponderd.workers.run.events import Event
    from ponderd.workers.settings import WorkerSettings

CALLS = ("model_answered", "model_rejected", "model_doubted")


def replay(
    run_id: RunId,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Ask this model.")] = None,
    model_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask the model on this server.")
    ] = None,
    agent: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Use the prompt and examples of this agent.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Repeat the model calls of a run, and compare the answers.

    Nothing else happens: no tool is called, nobody gets a message. With --json: one call per line.
    """
    from ponderd.daemon import configuration
    from ponderd.workers.agents.discovery import discover, load

    given = {"model": model, "model_url": model_url}
    settings = configuration.load(**{k: v for k, v in given.items() if v is not None}).workers
    if settings.model_url is None:
        raise StartupError(
            "no model server: give --model-url, or set PONDERD_MODEL_URL", exit_code=2
        )
    api = connect()
    view, events = api.show(run_id), _decoded(api.events(run_id))
    agents = discover(settings.agent_folders, settings.config_file)
    today = load(agent) if agent else agents.get(view["agent"])
    if today is None:
        raise NotFound(f"this machine has no agent {view['agent']}: give --agent FILE")
    asyncio.run(_replay(events, today, settings, as_json))


async def _replay(
    events: Sequence[Event], agent: Agent, settings: WorkerSettings, as_json: bool
) -> None:
    from ponderd.workers.agents.config import load_family
    from ponderd.workers.control.replay import replay as replayed
    from ponderd.workers.llm.connect import connect as connect_model

    model = connect_model(settings, load_family(settings.config_file))
    done: list[Replayed] = []
    try:
        with progress("calls", sum(e.type in CALLS for e in events)) as advance:
            async for call in replayed(events, agent, model):
                done.append(call)
                advance()
                if as_json:
                    emit_json(_as_json(call))
                else:
                    print(_line(call), flush=True)
    finally:
        await model.close()
    if not as_json:
        same = sum(call.same for call in done)
        before = sum(call.before.completion_tokens for call in done)
        now = sum(call.call.completion_tokens for call in done)
        hint(f"{same} of {len(done)} the same; tokens written: {before:,} then, {now:,} now")


def _decoded(log: list[dict[str, Any]]) -> list[Event]:
    from pydantic import ValidationError

    from ponderd.workers.run.events import decode

    try:
        return [
            decode(json.dumps({name: value for name, value in event.items() if name != "version"}))
            for event in log
        ]
    except ValidationError:
        raise PonderdError("the daemon is newer than this command: update ponderd here") from None


def _line(call: Replayed) -> str:
    verdict = coloured("same ", "green") if call.same else coloured("other", "yellow")
    tokens = f"{call.before.completion_tokens:>6} {call.call.completion_tokens:>6}"
    then = one_line(_shown(call.recorded), 80)
    now = "" if call.same else f"  ->  {one_line(_shown(call.now), 80)}"
    return f"{call.version:>4}  {verdict}  {tokens}  {then}{now}"


def _shown(choice: Choice | Rejected) -> str:
    from ponderd.workers.agents.actions import Rejected
    from ponderd.workers.run.choices import Answer, Question, ToolCall

    match choice:
        case ToolCall(tool=tool, arguments=arguments):
            return f"{tool} {json.dumps(arguments, ensure_ascii=False)}"
        case Answer(text=text):
            return f"answer: {text}"
        case Question(text=text):
            return f"question: {text}"
        case Rejected(reason=reason, detail=detail):
            return f"{reason}: {detail}"
        case _:
            assert_never(choice)


def _as_json(call: Replayed) -> dict[str, Any]:
    from ponderd.workers.agents.actions import Rejected

    def choice(found: Choice | Rejected) -> dict[str, Any]:
        if isinstance(found, Rejected):
            return {"action": "rejected", **found._asdict()}
        return found.model_dump(mode="json")

    return {
        "version": call.version,
        "same": call.same,
        "recorded": choice(call.recorded),
        "now": choice(call.now),
        "recorded_call": call.before.model_dump(mode="json"),
        "call": call.call.model_dump(mode="json"),
    }
