"""Ids of runs. Each names the shard that holds all keys of its conversation."""

from __future__ import annotations

import secrets
import time

from ponderd.workers.store.shards import SHARDS, shard_of_name


def new_run_id(name: str, *, old: bool = False) -> str:
    """A new run id from shard (two hex digits), time and random digits: `2c-mha1v2k8-9f3c1a2b7d`.

    `name` is the key of its conversation: all keys of that are in one shard, so that one script may
    touch them all. `old`: in the old layout. Who launches a run asks the store for an id.
    """
    shard = shard_of_name(name, old=old)
    return f"{shard:02x}-{_base36(int(time.time()))}-{secrets.token_hex(6)}"


def shard_of(run_id: str) -> int:
    """The shard of a run. Raises ValueError if `run_id` cannot be a run id."""
    shard = int(run_id[:2], 16)
    if not 0 <= shard < SHARDS or run_id[2:3] != "-":
        raise ValueError(f"{run_id!r} is not a run id")
    return shard


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"
