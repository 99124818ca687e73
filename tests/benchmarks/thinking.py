"""How fast the policy of thinking learns, follows, and keeps to budgets: simulated on tables of
outcomes, with a worker's own decisions; and what a decision and its ledger cost.

    python -m tests.benchmarks.thinking learn TABLE.csv [--seeds 100]
    python -m tests.benchmarks.thinking shift TABLE.csv --easy SET,SET --hard SET [--blind]
    python -m tests.benchmarks.thinking budget TABLE.csv [--share 0.3]
    python -m tests.benchmarks.thinking overhead

Tables are those of `ponderd thinking evaluate`; a column prompt or question is what features are
read from.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ponderd.workers.agents.arms import Arm, Arms
from ponderd.workers.evaluation.from_table.table import Row, read_rows
from ponderd.workers.evaluation.live.walk import AGENT, case_of
from ponderd.workers.run.choices import Answer
from ponderd.workers.run.model_call import ModelCall
from ponderd.workers.thinking.beliefs import UNFADING, Beliefs, EpisodeSample, learn, price_of
from ponderd.workers.thinking.case import Allowance, Case
from ponderd.workers.thinking.criteria import Criteria, read
from ponderd.workers.thinking.pacer import AHEAD, DAY, THOUGHT, Account, allowance, released
from ponderd.workers.thinking.policy import AskTheModel, Policy, decide

EVERY = 10
"""Calls after which a worker has read the ledger again; in reality it does so every two seconds."""


@dataclass(frozen=True)
class Job:
    """One task: what is known of it, and by arm the outcomes (passed, tokens) of its samples."""

    set: str
    case: Case
    samples: dict[str, list[tuple[float, float]]]

    def mean(self, arm: str) -> tuple[float, float]:
        found = self.samples[arm]
        return (
            sum(passed for passed, _ in found) / len(found),
            sum(tokens for _, tokens in found) / len(found),
        )


def load(path: Path, *, blind: bool = False) -> tuple[list[Job], Arms]:
    """`blind`: nothing of the text is known, only that there is one."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = read_rows(file)
    by_task: dict[str, list[Row]] = {}
    for row in rows:
        by_task.setdefault(row.task, []).append(row)
    arms = _arms(rows)
    jobs = []
    for found in by_task.values():
        if {row.arm for row in found} != {row.arm for row in rows}:
            continue
        features = found[0].features
        text = features.get("prompt") or features.get("question") or ""
        criteria = Criteria(0, 0, 0, 0, 0, 0, False, False, 0) if blind else read(text)
        samples: dict[str, list[tuple[float, float]]] = {}
        for row in found:
            samples.setdefault(_named(row.arm, rows), []).append((row.passed, row.tokens))
        jobs.append(Job(found[0].set, case_of(criteria, arms), samples))
    return jobs, arms


def _named(arm: str, rows: Sequence[Row]) -> str:
    """The cheapest arm of a table is none, whatever it is called there."""
    return "none" if arm == _cheapest(rows) else arm


def _cheapest(rows: Sequence[Row]) -> str:
    tokens: dict[str, list[float]] = {}
    for row in rows:
        tokens.setdefault(row.arm, []).append(row.tokens)
    return "none" if "none" in tokens else min(tokens, key=lambda arm: statistics.mean(tokens[arm]))


def _arms(rows: Sequence[Row]) -> Arms:
    tokens: dict[str, list[float]] = {}
    for row in rows:
        tokens.setdefault(_named(row.arm, rows), []).append(row.tokens)
    mean = {arm: statistics.mean(found) for arm, found in tokens.items()}
    names = sorted(mean, key=lambda arm: (arm != "none", mean[arm]))
    modes: dict[str, Any] = {name: "short" if k < 2 else "long" for k, name in enumerate(names)}
    return tuple(
        Arm(
            name,
            "none" if name == "none" else modes[name],
            0 if name == "none" else int(2 * mean[name]),
        )
        for name in names
    )


