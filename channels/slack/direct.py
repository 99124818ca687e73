"""To which conversation a direct message at top level belongs."""

from __future__ import annotations

from ponderd.channels.slack.conversation import Current
from ponderd.channels.slack.memory import KnownRun, SlackMemory


async def others_asking(memory: SlackMemory, direct: str, own: str, sender: str) -> list[KnownRun]:
    """The runs whose open question in these direct messages `own` answers. Empty: it belongs to the
    conversation that goes on there. More than one: which is meant is not clear.
    Raises Unavailable."""
    asked = await memory.asking_in(direct)
    if not asked:
        return []
    current = Current.decode(await memory.current(direct))
    run = await memory.run_at(current.name) if current else None
    is_verdict = memory.about(own, sender) == "verdict"
    # Whoever spoke of something else since then goes on with that.
    since = current.heard_at if current and not is_verdict else 0.0
    others = [each for each in asked if each.asks_since >= since and not _same(each, run)]
    if not others:
        return []
    asking = [*others, *([run] if run and run.asks else [])]
    answered = [each for each in asking if each.asks == "answer" or is_verdict]
    return [] if answered == [run] else answered


def _same(run: KnownRun, other: KnownRun | None) -> bool:
    return other is not None and run.id == other.id


async def conversation_at(
    memory: SlackMemory, direct: str, ts: str, anew: bool, silence: float
) -> tuple[str, str | None]:
    """The conversation that goes on when the message `ts` comes, or the one that it begins, and its
    run. `silence`: seconds after which another begins. Raises Unavailable."""
    at = float(ts)
    while True:
        kept = await memory.current(direct)
        current = Current.decode(kept)
        run = await memory.run_at(current.name) if current else None
        busy_until = run.busy_until if run else None
        goes_on = current and not anew and current.goes_on(at, silence, busy_until)
        name = current.name if current and goes_on else f"{direct}:{ts}"
        heard_at = max(at, current.heard_at) if current and goes_on else at
        if await memory.move(direct, kept, Current(name, heard_at).encode()):
            return name, run.id if run and goes_on else None
