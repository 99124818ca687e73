"""Policies held against tables of outcomes, models against questions, and bounds against luck."""

import io
import json
import random

import numpy as np
import pytest

from ponderd.channels.errors import Malformed
from ponderd.workers.agents.arms import own_arms
from ponderd.workers.evaluation.from_ledger.conformal import LEAST_PAIRS, Pair, control
from ponderd.workers.evaluation.from_table.encoder import learn_encoder
from ponderd.workers.evaluation.from_table.evaluate import Goal, split
from ponderd.workers.evaluation.from_table.references import evaluate, interval
from ponderd.workers.evaluation.from_table.table import read_rows, tabulate
from ponderd.workers.evaluation.live import measure as live
from ponderd.workers.evaluation.live.questions import messages, passes, read_questions, schema
from ponderd.workers.evaluation.live.walk import (
    ArmOutcome,
    Task,
    case_of,
    steps,
    taught,
    tune_price,
    walk,
)
from ponderd.workers.thinking.criteria import read
from ponderd.workers.thinking.policy import Policy

HEADING = "task,set,arm,sample,passed,tokens"
ARMS = own_arms(short=256, long=1024)


def rows_of(text: str):
    return read_rows(io.StringIO(text))


def table_of(tasks: int, chance, tokens=(10, 100), *, seed=0, more="", value=None):
    """`chance(k, arm)` is the probability that arm passes task k; `value(k, arm)` of the column
    `more`."""
    luck = random.Random(seed)
    lines = [HEADING + (f",{more}" if more else "")]
    for k in range(tasks):
        for arm, name in enumerate(("none", "long")):
            passed = int(luck.random() < chance(k, arm))
            extra = f",{value(k, arm)}" if value else ""
            lines.append(f"t{k},s{k % 2},{name},0,{passed},{tokens[arm]}{extra}")
    return tabulate(rows_of("\n".join(lines)))


def accuracy(found, name="policy"):
    return found.summaries()[name].accuracy


# -- reading a table -----------------------------------------------------------------------------


def test_samples_are_averaged_and_arms_ordered_by_effort():
    text = f"{HEADING}\na,x,long,0,1,50\na,x,long,1,0,70\na,x,none,0,true,5\n"
    table = tabulate(rows_of(text))
    assert table.arms == ("none", "long")
    assert table.passed.tolist() == [[1, 0.5]]
    assert table.tokens.tolist() == [[5, 60]]


def test_arms_with_other_names_are_ordered_by_their_tokens():
    text = f"{HEADING}\na,x,big,0,1,50\na,x,little,0,1,5\n"
    assert tabulate(rows_of(text)).arms == ("little", "big")


def test_a_feature_is_known_before_or_only_after_an_arm_was_tried():
    text = f"{HEADING},prompt,margin\na,x,none,0,1,5,why?,-2\na,x,long,0,1,50,why?,\n"
    table = tabulate(rows_of(text))
    assert table.before == {"prompt": ("why?",)}
    assert table.after["margin"][0, 0] == -2
    assert np.isnan(table.after["margin"][0, 1])


def test_tasks_that_lack_an_arm_are_left_out_and_counted():
    text = f"{HEADING}\na,x,none,0,1,5\na,x,long,0,1,50\nb,x,none,0,1,5\n"
    table = tabulate(rows_of(text))
    assert (table.tasks, table.dropped) == (("a",), 1)