def value(jobs: Sequence[Job], policy: Policy, price: float) -> float:
    """What the policy's best arms are worth on all jobs, when nothing is tried any more."""
    greedy = replace(policy, trying=False)
    total = 0.0
    for job in jobs:
        decision = decide(job.case, greedy, 0.5)
        assert not isinstance(decision, AskTheModel)
        passed, tokens = job.mean(decision.arm)
        total += passed - price * tokens / 1000
    return total / len(jobs)


def taught(jobs: Sequence[Job], arms: Arms) -> Beliefs:
    """After every arm was tried on every job."""
    episodes = [
        EpisodeSample(AGENT, "answer", arm.name, job.case.features, tokens, passed)
        for job in jobs
        for arm in arms
        for passed, tokens in job.samples[arm.name]
    ]
    return learn(episodes, arms, half_life=UNFADING)


class Learner:
    """One agent's calls, one after the other, and what is learned of them."""

    def __init__(self, arms: Arms, price: float, luck: random.Random) -> None:
        self._arms = arms
        self._price = price
        self._luck = luck
        self._episodes: list[EpisodeSample] = []
        self.policy = Policy(price=price)

    def work(self, job: Job) -> float:
        """One call; returns what it was worth."""
        decision = decide(job.case, self.policy, self._luck.random())
        assert not isinstance(decision, AskTheModel)
        passed, tokens = self._luck.choice(job.samples[decision.arm])
        self._episodes.append(
            EpisodeSample(AGENT, "answer", decision.arm, job.case.features, tokens, passed)
        )
        if len(self._episodes) % EVERY == 0:
            self.policy = replace(self.policy, beliefs=learn(self._episodes, self._arms))
        return passed - self._price * tokens / 1000


def learning(path: Path, seeds: int, calls: int = 200) -> dict[str, Any]:
    """The share of the tuned policy's value that a cold learner reaches after some calls.

    Both see one half of the tasks, another one for each seed: the tuned one all outcomes of them,
    the learner those that it brings about itself. Both are then worth what they bring on the other
    half.
    """
    jobs, arms = load(path)
    price = price_of(arms, None)
    tuned: list[float] = []
    fixed: dict[str, list[float]] = {arm.name: [] for arm in arms}
    reached: dict[int, list[float]] = {n: [] for n in (50, 100, 150, calls)}
    for seed in range(seeds):
        luck = random.Random(seed)
        mixed = luck.sample(jobs, len(jobs))
        seen, unseen = mixed[::2], mixed[1::2]
        tuned.append(value(unseen, Policy(taught(seen, arms), price), price))
        for name, found in fixed.items():
            found.append(
                statistics.mean(
                    passed - price * tokens / 1000
                    for passed, tokens in (job.mean(name) for job in unseen)
                )
            )
        learner = Learner(arms, price, luck)
        for n in range(1, calls + 1):
            learner.work(luck.choice(seen))
            if n in reached:
                reached[n].append(value(unseen, learner.policy, price))
    return {
        "table": path.name,
        "price": price,
        "tuned value": statistics.mean(tuned),
        "fixed values": {name: statistics.mean(found) for name, found in fixed.items()},
        "share of the tuned value, by calls": {
            n: share(found, tuned) for n, found in reached.items()
        },
    }


def share(reached: Sequence[float], tuned: Sequence[float]) -> dict[str, float]:
    """Means over seeds, with a 95 % interval of 1,000 resamples."""
    luck = random.Random(0)
    drawn = []
    for _ in range(1000):
        some = luck.choices(range(len(tuned)), k=len(tuned))
        drawn.append(sum(reached[k] for k in some) / sum(tuned[k] for k in some))
    drawn.sort()
    shares = [one / other for one, other in zip(reached, tuned, strict=True)]
    return {
        "mean": sum(reached) / sum(tuned),
        "low": drawn[25],
        "high": drawn[974],
        "seeds at 95 % and more": sum(each >= 0.95 for each in shares) / len(shares),
    }


