"""What thinking bought: estimates of what was not done, the report, tuning, and training rows."""

import random

import pytest

from ponderd.channels.errors import PonderdError
from ponderd.workers.agents.arms import own_arms
from ponderd.workers.evaluation.from_ledger.estimate import (
    always,
    at_random,
    best_believed,
    best_per_kind,
    by_value,
    estimate,
    gather,
    observed,
)
from ponderd.workers.evaluation.from_ledger.export import (
    completion_of,
    needed,
    reference_rewards,
    rows,
)
from ponderd.workers.evaluation.from_ledger.report import arms_of, report
from ponderd.workers.evaluation.from_ledger.tuning import LEAST, MISSED, choose, pairs_of
from ponderd.workers.run import events as e
from ponderd.workers.run.choices import Answer
from ponderd.workers.run.model_call import ModelCall, ThinkingDecision
from ponderd.workers.thinking.ledger import CallEntry, Episode, Ledger, OutcomeEntry, encode
from ponderd.workers.thinking.rewards import (
    FORMAT,
    MISS,
    adacot_reward,
    adaptthink_advantages,
    compute_score,
    importance_weight,
    parse,
    trl_reward,
)

HARD = {"bias": 1.0, "steps": 1.0}
EASY = {"bias": 1.0}
ARMS = own_arms(short=256, long=1024)[:2]
CHANCE = {("none", True): 0.2, ("short", True): 0.8, ("none", False): 0.9, ("short", False): 0.85}
"""By arm, and whether it is hard."""


def calls(run: int, *arms: str, hard=False, probability=0.5, agrees=None, **fields):
    mode = {"none": "none", "short": "short", "long": "long"}
    first = f"00-r{run}:3"
    for k, arm in enumerate(arms):
        last = k == len(arms) - 1
        usual = {
            "at": 1000.0 + run,
            "agent": "assistant",
            "kind": "answer",
            "conversation": f"c{run // 2}",
            "reason": "score",
            "features": HARD if hard else EASY,
            "status": "ok" if last else "doubted",
            "agrees": agrees if last and k else None,
            "budget": 0 if arm == "none" else 256,
            "completion_tokens": 10 if arm == "none" else 150,
            "reasoning_tokens": 0 if arm == "none" else 140,
            "seconds": 0.5 if arm == "none" else 3.0,
        }
        yield CallEntry(
            id=f"00-r{run}:{3 + k}",
            episode=first,
            arm=arm,
            mode=mode[arm],
            probability=probability,
            **{**usual, **fields},
        )


def outcome(run: int, reward: float, version=3) -> OutcomeEntry:
    return OutcomeEntry(call=f"00-r{run}:{version}", at=2000.0, source="judge", reward=reward)


def told(*entries) -> list[Episode]:
    book = Ledger(10**6)
    book.read((f"{k}-0", encode(entry)) for k, entry in enumerate(entries))
    return book.episodes(1e9)


def world(count=600, share=0.3, seed=0) -> list[Episode]:
    """So many messages, half of them hard; a share is thought about, more of the hard ones."""
    luck = random.Random(seed)
    entries = []
    for run in range(count):
        hard = luck.random() < 0.5
        chance = min(0.95, share * (1.5 if hard else 0.5))
        arm = "short" if luck.random() < chance else "none"
        probability = chance if arm == "short" else 1 - chance
        entries += calls(run, arm, hard=hard, probability=probability)
        entries.append(outcome(run, float(luck.random() < CHANCE[arm, hard])))
    return told(*entries)


# -- estimates -----------------------------------------------------------------------------------


def test_what_was_done_is_counted_and_not_estimated():
    evidence = gather(world(), arms_of(world())).free()
    found = observed(evidence)
    rewards = [one.reward.value for one in evidence.episodes if one.reward]
    assert found.reward == pytest.approx(sum(rewards) / len(rewards))
    assert found.low < found.reward < found.high
    assert found.think_rate == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize(("arm", "truth"), [("none", 0.55), ("short", 0.825)])
def test_what_was_not_done_is_estimated_without_bias(arm, truth):
    found, inside = [], 0
    for seed in range(12):
        evidence = gather(world(seed=seed), arms_of(world(seed=seed)))
        chosen = next(each for each in evidence.arms if each.name == arm)
        estimated = estimate(evidence, always(chosen))
        found.append(estimated.reward)
        inside += estimated.low <= truth <= estimated.high
    assert sum(found) / len(found) == pytest.approx(truth, abs=0.03)
    assert inside >= 9  # of 12, at 95 %


