"""Ids of runs. Each names the shard that holds all keys of its conversation."""

from __future__ import annotations

import binascii
import secrets
import time

SHARDS = 16
"""Number of hash tags over which keys are spread. Part of every run id, so it can never change."""


def new_run_id(conversation_key: str) -> str:
    """A new run id from shard (two hex digits), time and random digits: `0c-mha1v2k8-9f3c1a2b7d`.

    All keys of a conversation are in one shard, so that one script may touch them all.
    """
    shard = binascii.crc32(conversation_key.encode("utf-8", "replace")) % SHARDS
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