def test_samples_that_are_told_twice_are_counted():
    text = f"{HEADING}\na,x,none,0,1,5\na,x,none,0,0,5\na,x,none,1,0,5\na,x,long,0,1,50\n"
    table = tabulate(rows_of(text))
    assert table.repeated == 1
    assert table.passed[0] == pytest.approx([1 / 3, 1])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("task,arm\na,none\n", "no column set, sample, passed, tokens"),
        (f"{HEADING}\n", "no rows"),
        (f"{HEADING}\na,x,none,0,maybe,5\n", "line 2: passed is 'maybe'"),
        (f"{HEADING}\na,x,none,0,2,5\n", "line 2: passed is 2"),
        (f"{HEADING}\na,x,none,0,nan,5\n", "line 2: passed is 'nan'"),
        (f"{HEADING}\na,x,none,0,1,-5\n", "line 2: tokens is -5"),
        (f"{HEADING}\na,x,none,0,1,\n", "line 2: tokens is ''"),
        (f"{HEADING}\n,x,none,0,1,5\n", "line 2: task is empty"),
        (f"{HEADING}\na,x,none,0,1\n", "line 2: not as many fields"),
        (f"{HEADING}\na,x,none,0,1,5,6\n", "line 2: not as many fields"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(text, says):
    with pytest.raises(Malformed, match=says):
        rows_of(text)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("a,x,none,0,1,5", "only one arm"),
        ("a,x,none,0,1,5\nb,x,long,0,1,5", "no task was done with every arm"),
        ("a,x,none,0,1,5\na,y,long,0,1,5", "task a is in more than one set"),
    ],
)
def test_a_table_with_nothing_to_choose_is_refused(lines, says):
    with pytest.raises(Malformed, match=says):
        tabulate(rows_of(f"{HEADING}\n{lines}\n"))


def test_columns_become_numbers_words_or_texts():
    lines = [f"{HEADING},size,colour,prompt,same"]
    for k in range(20):
        for arm in ("none", "long"):
            lines.append(f"t{k},x,{arm},0,1,5,{k},{'red' if k % 2 else 'blue'},How many {k}?,1")
    table = tabulate(rows_of("\n".join(lines)))
    encoded = learn_encoder(table).encode(table)
    assert encoded.shape == (20, 1 + 1 + 2 + 9)  # 1, size, two colours, text; `same` says nothing
    assert encoded[:, 1].mean() == pytest.approx(0)
    assert encoded[:, 2].tolist() == [k % 2 == 0 for k in range(20)]


# -- evaluating ----------------------------------------------------------------------------------


def test_where_kinds_differ_the_policy_thinks_about_those_that_need_it():
    table = table_of(200, lambda k, arm: (0.95, 0.75)[arm] if k % 2 else (0.1, 0.9)[arm])
    found = evaluate(table, "none", 0)
    summaries = found.summaries()
    assert summaries["policy"].accuracy == summaries["best-per-kind"].accuracy
    assert summaries["policy"].think_rate == pytest.approx(0.5)
    _, low, _ = found.difference("policy", "random")
    assert low > 0.1
    assert summaries["policy"].tokens < 0.6 * summaries["always-long"].tokens


def test_where_a_feature_tells_it_is_better_than_any_kind():
    hard = [k % 3 == 0 for k in range(300)]
    table = table_of(
        300,
        lambda k, arm: (0.05, 0.9)[arm] if hard[k] else (0.95, 0.75)[arm],
        more="difficulty",
        value=lambda k, arm: hard[k] + 0.1 * (k % 5),
    )
    found = evaluate(table, "none", 0)
    assert found.summaries()["policy"].think_rate == pytest.approx(1 / 3, abs=0.1)
    assert accuracy(found) > accuracy(found, "always-none") + 0.2
    assert accuracy(found) > accuracy(found, "random") + 0.1


@pytest.mark.parametrize("seed", range(4))
def test_where_there_is_nothing_to_learn_nothing_is_made_up(seed):
    table = table_of(
        300,
        lambda k, arm: 0.5,
        seed=seed,
        more="noise",
        value=lambda k, arm: random.Random(k).random(),
    )
    found = evaluate(table, "none", seed)
    assert accuracy(found) > accuracy(found, "best-per-kind") - 0.06
    assert accuracy(found) < accuracy(found, "oracle") - 0.1
    assert abs(found.difference("policy", "random")[0]) < 0.06


