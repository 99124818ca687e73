"""A memory that is bounded in size and in time."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class KeptFor(Generic[Value]):
    """Values by key, kept for so many seconds. Where there are more than `limit`, the oldest go."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._kept: dict[Hashable, tuple[float, Value]] = {}

    def put(self, key: Hashable, value: Value, seconds: float | None = None) -> None:
        """Keep `value`, for `seconds` instead of the usual time if they are given."""
        self._kept.pop(key, None)
        while len(self._kept) >= self._limit:
            del self._kept[next(iter(self._kept))]
        until = time.monotonic() + (self._seconds if seconds is None else seconds)
        self._kept[key] = (until, value)

    def get(self, key: Hashable) -> Value | None:
        """None: it is not known, or not any more."""
        until, value = self._kept.get(key, (0.0, None))
        return value if until > time.monotonic() else None
