"""The runs that asked something in a place where one person writes, such as direct messages.

An answer there names no question. So whoever receives it looks which of these runs still ask.
"""

from __future__ import annotations

from ponderd.workers.store.contract import RECEIPT_TTL, RunStore

KEPT = 20
"""The newest runs that are remembered of one place."""

_TRIES = 10


async def add_asking(store: RunStore, place: str, run_id: str) -> None:
    """Remember that `run_id` asked something there. Raises Unavailable."""
    for _ in range(_TRIES):
        kept = await store.recall(_key(place))
        runs = [each for each in (kept or "").split() if each != run_id]
        if await store.swap(_key(place), kept, " ".join([*runs, run_id][-KEPT:]), RECEIPT_TTL):
            return


async def asking(store: RunStore, place: str) -> list[str]:
    """The runs that asked something there, the newest last. They may have their answer by now.
    Raises Unavailable."""
    return (await store.recall(_key(place)) or "").split()


async def note_asked(store: RunStore, run_id: str, inquiry: str, ts: str) -> None:
    """Remember the ts with which the run's newest question stands in Slack. A reminder of it
    changes nothing. Raises Unavailable."""
    key = f"asked:slack:{run_id}"
    if not (await store.recall(key) or "").startswith(f"{inquiry} "):
        await store.overwrite(key, f"{inquiry} {ts}", RECEIPT_TTL)


async def asked_ts(store: RunStore, run_id: str) -> str:
    """What `note_asked` remembers, or "". Raises Unavailable."""
    return (await store.recall(f"asked:slack:{run_id}") or "").rpartition(" ")[2]


def _key(place: str) -> str:
    return f"asking:{place}"