def test_a_policy_that_tells_hard_from_easy_is_seen_to_be_better():
    evidence = gather(world(1200), arms_of(world(1200)))
    clever = estimate(evidence, by_value(evidence.arms, 0.5))
    assert clever.reward == pytest.approx(0.85, abs=0.05)
    assert clever.reward > estimate(evidence, at_random({"none": 0.5, "short": 0.5})).reward + 0.05
    assert clever.tokens < 100
    assert clever.think_rate == pytest.approx(0.5, abs=0.1)


def test_dear_tokens_buy_no_thought():
    evidence = gather(world(), arms_of(world())).free()
    assert estimate(evidence, by_value(evidence.arms, 1000.0)).think_rate == 0


def test_best_per_kind():
    evidence = gather(world(), arms_of(world())).free()
    assert estimate(evidence, best_per_kind(evidence)).think_rate == 1


def test_what_was_not_allowed_could_not_have_been():
    entries = []
    for run in range(40):
        entries += calls(run, "short", allowed=("short",))
        entries.append(outcome(run, 1.0))
        entries += calls(run + 100, "none")
        entries.append(outcome(run + 100, 0.0))
    found = told(*entries)
    evidence = gather(found, arms_of(found))
    none = next(arm for arm in evidence.arms if arm.name == "none")
    assert estimate(evidence, always(none)).think_rate == 0.5


def test_pinned_and_held_calls_are_no_evidence():
    entries = [*calls(1, "short", reason="person: /think hard"), outcome(1, 1.0)]
    entries += [*calls(2, "none", reason="held"), outcome(2, 1.0)]
    evidence = gather(told(*entries), arms_of(told(*entries))).free()
    assert len(evidence) == 0
    with pytest.raises(ValueError, match="no call"):
        observed(evidence)


def test_that_nobody_complained_says_less_than_what_somebody_said():
    entries = []
    for run in range(100):
        entries += calls(run, "none")
        source = "quiet" if run % 2 else "judge"
        entries.append(
            OutcomeEntry(call=f"00-r{run}:3", at=2000.0, source=source, reward=float(run % 2))
        )
    found = observed(gather(told(*entries), ARMS))
    assert found.reward == pytest.approx(0.2 / 1.2)


def test_the_front_shows_what_workers_would_choose():
    """With their bonus for not thinking: where a thought hardly helps there is none."""
    free = gather(world(), arms_of(world())).free()
    (i,) = [k for k, one in enumerate(free.episodes) if one.first.decision.features == EASY][:1]
    believed = {"none": (0.80, 10.0), "short": (0.82, 150.0)}
    assert by_value(free.arms, 0.0)(free.samples[i], believed) == {"none": 1.0}
    assert best_believed(free.samples[i], believed) == {"short": 1.0}


# -- the report ----------------------------------------------------------------------------------


def test_a_report_counts_arms_tokens_and_seconds():
    found = report(world(), arms_of(world()), None)
    none, short = found.arms
    assert (none.arm, short.arm) == ("none", "short")
    assert none.share + short.share == pytest.approx(1)
    assert (none.tokens, short.tokens, short.thinking_tokens) == (10, 150, 140)
    assert (none.p95_seconds, short.p95_seconds) == (0.5, 3.0)
    assert found.think_rate == short.share
    assert {point.name for point in found.references} == {
        "as it was",
        "always-none",
        "always-short",
        "random",
        "best-per-kind",
        "oracle",
    }
    thinks = [point.think_rate for point in found.front]
    assert thinks == sorted(thinks, reverse=True)


def test_a_miss_is_a_cheap_answer_that_failed_where_more_thought_succeeded():
    entries = [*calls(1, "none", "short", agrees=False), outcome(1, 1.0, version=4)]
    entries += [*calls(2, "none", "short", agrees=True), outcome(2, 1.0, version=4)]
    entries += [*calls(3, "none", "short", agrees=False), outcome(3, 0.0, version=4)]
    entries += [*calls(4, "none"), outcome(4, 1.0)]
    found = report(told(*entries), arms_of(told(*entries)), None)
    assert found.misses == 1 / 4


def test_overs_are_thoughts_that_easy_questions_did_not_need():
    found = report(world(2000, share=0.9), arms_of(world(2000, share=0.9)), None)
    assert found.overs is not None
    assert 0.1 < found.overs < 0.45


def test_without_outcomes_there_is_no_front():
    book = Ledger()
    book.read((f"{k}-0", encode(entry)) for k, entry in enumerate(calls(1, "none")))
    fresh = book.episodes(1001.0)
    found = report(fresh, arms_of(fresh), None)
    assert (found.calls, found.rewarded) == (1, 0)
    assert (found.reward, found.overs, found.front, found.references) == (None, None, [], [])