def shifting(
    path: Path, easy: set[str], hard: set[str], seeds: int, *, blind: bool, before: int = 300
) -> dict[str, Any]:
    """What the policy is worth on hard work, so many calls after all work became hard; against one
    that was taught hard work. Both are worth what they bring on hard work that neither saw."""
    jobs, arms = load(path, blind=blind)
    price = price_of(arms, None)
    old = [job for job in jobs if job.set in easy]
    new = [job for job in jobs if job.set in hard]
    tuned: list[float] = []
    at: dict[int, list[float]] = {n: [] for n in (0, 25, 50, 75, 100)}
    for seed in range(seeds):
        luck = random.Random(seed)
        mixed = luck.sample(new, len(new))
        seen, unseen = mixed[::2], mixed[1::2]
        tuned.append(value(unseen, Policy(taught(seen, arms), price), price))
        learner = Learner(arms, price, luck)
        for _ in range(before):
            learner.work(luck.choice(old))
        for n in range(101):
            if n in at:
                at[n].append(value(unseen, learner.policy, price))
            learner.work(luck.choice(seen))
    return {
        "table": path.name,
        "blind": blind,
        "value of a policy that knows hard work": statistics.mean(tuned),
        "share of it, by hard calls": {n: share(found, tuned) for n, found in at.items()},
    }


def pacing(path: Path, share: float, seeds: int, days: int = 3) -> dict[str, Any]:
    """Thinking tokens against what was released of a day's budget, hour by hour, with traffic that
    comes in waves and three calls in flight at a time. `share` of what would be thought without
    a budget is granted."""
    jobs, arms = load(path)
    price = price_of(arms, None)
    policy = Policy(taught(jobs, arms), price)
    free = statistics.mean(_thought(job, policy, None)[1] for job in jobs)
    per_day = 2000
    budget = share * free * per_day
    worst, used = -1.0, []
    for seed in range(seeds):
        luck = random.Random(seed)
        for day in range(days):
            spent, begin = 0.0, day * DAY
            moments = sorted(
                begin + DAY * (luck.betavariate(4, 4) if luck.random() < 0.7 else luck.random())
                for _ in range(per_day)
            )
            in_flight: list[tuple[float, float, float]] = []
            hour = 0
            for moment in moments:
                for end, reserved, thought in [each for each in in_flight if each[0] <= moment]:
                    spent += thought - reserved
                    in_flight.remove((end, reserved, thought))
                while begin + (hour + 1) * 3600 <= moment:
                    hour += 1
                    granted = released(budget, begin + hour * 3600 - 1)
                    worst = max(worst, spent / granted - 1)
                job = luck.choice(jobs)
                account = Account("day", released(budget, moment))
                left, pressure = allowance([account], [{THOUGHT: spent}])
                reserved, thought = _thought(job, policy, Allowance(left, pressure), luck)
                spent += reserved
                in_flight.append((moment + luck.uniform(1, 60), reserved, thought))
            spent += sum(thought - reserved for _, reserved, thought in in_flight)
            worst = max(worst, spent / budget - 1)
            used.append(spent / budget)
    return {
        "table": path.name,
        "a day's budget, tokens": budget,
        "released ahead, seconds": AHEAD,
        "worst hour, above what was released": worst,
        "share of the budget that was used, mean": statistics.mean(used),
    }


def _thought(
    job: Job, policy: Policy, left: Allowance | None, luck: random.Random | None = None
) -> tuple[float, float]:
    """Tokens that are reserved for thinking, and those that are then thought."""
    case = job.case if left is None else replace(job.case, allowance=left)
    decision = decide(case, policy, luck.random() if luck else 0.5)
    assert not isinstance(decision, AskTheModel)
    if decision.mode == "none":
        return 0.0, 0.0
    tokens = (luck.choice(job.samples[decision.arm]) if luck else job.mean(decision.arm))[1]
    return float(decision.budget), float(min(decision.budget, tokens))


