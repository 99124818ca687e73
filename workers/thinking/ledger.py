"""The ledger of model calls: what was decided, what it cost, what came of it. Pure.

Each agent has one: an append-only stream in the store, of bounded length. All workers share it,
so whoever has read all of it believes the same. No entry holds anything that somebody wrote. An
outcome is noted later than its call, and perhaps twice: it is identified by its call and source,
so repeating it changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import to_json

from ponderd.channels.event_ref import EventRef
from ponderd.channels.message import Frozen
from ponderd.workers.run.model_call import ModelCall, ThinkingDecision
from ponderd.workers.thinking.beliefs import EpisodeSample
from ponderd.workers.thinking.margins import AnswerSample
from ponderd.workers.thinking.rewards import QUIET_SECONDS, REWARDS, SAID, SOURCES, RewardSource

KEPT_OF_CALL = {
    "model",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "seconds",
    "margin",
}
"""Nothing that the ledger keeps of a call was written by a person or a model."""

KEPT_OF_DECISION = (
    "arm",
    "mode",
    "budget",
    "reason",
    "probability",
    "policy",
    "allowed",
    "features",
)


class CallEntry(Frozen):
    """One model call. On the wire it is one flat object, with only what `KEPT_OF_CALL` and
    `KEPT_OF_DECISION` name."""

    model_config = ConfigDict(populate_by_name=True)

    type: Literal["call"] = "call"
    id: str
    """The `EventRef` of the event that holds the answer, as text."""

    episode: str
    """The `id` of the first call for the same message."""

    at: float
    agent: str
    kind: str
    conversation: str
    """A digest, from which the conversation cannot be read."""

    channel: str = ""
    call: ModelCall
    status: Literal["ok", "rejected", "doubted"] = Field("ok", alias="verdict")
    why: str = ""
    """The reason of a rejection or doubt."""

    agrees: bool | None = None
    """The answer says the same as the doubted draft before it."""

    @property
    def decision(self) -> ThinkingDecision:
        return self.call.decision

    @model_validator(mode="before")
    @classmethod
    def _from_wire(cls, data: dict[str, Any]) -> dict[str, Any]:
        if "call" in data:
            return data
        entry = dict(data)
        decision = {name: entry.pop(name) for name in KEPT_OF_DECISION if name in entry}
        call = {name: entry.pop(name) for name in KEPT_OF_CALL if name in entry}
        call = {"model": "", "prompt_hash": "", **call, "decision": decision}
        return {**entry, "call": call}


class OutcomeEntry(Frozen):
    type: Literal["outcome"] = "outcome"
    call: str
    at: float
    source: RewardSource
    reward: float = Field(ge=0, le=1)


class ResetEntry(Frozen):
    """Everything before is forgotten. It is an entry like others, so that all workers forget the
    same."""

    type: Literal["reset"] = "reset"
    at: float


Entry = Annotated[CallEntry | OutcomeEntry | ResetEntry, Field(discriminator="type")]

_codec: TypeAdapter[Entry] = TypeAdapter(Entry)


def encode(entry: Entry) -> bytes:
    data = entry.model_dump(exclude_defaults=True, exclude={"call", "type"}, by_alias=True)
    match entry:
        case CallEntry(call=call, decision=decision):
            data |= call.model_dump(include=KEPT_OF_CALL, exclude_defaults=True)
            kept = ((name, getattr(decision, name)) for name in KEPT_OF_DECISION)
            data |= {name: value for name, value in kept if value not in ("", (), {})}
        case OutcomeEntry(call=call_id):
            data["call"] = call_id
        case ResetEntry():
            pass
    return to_json(data | {"type": entry.type})


def decode(data: bytes | str) -> Entry | None:
    """None for an entry that only a newer version of ponderd knows."""
    try:
        return _codec.validate_json(data)
    except ValidationError:
        return None


class Reward(NamedTuple):
    value: float
    weight: float
    source: RewardSource


class Episode(NamedTuple):
    """All model calls for one message, in order of time."""

    calls: tuple[CallEntry, ...]
    reward: Reward | None
    """None: nobody knows yet."""

    @property
    def first(self) -> CallEntry:
        return self.calls[0]

    @property
    def last(self) -> CallEntry:
        return self.calls[-1]

    @property
    def tokens(self) -> int:
        return sum(entry.call.completion_tokens for entry in self.calls)

    @property
    def seconds(self) -> float:
        return sum(entry.call.seconds for entry in self.calls)

    @property
    def failed_silently(self) -> bool:
        """An answer without a thought was doubted or rejected before the last call."""
        before = self.calls[:-1]
        return any(entry.decision.mode == "none" and entry.status != "ok" for entry in before)

    @property
    def escalated(self) -> bool:
        return any(entry.status != "ok" for entry in self.calls[:-1])


class Ledger:
    """What was read of one agent's ledger: its last `length` entries, the same in every worker.
    `position` is the id of the newest."""

    def __init__(self, length: int | None = None) -> None:
        self.position = ""
        self._entries: deque[CallEntry | OutcomeEntry | None] = deque(maxlen=length)

    def __len__(self) -> int:
        return len(self._entries)

    def read(self, entries: Iterable[tuple[str, bytes | str]]) -> bool:
        """Add the entries that follow `position`. Returns whether there were any."""
        before = self.position
        for position, data in entries:
            self.position = position
            entry = decode(data)
            if isinstance(entry, ResetEntry):
                self._entries.clear()
            else:
                self._entries.append(entry)
        return self.position != before

    def episodes(self, now: float) -> list[Episode]:
        """All episodes in order of time; `now` in Unix seconds. An episode whose first call was
        forgotten is left out."""
        outcomes: dict[str, dict[RewardSource, OutcomeEntry]] = {}
        by_episode: dict[str, dict[int, CallEntry]] = {}
        for entry in self._entries:
            match entry:
                case CallEntry() if ref := EventRef.parse(entry.id):
                    by_episode.setdefault(entry.episode, {})[ref.version] = entry
                case OutcomeEntry():
                    outcomes.setdefault(entry.call, {})[entry.source] = entry
                case _:
                    pass
        episodes = []
        for first, by_version in by_episode.items():
            # Two workers can have noted the calls of one episode in another order.
            calls = [by_version[version] for version in sorted(by_version)]
            if calls[0].id == first:
                known = [each for call in calls for each in outcomes.get(call.id, {}).values()]
                episodes.append(Episode(tuple(calls), _reward(calls[-1], known, now)))
        return sorted(episodes, key=lambda episode: episode.first.at)


def _reward(last: CallEntry, outcomes: Iterable[OutcomeEntry], now: float) -> Reward | None:
    """The newest outcome of the source that ranks first."""
    quiet = now >= last.at + QUIET_SECONDS
    settled = [
        outcome
        for outcome in outcomes
        if outcome.source in SAID
        or (quiet and (outcome.source != "quiet" or now >= outcome.at + QUIET_SECONDS))
    ]
    if settled:
        best = min(settled, key=lambda outcome: (SOURCES[outcome.source].rank, -outcome.at))
        return Reward(best.reward, SOURCES[best.source].weight, best.source)
    if last.status == "rejected" and quiet:  # a doubted answer may have been used after all
        return Reward(REWARDS["unusable"], SOURCES["unusable"].weight, "unusable")
    return None


def episode_samples(episodes: Iterable[Episode]) -> list[EpisodeSample]:
    """What there is to learn about arms: what the first decision led to, and all it took."""
    return [
        EpisodeSample(
            agent=episode.first.agent,
            kind=episode.first.kind,
            arm=episode.first.decision.arm,
            features=episode.first.decision.features,
            tokens=episode.tokens,
            reward=episode.reward.value if episode.reward else None,
            weight=episode.reward.weight if episode.reward else 1,
        )
        for episode in episodes
    ]


def answer_samples(episodes: Iterable[Episode]) -> Iterator[AnswerSample]:
    """What there is to learn about margins: which answers were right, and which got better with
    more thought."""
    for episode in episodes:
        reward, last = episode.reward, episode.last
        if reward is None:
            continue
        if last.call.margin is not None and last.status == "ok":
            yield _answer_sample(last, reward, reward.value)
        for entry in episode.calls[:-1]:
            if entry.status != "doubted" or entry.call.margin is None or last.agrees is None:
                continue
            # Two drafts that differ: if the second is good, the first was not. Otherwise the
            # first may have been right, and nobody knows.
            good = reward.value >= 0.5
            right = reward.value if last.agrees else 0.0 if good else None
            yield _answer_sample(entry, reward, right, last)


def _answer_sample(
    entry: CallEntry, reward: Reward, right: float | None, then: CallEntry | None = None
) -> AnswerSample:
    assert entry.call.margin is not None
    return AnswerSample(
        agent=entry.agent,
        kind=entry.kind,
        arm=entry.decision.arm,
        features=entry.decision.features,
        margin=entry.call.margin,
        right=right,
        weight=reward.weight,
        then=then.decision.arm if then else "",
        then_right=reward.value if then else None,
    )
