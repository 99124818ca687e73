"""The ledger of model calls: what was decided, what it cost, what came of it. Pure.

Each agent has one, an append-only stream in the store, of bounded length, shared by all workers;
whoever reads all of it believes the same. No entry holds anything that somebody wrote. An outcome
comes later than its call, perhaps twice: it is known by its call and source, so that repeating it
changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from ponderd.channels.event_ref import EventRef
from ponderd.channels.message import Frozen
from ponderd.workers.run.model_call import ThinkingMode
from ponderd.workers.thinking.beliefs import Answered, Episode
from ponderd.workers.thinking.rewards import QUIET_SECONDS, REWARDS, SAID, SOURCES, RewardSource


class CallEntry(Frozen):
    """One model call. `id` is the `EventRef` of its outcome, as text; `episode` the id of the
    first call for the same message, with which the decision was made. `agrees`: it says the same
    as the doubted draft before it."""

    type: Literal["call"] = "call"
    id: str
    episode: str
    at: float
    agent: str
    kind: str
    conversation: str
    model: str = ""
    channel: str = ""
    arm: str
    mode: ThinkingMode
    budget: int
    reason: str
    probability: float
    policy: str = ""
    allowed: tuple[str, ...] = ()
    features: dict[str, float] = Field(default_factory=dict)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    seconds: float = 0
    margin: float | None = None
    verdict: Literal["ok", "rejected", "doubted"] = "ok"
    why: str = ""
    agrees: bool | None = None


class OutcomeEntry(Frozen):
    type: Literal["outcome"] = "outcome"
    call: str
    at: float
    source: RewardSource
    reward: float = Field(ge=0, le=1)


class ResetEntry(Frozen):
    """What came before is forgotten. An entry like others, so that all forget the same."""

    type: Literal["reset"] = "reset"
    at: float


Entry = Annotated[CallEntry | OutcomeEntry | ResetEntry, Field(discriminator="type")]

_codec: TypeAdapter[Entry] = TypeAdapter(Entry)


def encode(entry: Entry) -> bytes:
    return entry.model_dump_json(exclude_defaults=True, exclude={"type"})[:-1].encode() + (
        f',"type":"{entry.type}"}}'.encode()
    )


def decode(data: bytes | str) -> Entry | None:
    """None for what only a newer version of ponderd knows."""
    try:
        return _codec.validate_json(data)
    except ValidationError:
        return None


class Verdict(NamedTuple):
    reward: float
    weight: float
    source: RewardSource


class Told(NamedTuple):
    """One episode: its calls in order of time, and what came of it, if anybody knows."""

    calls: tuple[CallEntry, ...]
    verdict: Verdict | None

    @property
    def first(self) -> CallEntry:
        return self.calls[0]

    @property
    def tokens(self) -> int:
        return sum(call.completion_tokens for call in self.calls)

    @property
    def seconds(self) -> float:
        return sum(call.seconds for call in self.calls)

    @property
    def escalated(self) -> bool:
        return any(call.verdict != "ok" for call in self.calls[:-1])


class Ledger:
    """What was read of one ledger: its last `length` entries, as everybody else has them.
    `position` is the id of the newest."""

    def __init__(self, length: int | None = None) -> None:
        self.position = ""
        self._entries: deque[CallEntry | OutcomeEntry | None] = deque(maxlen=length)

    def __len__(self) -> int:
        return len(self._entries)

    def read(self, entries: Iterable[tuple[str, bytes | str]]) -> bool:
        """Take in what came after `position`; whether there was anything."""
        before = self.position
        for position, data in entries:
            self.position = position
            entry = decode(data)
            if isinstance(entry, ResetEntry):
                self._entries.clear()
            else:
                self._entries.append(entry)
        return self.position != before

    def told(self, now: float) -> list[Told]:
        """The episodes in order of time; `now` in Unix seconds. One of which the beginning was
        forgotten is left out."""
        outcomes: dict[str, dict[RewardSource, OutcomeEntry]] = {}
        episodes: dict[str, dict[int, CallEntry]] = {}
        for entry in self._entries:
            match entry:
                case CallEntry() if ref := EventRef.parse(entry.id):
                    episodes.setdefault(entry.episode, {})[ref.version] = entry
                case OutcomeEntry():
                    outcomes.setdefault(entry.call, {})[entry.source] = entry
                case _:
                    pass
        found = []
        for episode, by_version in episodes.items():
            # Two workers can have noted the calls of one episode in another order.
            calls = [by_version[version] for version in sorted(by_version)]
            if calls[0].id == episode:
                said = [one for call in calls for one in outcomes.get(call.id, {}).values()]
                found.append(Told(tuple(calls), _verdict(calls[-1], said, now)))
        return sorted(found, key=lambda one: one.first.at)


def _verdict(last: CallEntry, said: Iterable[OutcomeEntry], now: float) -> Verdict | None:
    """Of what was said of an episode the last word of the most telling kind."""
    quiet = now >= last.at + QUIET_SECONDS
    known = [
        one
        for one in said
        if one.source in SAID
        or (quiet and (one.source != "quiet" or now >= one.at + QUIET_SECONDS))
    ]
    if known:
        best = min(known, key=lambda outcome: (SOURCES[outcome.source].rank, -outcome.at))
        return Verdict(best.reward, SOURCES[best.source].weight, best.source)
    if last.verdict == "rejected" and quiet:  # a doubted one may have been used after all
        return Verdict(REWARDS["unusable"], SOURCES["unusable"].weight, "unusable")
    return None


def episodes(told: Iterable[Told]) -> list[Episode]:
    """What the learner is taught about arms: what a decision led to, with all it took."""
    return [
        Episode(
            agent=one.first.agent,
            kind=one.first.kind,
            arm=one.first.arm,
            features=one.first.features,
            tokens=one.tokens,
            reward=one.verdict.reward if one.verdict else None,
            weight=one.verdict.weight if one.verdict else 1,
        )
        for one in told
    ]


def answers(told: Iterable[Told]) -> Iterator[Answered]:
    """What the learner is taught about margins: which answers were right, and which were better
    after more thought."""
    for one in told:
        if one.verdict is None:
            continue
        *before, last = one.calls
        if last.margin is not None and last.verdict == "ok":
            yield _answered(last, one.verdict, one.verdict.reward)
        for call in before:
            if call.verdict != "doubted" or call.margin is None or last.agrees is None:
                continue
            good = one.verdict.reward >= 0.5
            right = one.verdict.reward if last.agrees else 0.0 if good else None
            yield _answered(call, one.verdict, right, last)


def _answered(
    call: CallEntry, verdict: Verdict, right: float | None, then: CallEntry | None = None
) -> Answered:
    assert call.margin is not None
    return Answered(
        agent=call.agent,
        kind=call.kind,
        arm=call.arm,
        features=call.features,
        margin=call.margin,
        right=right,
        weight=verdict.weight,
        then=then.arm if then else "",
        then_right=verdict.reward if then else None,
    )