def test_the_outcome_of_a_task_has_no_part_in_what_is_chosen_for_it():
    """Were it known, a table of pure luck could be won."""
    table = table_of(120, lambda k, arm: 0.5, more="id", value=lambda k, arm: f"{k}")
    found = evaluate(table, "none", 0)
    assert accuracy(found) < 0.62


def test_a_verifier_that_knows_is_the_bound_of_all():
    table = table_of(200, lambda k, arm: 0.7)
    none, oracle = evaluate(table, "none", 0), evaluate(table, "oracle", 0)
    assert accuracy(oracle) > accuracy(none) + 0.1
    assert accuracy(oracle) <= accuracy(oracle, "oracle") + 1e-9


def test_margins_are_used_where_they_tell():
    luck = random.Random(1)
    right = [luck.random() < 0.5 for _ in range(300)]
    table = table_of(
        300,
        lambda k, arm: 0.95 if arm else float(right[k]),
        more="margin",
        value=lambda k, arm: "" if arm else (-0.05 if right[k] else -2.5),
    )
    blind, seeing = evaluate(table, "none", 0), evaluate(table, "margin", 0)
    assert accuracy(seeing) > 0.93
    assert seeing.summaries()["policy"].tokens < 0.75 * blind.summaries()["policy"].tokens
    assert seeing.summaries()["policy"].think_rate == pytest.approx(0.5, abs=0.1)


def test_without_margins_they_cannot_be_used():
    with pytest.raises(Malformed, match="no column margin"):
        evaluate(table_of(20, lambda k, arm: 0.5), "margin", 0)


def test_a_budget_is_kept_and_quality_too():
    table = table_of(300, lambda k, arm: 0.9 if k % 2 or arm else 0.4)
    thrifty = evaluate(table, "none", 0, Goal(budget=15))
    assert thrifty.summaries()["policy"].tokens <= 15
    careful = evaluate(table, "none", 0, Goal(keep=0.0))
    assert accuracy(careful) >= accuracy(careful, "always-long") - 0.03
    assert careful.summaries()["policy"].tokens < 70


def test_the_same_seed_gives_the_same():
    table = table_of(60, lambda k, arm: 0.6)
    one, two = evaluate(table, "none", 3), evaluate(table, "none", 3)
    assert one.summaries() == two.summaries()


def test_intervals_hold_what_they_should():
    values = np.array([0.0, 1.0] * 200)
    low, high = interval(values, 0)
    assert 0.44 < low < 0.46
    assert 0.54 < high < 0.56
    assert interval(np.ones(5), 0) == (1, 1)


def test_parts_have_their_share_of_every_set():
    table = table_of(50, lambda k, arm: 1)
    folds = split(table, 5, 0)
    assert sorted(i for fold in folds for i in fold) == list(range(50))
    assert {sum(table.sets[i] == "s0" for i in fold) for fold in folds} == {5}


def test_even_two_tasks_can_be_evaluated():
    found = evaluate(table_of(2, lambda k, arm: float(arm)), "none", 0)
    assert set(found.summaries()) == {
        "always-none",
        "always-long",
        "random",
        "best-per-kind",
        "oracle",
        "policy",
    }


# -- a bound on missed thinking ------------------------------------------------------------------


def pairs(count: int, seed=0) -> list[Pair]:
    """The dearer a token may be for it, the more often a thought is needed."""
    luck = random.Random(seed)
    return [
        Pair(price := luck.random(), cheap=luck.random() > price, thought=True)
        for _ in range(count)
    ]


def test_no_more_is_missed_than_was_allowed():
    rates = []
    for seed in range(60):
        found = control(pairs(200, seed), most=0.1)
        assert found is not None
        fresh = pairs(2000, seed + 1000)
        rates.append(sum(p.needed and p.price < found.price for p in fresh) / len(fresh))
    assert sum(rates) / len(rates) <= 0.1
    assert sum(rates) / len(rates) > 0.07  # and not by always thinking


def test_too_few_pairs_promise_nothing():
    assert control(pairs(LEAST_PAIRS - 1), most=0.5) is None
    assert control(pairs(LEAST_PAIRS), most=0.0) is None


