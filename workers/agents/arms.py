"""What a model call can be given: no thought, a short or a long one, or another model. Pure.

Qwen3's hard switch and budget make three arms of one model; a family of models that were trained
to think short, long or both ways (OctoThinker) adds members, each asked in a mode of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ponderd.workers.run.model_call import ThinkingMode


@dataclass(frozen=True, slots=True)
class Arm:
    """`budget` is in tokens of thinking. `model` and `url` are another member of the family, where
    they are set; `url` is its server, ending in /v1, and `api_key_env` the environment variable
    that holds the key for it."""

    name: str
    mode: ThinkingMode
    budget: int
    model: str | None = None
    url: str | None = None
    api_key_env: str = ""

    @property
    def thinks(self) -> bool:
        return self.mode != "none"


Arms = tuple[Arm, ...]
"""From the least effort to the most: whoever escalates goes to the next one."""


def own_arms(short: int, long: int) -> Arms:
    """The three of a model that can think and can leave it."""
    return Arm("none", "none", 0), Arm("short", "short", short), Arm("long", "long", long)


def with_family(arms: Arms, members: Arms) -> Arms:
    """A member that is called like an arm takes its place. The others come after them, in order;
    but who is the same model at another budget stands where that budget does."""
    named = {member.name: member for member in members}
    kept = tuple(named.pop(arm.name, arm) for arm in arms)
    own = [arm for arm in named.values() if not (arm.model or arm.url)]
    others = [arm for arm in named.values() if arm.model or arm.url]
    return (*sorted((*kept, *own), key=lambda arm: arm.budget), *others)


def find(arms: Arms, name: str) -> Arm | None:
    return next((arm for arm in arms if arm.name == name), None)


def above(arms: Arms, name: str) -> Arm | None:
    """The next stronger one; None: there is none, or `name` is not among them."""
    names = [arm.name for arm in arms]
    place = names.index(name) + 1 if name in names else len(arms)
    return arms[place] if place < len(arms) else None


def below(arms: Arms, name: str) -> Arm | None:
    names = [arm.name for arm in arms]
    place = names.index(name) if name in names else 0
    return arms[place - 1] if place else None


def bounded(arms: Arms, *, least: int, greatest: int) -> Arms:
    """The arms with their budgets brought within bounds.

    With `least` above 0 there is none that does not think. An arm whose bounded budget buys no
    more than a weaker arm of the same model is left out; at least one arm stays.
    """
    found: list[Arm] = []
    for arm in arms:
        if not arm.thinks:
            if least == 0 or greatest < LEAST_THOUGHT:
                found.append(arm)
            continue
        budget = min(max(arm.budget, least), greatest)
        same = [other for other in found if _kind(other) == _kind(arm)]
        if budget >= LEAST_THOUGHT and all(budget > other.budget for other in same):
            found.append(replace(arm, budget=budget))
    return tuple(found) or (Arm("none", "none", 0),)


LEAST_THOUGHT = 16
"""Tokens: a shorter thought only costs (64 tokens bought nothing on the embedded model)."""


def _kind(arm: Arm) -> tuple[str | None, str | None, bool]:
    return arm.model, arm.url, arm.thinks
