"""Walk a worker's own policy over known outcomes: what it would choose, doubt and escalate.
Pure.

It uses the workers' own `decide` and `doubt`; only the model's answers are looked up.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ponderd.workers.agents.arms import Arms, find
from ponderd.workers.agents.policies import Thinking
from ponderd.workers.run.model_call import ThinkingDecision
from ponderd.workers.thinking.beliefs import UNFADING, Beliefs, EpisodeSample, learn
from ponderd.workers.thinking.case import Case, Kind
from ponderd.workers.thinking.criteria import Criteria
from ponderd.workers.thinking.margins import AnswerSample
from ponderd.workers.thinking.policy import AskTheModel, Policy, decide
from ponderd.workers.thinking.verify import doubt

AGENT = "evaluation"


class ArmOutcome(NamedTuple):
    """What one arm achieved on one task."""

    passed: float
    tokens: float
    margin: float | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """A task, with its outcomes by arm."""

    name: str
    set: str
    criteria: Criteria
    outcomes: Mapping[str, ArmOutcome]


class Walked(NamedTuple):
    """`arms` in the order in which they were tried. The last one gave the answer."""

    passed: float
    tokens: float
    arms: tuple[str, ...]
    decision: ThinkingDecision


def case_of(criteria: Criteria, arms: Arms, *, agent: str = AGENT, kind: Kind = "answer") -> Case:
    thinking = Thinking(probe=False)
    return Case(agent, kind, thinking, arms, criteria, prompt_chars=criteria.chars)


def steps(
    case: Case, policy: Policy, chance: float, first: str | None = None
) -> Generator[ThinkingDecision, ArmOutcome, None]:
    """From the first decision (or the arm `first`) to the answer that stands. Yields what to try
    next, and is sent its outcome."""
    tried: list[str] = []
    decision = _decided(case, policy, chance)
    if first is not None:
        arm = find(case.arms, first)
        assert arm is not None
        decision = ThinkingDecision(mode=arm.mode, arm=first, budget=arm.budget)
    while True:
        outcome = yield decision
        tried.append(decision.arm)
        if not doubt(case, decision, policy, margin=outcome.margin, cut=outcome.cut):
            return
        case = replace(
            case,
            arm=decision.arm,
            first_arm=tried[0],
            trouble="doubt",
            retries=case.retries + 1,
        )
        decision = _decided(case, policy, chance)


def walk(
    case: Case,
    policy: Policy,
    outcomes: Mapping[str, ArmOutcome],
    chance: float,
    first: str | None = None,
) -> Walked:
    tried: list[str] = []
    tokens = 0.0
    walking = steps(case, policy, chance, first)
    begun = decision = next(walking)
    while True:
        outcome = outcomes[decision.arm]
        tried.append(decision.arm)
        tokens += outcome.tokens
        try:
            decision = walking.send(outcome)
        except StopIteration:
            return Walked(outcome.passed, tokens, tuple(tried), begun)


def _decided(case: Case, policy: Policy, chance: float) -> ThinkingDecision:
    decision = decide(case, policy, chance)
    assert not isinstance(decision, AskTheModel)
    return decision


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is believed after every arm was tried once on these tasks: the margins of their
    answers, and what each arm achieves alone. It does not depend on lambda."""

    tasks: Sequence[Task]
    cases: Sequence[Case]
    arms: Arms
    alone: Beliefs

    @classmethod
    def of(cls, tasks: Sequence[Task], arms: Arms) -> Lesson:
        cases = [case_of(task.criteria, arms) for task in tasks]
        answers = [
            AnswerSample(
                AGENT,
                "answer",
                arm.name,
                case.features,
                margin,
                task.outcomes[arm.name].passed,
                then=then.name if then else "",
                then_right=task.outcomes[then.name].passed if then else None,
            )
            for task, case in zip(tasks, cases, strict=True)
            for arm, then in zip(arms, (*arms[1:], None), strict=True)
            if (margin := task.outcomes[arm.name].margin) is not None
        ]
        episodes = [
            _episode(case, arm.name, *task.outcomes[arm.name][:2])
            for task, case in zip(tasks, cases, strict=True)
            for arm in arms
        ]
        return cls(tasks, cases, arms, learn(episodes, arms, answers, half_life=UNFADING))

    def taught(self, price: float | None) -> Beliefs:
        """What it brings to begin with each arm, and to ask again where its answer is doubted."""
        policy = Policy(self.alone, price, trying=False)
        episodes = []
        for task, case in zip(self.tasks, self.cases, strict=True):
            for arm in self.arms:
                walked = walk(case, policy, task.outcomes, 0.5, first=arm.name)
                episodes.append(_episode(case, arm.name, walked.passed, walked.tokens))
        whole = learn(episodes, self.arms, half_life=UNFADING)
        return replace(whole, margins=self.alone.margins)


def _episode(case: Case, arm: str, passed: float, tokens: float) -> EpisodeSample:
    return EpisodeSample(AGENT, "answer", arm, case.features, tokens, passed)


def taught(tasks: Sequence[Task], arms: Arms, price: float | None = None) -> Beliefs:
    return Lesson.of(tasks, arms).taught(price)


class Tried(NamedTuple):
    price: float
    accuracy: float
    tokens: float


def tune_price(
    tasks: Sequence[Task], arms: Arms, prices: Sequence[float], *, folds: int, keep: float
) -> float:
    """The lambda that needs the fewest tokens while accuracy, on tasks not learned from, is at
    most `keep` below the best fixed arm. If there is none, the lambda with the best accuracy."""
    lessons = [
        Lesson.of([task for i, task in enumerate(tasks) if i % folds != k], arms)
        for k in range(folds)
    ]
    tried = []
    for price in prices:
        walked = []
        for k, lesson in enumerate(lessons):
            policy = Policy(lesson.taught(price), price, trying=False)
            walked += [
                walk(case_of(task.criteria, arms), policy, task.outcomes, 0.5)
                for task in tasks[k::folds]
            ]
        count = len(walked)
        accuracy = sum(each.passed for each in walked) / count
        tried.append(Tried(price, accuracy, sum(each.tokens for each in walked) / count))
    fixed = max(sum(task.outcomes[arm.name].passed for task in tasks) / len(tasks) for arm in arms)
    enough = [each for each in tried if each.accuracy >= fixed - keep]
    if enough:
        return min(enough, key=lambda each: each.tokens).price
    return max(tried, key=lambda each: each.accuracy).price