def test_one_miss_that_was_not_seen_is_counted():
    needed, easy = Pair(0.5, cheap=False, thought=True), Pair(0.9, cheap=True, thought=True)
    assert control([needed] * 2 + [easy] * 97, most=0.03).price == float("inf")
    assert control([needed] * 3 + [easy] * 96, most=0.03).price == 0.5
    assert control([easy] * 99, most=0.009) is None


# -- questions -----------------------------------------------------------------------------------


def question(**fields):
    usual = {"task": "t", "question": "q?", "check": "exact", "answer": "a"}
    return read_questions([json.dumps({**usual, **fields})])[0]


@pytest.mark.parametrize(
    ("fields", "right", "wrong"),
    [
        (
            {"check": "number", "answer": 42},
            ['{"answer":42}', '{"answer":"42.0"}'],
            ['{"answer":4}'],
        ),
        ({"check": "number", "answer": 1200}, ['{"answer":"$1,200"}'], ['{"answer":"many"}']),
        (
            {"check": "choice", "answer": "bug", "choices": ["bug", "spam"]},
            ['{"answer":"bug"}', '{"answer":" Bug "}'],
            ['{"answer":"spam"}', "{}"],
        ),
        (
            {"check": "exact", "answer": "New York"},
            ['{"answer":"new  york"}'],
            ['{"answer":"York"}'],
        ),
        (
            {"check": "regex", "answer": r"\bparis\b"},
            ['{"answer":"It is Paris."}'],
            ['{"answer":"Parisian"}'],
        ),
        (
            {"check": "json", "answer": {"n": 3, "who": "Ann", "in": {"ok": True}}},
            ['{"n":3.0,"who":"ann","in":{"ok":true},"more":1}'],
            ['{"n":3,"who":"Ann","in":{"ok":"true"}}', '{"n":3}'],
        ),
        (
            {"check": "json", "answer": {"sizes": [1, {"w": 2}], "of": None}},
            ['{"sizes":[1.0,{"w":2}],"of":null}', '{"sizes":[1,{"h":0,"w":2}],"of":null}'],
            [
                '{"sizes":[1,{"w":2}]}',
                '{"sizes":[1],"of":null}',
                '{"sizes":[{"w":2},1],"of":null}',
                '{"sizes":"[1, {}]","of":"None"}',
                '{"sizes":[true,{"w":2}],"of":null}',
            ],
        ),
        (
            {"check": "json", "answer": {"n": 10**400}},
            ['{"n":%d}' % 10**400],  # noqa: UP031
            ['{"n":1}', '{"n":1e999}'],
        ),
    ],
)
def test_answers_are_checked(fields, right, wrong):
    asked = question(**fields)
    assert all(passes(asked, content) for content in right)
    assert not any(passes(asked, content) for content in (*wrong, "", "no JSON", "[1]", "null"))


def test_a_schema_tells_no_more_than_a_form_would():
    asked = question(check="json", answer={"n": 3, "who": "Ann"})
    assert "Ann" not in json.dumps(schema(asked))
    assert schema(asked)["properties"] == {"n": {"type": "number"}, "who": {"type": "string"}}
    assert messages(asked)[-1] == {"role": "user", "content": "q?"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("not json", "line 1"),
        ('{"task":"t","question":"q","check":"guess","answer":1}', "line 1: check"),
        ('{"task":"t","question":"q","check":"number","answer":"many"}', "is not a number"),
        ('{"task":"t","question":"q","check":"choice","answer":"a"}', "not one of the choices"),
        ('{"task":"t","question":"q","check":"regex","answer":"("}', "is not a pattern"),
        ('{"task":"t","question":"q","check":"json","answer":[]}', "not a JSON object"),
    ],
)
def test_wrong_questions_are_refused_with_their_line(line, says):
    with pytest.raises(Malformed, match=says):
        read_questions([line])