def overhead(calls: int = 3000) -> dict[str, Any]:
    """Microseconds of what is done for each call besides asking the model."""
    from ponderd.workers.agents.arms import own_arms
    from ponderd.workers.agents.shipped.assistant import agent
    from ponderd.workers.run import events as e
    from ponderd.workers.run.reduce import fold
    from ponderd.workers.thinking.case import case_of as case_of_run
    from ponderd.workers.thinking.ledger import encode
    from ponderd.workers.thinking.outcomes import entries_of
    from ponderd.workers.thinking.verify import doubt

    arms = own_arms(1024, 8192)
    text = "Anna has 3 boxes of 12 eggs, each costs 2 euros. How much is that in total? " * 3
    launched = e.RunLaunched(
        at=0,
        run_id="00-a-b",
        agent="assistant",
        agent_version="1",
        channel="slack",
        conversation="c",
    )
    run = fold([launched, e.MessageReceived(at=0, text=text, sender="ann", via="slack")])
    luck = random.Random(0)
    case = case_of_run(run, agent, arms)
    episodes = [
        EpisodeSample(f"a{k % 10}", "act", arms[k % 3].name, case.features, 100.0, luck.random())
        for k in range(20_000)
    ]
    began = time.perf_counter()
    beliefs = learn(episodes + [episodes[0]._replace(agent="assistant")] * 40, arms, version="1-0")
    learned = time.perf_counter() - began
    policy = Policy(beliefs)
    decided: list[float] = []
    noted: list[float] = []
    for k in range(calls):
        began = time.perf_counter()
        case = case_of_run(run, agent, arms, prompt_chars=4000, probe=0.3)
        decision = decide(case, policy, luck.random())
        assert not isinstance(decision, AskTheModel)
        doubt(case, decision, policy, margin=-0.3, cut=False)
        decided.append(time.perf_counter() - began)
        call = ModelCall(model="m", decision=decision, prompt_hash="0" * 64, seconds=1)
        event = e.ModelAnswered(at=k, choice=Answer(text="ok"), content="{}", call=call)
        began = time.perf_counter()
        for entry in entries_of(run, event, "act"):
            encode(entry)
        noted.append(time.perf_counter() - began)
    return {
        "learning from 20,000 episodes, seconds": learned,
        "decision and verdict, microseconds p50": statistics.median(decided) * 1e6,
        "decision and verdict, microseconds p99": sorted(decided)[int(0.99 * calls)] * 1e6,
        "ledger entry, microseconds p50": statistics.median(noted) * 1e6,
        "together, milliseconds p50": (statistics.median(decided) + statistics.median(noted)) * 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    what = parser.add_subparsers(dest="what", required=True)
    for name in ("learn", "shift", "budget"):
        command = what.add_parser(name)
        command.add_argument("table", type=Path, nargs="+")
        command.add_argument("--seeds", type=int, default=100 if name != "budget" else 5)
        if name == "shift":
            command.add_argument("--easy", required=True, help="sets, comma-separated")
            command.add_argument("--hard", required=True, help="sets, comma-separated")
            command.add_argument(
                "--blind", action="store_true", help="nothing is known of the text"
            )
        if name == "budget":
            command.add_argument("--share", type=float, default=0.3)
    what.add_parser("overhead")
    options = parser.parse_args()
    measure: Callable[[Path], dict[str, Any]]
    match options.what:
        case "learn":
            measure = lambda path: learning(path, options.seeds)  # noqa: E731
        case "shift":
            easy, hard = set(options.easy.split(",")), set(options.hard.split(","))
            measure = lambda path: shifting(  # noqa: E731
                path, easy, hard, options.seeds, blind=options.blind
            )
        case "budget":
            measure = lambda path: pacing(path, options.share, options.seeds)  # noqa: E731
        case _:
            print(json.dumps(overhead(), indent=2))
            return
    for path in options.table:
        print(json.dumps(measure(path), indent=2), flush=True)


if __name__ == "__main__":
    main()