# -- tuning --------------------------------------------------------------------------------------


def test_lambda_is_chosen_from_the_front():
    found = choose(world(1000), ARMS, None, budget=None, keep=0.02)
    assert found.after.reward >= found.before.reward - 0.05
    assert found.after.price is not None
    cheap = choose(world(1000), ARMS, None, budget=30, keep=0)
    assert cheap.after.tokens <= 30
    assert cheap.bound is None
    assert cheap.pairs == 0


def test_too_little_to_choose_by_is_said():
    with pytest.raises(PonderdError, match=f"takes at least {LEAST}"):
        choose(world(LEAST - 5), ARMS, None, budget=None, keep=0)


def test_with_enough_pairs_there_is_a_bound_on_missed_thinking():
    entries = []
    for run in range(120):
        agrees = run % 3 > 0
        entries += calls(run, "none", "short", hard=not agrees, agrees=agrees)
        entries.append(outcome(run, 1.0, version=4))
    found = choose(told(*entries), ARMS, None, budget=None, keep=0.0)
    assert found.pairs == 120
    assert found.bound is not None
    assert (found.bound.missed, found.bound.pairs) == (MISSED, 120)
    assert found.bound.price is not None  # a third of them needs a thought, so not at any price
    assert found.bound.kept == (found.after.price < found.bound.price)


# -- rewards -------------------------------------------------------------------------------------


def test_adacots_reward():
    assert adacot_reward(1.0, thought=False, needed=False) == 1
    assert adacot_reward(1.0, thought=True, needed=False) == 0.7  # over
    assert adacot_reward(0.0, thought=False, needed=True) == -0.3  # miss
    assert adacot_reward(1.0, thought=True, needed=None) == 1
    assert adacot_reward(1.0, thought=True, needed=True, well_formed=False) == 0.5
    assert adacot_reward(1.0, thought=True, needed=False, over=0.1) == 0.9


def test_adaptthinks_advantages():
    found = adaptthink_advantages([1.0, 1.0, 0.0], [True, False, False], reference=0.8)
    assert found == pytest.approx([0.2, 0.25, -0.75])
    with pytest.raises(ValueError):
        adaptthink_advantages([1.0], [], reference=0)


def test_weights_are_bounded():
    assert importance_weight(0.5) == 2
    assert importance_weight(0.001) == importance_weight(0) == 50


@pytest.mark.parametrize(
    ("text", "thought", "answer", "well_formed"),
    [
        ("<think>\nbecause\n</think>\n\nyes", "because", "yes", True),
        ("<think>\n\n</think>\n\nyes", "", "yes", True),
        ("<think>because</think>", "because", "", False),
        ("<think>because", "", "<think>because", False),
        ("yes", "", "yes", False),
    ],
)
def test_a_completion_is_taken_apart(text, thought, answer, well_formed):
    assert parse(text) == (thought, answer, well_formed)
    if well_formed:
        assert parse(completion_of(thought, answer)) == (thought, answer, True)


def test_as_trl_and_verl_call_them():
    thinks, silent = completion_of("hm", "4"), completion_of("", "4")
    chat = [{"role": "assistant", "content": thinks}]
    found = trl_reward(
        [chat, silent, "4"], base_reward=[1.0, 1.0, 0.0], needed=[False, True, None], prompts=[]
    )
    assert found == pytest.approx([0.7, 0.7, -0.5])
    assert compute_score("gsm8k", silent, " 4 ") == 1
    assert compute_score("gsm8k", silent, "5", {"needed": True}) == pytest.approx(-0.3)


def test_the_rewards_can_be_imported_by_a_trainer_without_anything_else():
    import subprocess
    import sys

    code = "import sys, ponderd.workers.thinking.rewards; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"celery", "redis", "pydantic", "numpy", "aiohttp", "structlog"}


# -- training rows -------------------------------------------------------------------------------

PROMPT = [{"role": "user", "content": "why?"}]


def answered(text="ok", thought="") -> e.ModelAnswered:
    call = ModelCall(model="m", decision=ThinkingDecision(), prompt_hash="", seconds=1)
    return e.ModelAnswered(at=0, choice=Answer(text=text), content=text, call=call, thought=thought)


def exported(one: Episode, form, thought="", references=None):
    last = one.calls[-1].id
    return list(
        rows(one, {last: answered(thought=thought)}, {last: PROMPT}, form, references or {})
    )


