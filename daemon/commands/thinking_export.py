"""`ponderd thinking export`: runs as training rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ponderd.channels.errors import NotFound
from ponderd.daemon.commands.api_client import Api
from ponderd.daemon.commands.terminal import emit_json, hint, progress

if TYPE_CHECKING:
    from ponderd.workers.evaluation.from_ledger.export import Answered, Format
    from ponderd.workers.thinking.ledger import Episode


def export(api: Api, episodes: Sequence[Episode], form: Format) -> int:
    """Write the rows to stdout. Returns how many. Runs that no longer exist are skipped."""
    from ponderd.workers.evaluation.from_ledger.export import reference_rewards, rows

    references = reference_rewards(episodes)
    count, gone = 0, 0
    with progress("runs", len(episodes)) as advance:
        for episode in episodes:
            try:
                answers, prompts = _of(api, episode)
            except NotFound:
                gone += 1
            else:
                for row in rows(episode, answers, prompts, form, references):
                    emit_json(row)
                    count += 1
            advance()
    if gone:
        hint(f"{gone} messages belong to runs that no longer exist")
    return count


def _of(api: Api, episode: Episode) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answer and the request of each model call of an episode, by the id of the call."""
    from ponderd.channels.event_ref import EventRef
    from ponderd.workers.run.events import ModelAnswered, ModelRejected, decode

    refs = {call.id: ref for call in episode.calls if (ref := EventRef.parse(call.id))}
    run_id = refs[episode.first.id].run_id
    by_version = {event["version"]: event for event in api.events(run_id)}
    answers: dict[str, Answered] = {}
    prompts: dict[str, list[dict[str, Any]]] = {}
    for call in episode.calls:
        version = refs[call.id].version
        event = by_version.get(version)
        if event is None or event["type"] not in ("model_answered", "model_rejected"):
            continue
        plain = {name: value for name, value in event.items() if name != "version"}
        answer = decode(json.dumps(plain))
        assert isinstance(answer, ModelAnswered | ModelRejected)
        answers[call.id] = answer
        prompts[call.id] = json.loads(api.prompt(run_id, version).body)["messages"]
    return answers, prompts
