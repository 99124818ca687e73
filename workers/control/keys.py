"""One key, one message: whoever comes with the key of another message is told so."""

from __future__ import annotations

import asyncio

from ponderd.channels.errors import Conflict
from ponderd.workers.store.contract import TRIGGER_TTL, NewMessage, RunStore
from ponderd.workers.store.run_ids import shard_of

PATIENCE = 2.0
"""Seconds that a message which is being stored may take, before another one gets its key."""
_LOOK = 0.05


async def bind_keys(store: RunStore, message: NewMessage) -> None:
    """Bind the keys of a message to it, before it is admitted. Raises `Conflict` if one of them
    belongs to another message, `Unavailable`.

    The store itself refuses that within a shard, together with the admission. But another
    conversation, or another agent, may be in another shard. So who has a key is written down first,
    where all look. A key is used up only by what is stored: where the one who has it is not, after
    a moment the next may have it.
    """
    if message.digest:
        for key in message.keys:
            await _bind(store, message, key)


async def _bind(store: RunStore, message: NewMessage, key: str) -> None:
    bound, mine = f"bound:{key}", f"{message.digest} {message.run_id}"
    kept = await store.remember(bound, mine, TRIGGER_TTL)
    looks = round(PATIENCE / _LOOK)
    while True:
        digest, _, run_id = kept.partition(" ")
        if digest == message.digest or shard_of(run_id) == shard_of(message.run_id):
            return
        if await store.knows(key, run_id):
            raise used_before()
        if looks > 0:
            looks -= 1
            await asyncio.sleep(_LOOK)
        elif await store.swap(bound, kept, mine, TRIGGER_TTL):
            return
        kept = await store.remember(bound, mine, TRIGGER_TTL)


def used_before() -> Conflict:
    return Conflict(
        "this key (webhook-id, Idempotency-Key, Message-ID or the like) came before with another "
        "message; what it stands for cannot change"
    )
