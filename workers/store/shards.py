"""The hash tags over which all that belongs to runs is spread. Pure.

A Redis Cluster puts keys with the same tag on one node, so one script may touch them all. There are
two layouts ([decision 037](../../docs/decisions/037-shards-lie-evenly.md)):

- `old`: shards 0 to 15, whose tags fall where their CRC says.
- `even`: shards 16 to 63. Each tag has a salt that puts it into the middle of its own 48th of all
  slots, so nodes that have equal ranges have equally many, be they 2, 3, 4, 6, 8, 12, 16, 24 or 48.

A store that was begun in the old layout moves to the other one when its operator says so.
"""

from __future__ import annotations

import binascii
from functools import lru_cache
from itertools import count

OLD_SHARDS = 16
"""What was one of them is now spread over three of the others, whose numbers are the same modulo
16."""

EVEN_SHARDS = 48

SHARDS = OLD_SHARDS + EVEN_SHARDS
"""All that there can be. The number is a part of every run id, so none can ever change."""

SLOTS = 16384
"""Of a Redis Cluster."""


def shard_of_name(name: str, *, old: bool = False) -> int:
    """The shard of a conversation, or of whatever else has a name, in one of the layouts."""
    number = binascii.crc32(name.encode("utf-8", "replace"))
    return number % OLD_SHARDS if old else OLD_SHARDS + number % EVEN_SHARDS


def old_shard(shard: int) -> int:
    """Where in the old layout stood what is now in this shard."""
    return shard % OLD_SHARDS


def family(shard: int) -> list[int]:
    """All shards where something may be that is, or was, in one of them."""
    return list(range(old_shard(shard), SHARDS, OLD_SHARDS))


@lru_cache(maxsize=8)
def prefixes(namespace: str) -> tuple[str, ...]:
    """What the keys of each shard begin with, in the order of their numbers: `{ponderd:0c}`, or
    with a salt `{ponderd:2a.4f}`."""
    old = [f"{namespace}:{shard:02x}" for shard in range(OLD_SHARDS)]
    even = [_salted(namespace, number) for number in range(EVEN_SHARDS)]
    return tuple(f"{{{tag}}}" for tag in (*old, *even))


def slot_of(tag: str) -> int:
    """The slot of keys with this hash tag."""
    return binascii.crc_hqx(tag.encode("utf-8", "replace"), 0) % SLOTS


def _salted(namespace: str, number: int) -> str:
    """The first tag of this shard whose slot is in the middle half of its part of all slots."""
    beginning = f"{namespace}:{OLD_SHARDS + number:02x}."
    low, high = ((4 * number + quarter) * SLOTS // (4 * EVEN_SHARDS) for quarter in (1, 3))
    tags = (f"{beginning}{salt:x}" for salt in count())
    return next(tag for tag in tags if low <= slot_of(tag) < high)