def test_a_task_stands_once():
    line = '{"task":"t","question":"q","check":"exact","answer":"a"}'
    with pytest.raises(Malformed, match="line 2: task t is listed twice"):
        read_questions([line, line])
    with pytest.raises(Malformed, match="no question"):
        read_questions(["", "  "])


# -- a worker's own policy on known outcomes -----------------------------------------------------


STORY = "Anna buys {} boxes of 12 eggs each and drops 5. How many eggs are left in total per box?"


def known(count=80) -> list[Task]:
    """Easy ones that thinking spoils a little, and stories that need it; margins tell some."""
    luck = random.Random(0)
    tasks = []
    for k in range(count):
        hard = k % 2
        text = STORY.format(k) if hard else f"What is the capital of country {chr(65 + k % 26)}?"
        cheap = float(luck.random() < (0.1 if hard else 0.95))
        thought = float(luck.random() < (0.7 if hard else 0.9))
        outcomes = {
            "none": ArmOutcome(cheap, 8, -0.1 if cheap else -2.0),
            "short": ArmOutcome(thought, 120 if hard else 40, -0.1),
            "long": ArmOutcome(thought, 150 if hard else 40, -0.1),
        }
        tasks.append(Task(f"t{k}", "hard" if hard else "easy", read(text), outcomes))
    return tasks


def test_it_walks_up_from_what_is_doubted():
    outcomes = {
        "none": ArmOutcome(0, 10, -5.0),
        "short": ArmOutcome(1, 100, -0.01),
        "long": ArmOutcome(1, 500, -0.01),
    }
    walked = walk(case_of(read("hello"), ARMS), Policy(learning=False), outcomes, 0.5)
    assert walked.arms == ("none", "short")
    assert (walked.passed, walked.tokens) == (1, 110)


def test_the_steps_of_a_walk_can_be_taken_one_by_one():
    walking = steps(case_of(read("hello"), ARMS), Policy(learning=False), 0.5)
    assert next(walking).arm == "none"
    assert walking.send(ArmOutcome(0, 10, -5.0)).arm == "short"
    with pytest.raises(StopIteration):
        walking.send(ArmOutcome(1, 10, -0.01))


def test_tuned_it_is_as_good_as_the_best_fixed_arm_for_fewer_tokens():
    tasks = known()
    train, test = tasks[:60], tasks[60:]
    price = tune_price(train, ARMS, [0.0, 0.3, 1.0, 3.0], folds=3, keep=0.0)
    policy = Policy(taught(train, ARMS, price), price, trying=False)
    walked = [walk(case_of(t.criteria, ARMS), policy, t.outcomes, 0.5) for t in test]
    best = max(sum(t.outcomes[arm.name].passed for t in test) for arm in ARMS)
    always = sum(t.outcomes["short"].tokens for t in test)
    assert sum(one.passed for one in walked) >= best - 1
    assert sum(one.tokens for one in walked) < 0.95 * always
    assert {one.arms[0] for one, t in zip(walked, test, strict=True) if t.set == "easy"} == {"none"}


def test_a_single_task_is_nothing_to_learn_from():
    table = tabulate(
        read_rows(
            io.StringIO("task,set,arm,sample,passed,tokens\na,x,none,0,1,5\na,x,long,0,1,9\n")
        )
    )
    with pytest.raises(Malformed, match="only one task"):
        evaluate(table, "none", 0)


def test_a_sheet_goes_on_after_its_last_whole_row(tmp_path):
    sheet = live.Sheet(tmp_path / "t.csv", ("task", "question"))
    sheet.append({"task": "1", "question": "a\u2028b"})
    sheet.append({"task": "2", "question": "several\nlines"})
    whole = sheet.rows()
    assert [row["question"] for row in whole] == ["a\u2028b", "several\nlines"]
    text = sheet.path.read_bytes()
    sheet.path.write_bytes(text[:-3])  # within the quoted field of the second row
    assert sheet.rows() == whole[:1]
    sheet.append({"task": "3", "question": "c"})
    assert [row["task"] for row in sheet.rows()] == ["1", "3"]
