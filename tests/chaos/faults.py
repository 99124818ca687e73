"""Which faults strike: drawn from the seed, counted when they hit something."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Generic, TypeVar

from tests.services.model_server import Fault, Line

T = TypeVar("T")

TROUBLE: Mapping[str, Sequence[str]] = {
    "slack": ("429", "lose_response", "drop", "internal_error"),
    "callback": ("503", "lose_response", "drop", "hang"),
    "mail": ("451", "lose_response", "drop"),
}
"""What can happen to a delivery: refused for now, taken but its answer lost, or lost itself."""

MODEL: Mapping[Line, int] = {
    Fault.HANG: 1,
    Fault.BREAK_OFF: 3,
    Fault.GARBAGE: 3,
    Fault.ERROR_500: 3,
    Fault.BUSY_429: 3,
    Fault.EMPTY: 2,
    Fault.PROSE: 2,
    '{"action": "fly"}': 1,
}

DELIVERY_TROUBLE = 0.2
"""Share of deliveries that something happens to."""
MODEL_TROUBLE = 0.1
"""Share of model requests that are answered badly."""
TRIES = 2
"""How often one delivery may go wrong: after the third time ponderd waits for a minute."""


class Faults:
    """`over` is set when as many have struck as were `wanted`, and when time is up."""

    def __init__(self, seed: int, wanted: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.wanted = wanted
        self.counts: Counter[str] = Counter()
        self.boundaries: Counter[str] = Counter()
        self.over = asyncio.Event()
        self._troubled: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return self.counts.total()

    def struck(self, kind: str, boundary: str = "") -> None:
        self.counts[kind] += 1
        if boundary:
            self.boundaries[boundary] += 1
        if self.total >= self.wanted:
            self.over.set()

    def happens(self, share: float) -> bool:
        return not self.over.is_set() and self.random.random() < share

    def of_delivery(self, channel: str, key: str) -> str:
        """What happens to a delivery; empty: nothing."""
        if self._troubled[key] >= TRIES or not self.happens(DELIVERY_TROUBLE):
            return ""
        self._troubled[key] += 1
        trouble = self.random.choice(TROUBLE[channel])
        self.struck(f"{channel}.{trouble}")
        return trouble

    def of_model(self) -> Line | None:
        if not self.happens(MODEL_TROUBLE):
            return None
        [fault] = self.random.choices(list(MODEL), list(MODEL.values()))
        name = fault.name.lower() if isinstance(fault, Fault) else "unknown_action"
        self.struck(f"model.{name}")
        return fault


class Tour(Generic[T]):
    """Goes through all there is in turn, in an order of the seed's, again and again."""

    def __init__(self, chance: random.Random) -> None:
        self._random = chance
        self._done: set[T] = set()

    def next(self, all: Collection[T]) -> T:
        """`all` must not be empty; what is new in it comes into the round that is on."""
        left = [item for item in all if item not in self._done]
        if not left:
            self._done.clear()
            left = list(all)
        chosen = self._random.choice(left)
        self._done.add(chosen)
        return chosen