def test_whether_a_thought_was_needed_is_read_from_the_calls():
    def need(*arms, reward, agrees=None):
        (one,) = told(*calls(1, *arms, agrees=agrees), outcome(1, reward, version=2 + len(arms)))
        return needed(one)

    assert need("none", reward=1.0) is False
    assert need("none", reward=0.0) is None
    assert need("short", reward=1.0) is None
    assert need("none", "short", reward=1.0, agrees=False) is True
    assert need("none", "short", reward=1.0, agrees=True) is False
    assert need("none", "short", reward=0.0, agrees=False) is None
    # What was good is the draft: with a thought came nothing usable.
    first, last = calls(1, "none", "short")
    (stood,) = told(first, last.model_copy(update={"status": "rejected"}), outcome(1, 1.0))
    assert needed(stood) is None
    assert reference_rewards([stood]) == {}
    # After a tool call that went well the loop was raised: that says nothing of the first one.
    raised = [call.model_copy(update={"status": "ok"}) for call in calls(1, "none", "short")]
    (one,) = told(*raised, outcome(1, 1.0, version=4))
    assert needed(one) is None
    assert pairs_of([one, one], ARMS) == []


def test_examples_have_an_empty_think_block_where_none_was_needed():
    (easy,) = told(*calls(1, "none"), outcome(1, 1.0))
    (row,) = exported(easy, "sft")
    assert row["messages"] == [
        *PROMPT,
        {"role": "assistant", "content": "<think>\n\n</think>\n\nok"},
    ]
    (hard,) = told(*calls(1, "none", "short", agrees=False), outcome(1, 1.0, version=4))
    (row,) = exported(hard, "sft", thought="because")
    assert row["messages"][-1]["content"] == "<think>\nbecause\n</think>\n\nok"
    assert row["needed"] is True
    (needless,) = told(*calls(1, "none", "short", agrees=True), outcome(1, 1.0, version=4))
    (row,) = exported(needless, "sft", thought="because")
    assert row["messages"][-1]["content"].startswith("<think>\n\n</think>")


def test_bad_answers_and_thoughts_that_were_not_kept_are_no_examples():
    (bad,) = told(*calls(1, "none"), outcome(1, 0.0))
    assert exported(bad, "sft") == []
    (lost,) = told(*calls(1, "short"), outcome(1, 1.0))
    assert exported(lost, "sft", thought="") == []
    assert exported(lost, "rl", thought="") == []
    assert len(exported(bad, "rl")) == len(exported(lost, "rl", thought="because")) == 1


def test_rewarded_rows_have_what_their_reward_was_made_of():
    (one,) = told(*calls(1, "short", probability=0.25), outcome(1, 1.0))
    (row,) = exported(one, "rl", thought="because", references={"answer": 0.8})
    assert row["completion"] == "<think>\nbecause\n</think>\n\nok"
    assert (row["base_reward"], row["reward"], row["weight"]) == (1.0, 1.0, 4)
    assert row["advantage"] == pytest.approx(0.2)
    assert trl_reward([row["completion"]], base_reward=[1.0], needed=[row["needed"]]) == [
        row["reward"]
    ]


def test_an_unusable_answer_is_a_row_that_is_worth_nothing_and_less_for_its_form():
    first, last = calls(1, "none", "short", agrees=False)
    first = first.model_copy(update={"status": "rejected"})
    (one,) = told(first, last, outcome(1, 1.0, version=4))

    def exported_first(reason, form="rl"):
        call = ModelCall(model="m", decision=ThinkingDecision(), prompt_hash="", seconds=1)
        rejected = e.ModelRejected(at=0, reason=reason, detail="d", content="well", call=call)
        return list(rows(one, {first.id: rejected}, {first.id: PROMPT}, form, {}))

    (prose,), (failed,) = exported_first("prose"), exported_first("failed_check")
    assert (prose["base_reward"], failed["base_reward"]) == (0.0, 0.0)
    assert (prose["well_formed"], failed["well_formed"]) == (False, True)
    assert (prose["reward"], failed["reward"]) == (-MISS - FORMAT, -MISS)
    assert prose["completion"] == "<think>\n\n</think>\n\nwell"
    assert exported_first("prose", "sft") == []


def test_the_reference_is_what_thinking_brings():
    found = told(
        *calls(1, "short"),
        outcome(1, 1.0),
        *calls(2, "short"),
        outcome(2, 0.5),
        *calls(3, "none"),
        outcome(3, 0.0),
    )
    assert reference_rewards(found) == {"answer": 0.75}


def test_what_nobody_knows_the_outcome_of_is_left_out():
    book = Ledger()
    book.read((f"{k}-0", encode(entry)) for k, entry in enumerate(calls(1, "none")))
    (one,) = book.episodes(1001.0)
    assert exported(one, "rl") == []
