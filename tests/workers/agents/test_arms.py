"""The arms, and what bounds leave of them."""

from ponderd.workers.agents.arms import Arm, above, below, bounded, find, own_arms, with_family

ARMS = own_arms(short=256, long=1024)
NO_LIMIT = 10**9


def names(arms):
    return [arm.name for arm in arms]


def budgets(arms):
    return [arm.budget for arm in arms]


def test_the_own_arms_are_those_of_a_model_that_can_think_and_leave_it():
    assert names(ARMS) == ["none", "short", "long"]
    assert budgets(ARMS) == [0, 256, 1024]
    assert [arm.thinks for arm in ARMS] == [False, True, True]


def test_a_member_of_the_family_comes_after_them_or_takes_the_place_of_its_name():
    large = Arm("large", "short", 512, model="m-32b", url="http://large/v1")
    longer = Arm("long", "long", 4096, model="m-long")
    family = with_family(ARMS, (large, longer))
    assert names(family) == ["none", "short", "long", "large"]
    assert find(family, "long") == longer


def test_this_model_at_another_budget_stands_where_that_does():
    family = with_family(ARMS, (Arm("mid", "short", 512), Arm("large", "none", 0, model="big")))
    assert names(family) == ["none", "short", "mid", "long", "large"]
    assert names(bounded(family, least=0, greatest=512)) == ["none", "short", "mid", "large"]


def test_one_step_up_and_down():
    assert above(ARMS, "none") == ARMS[1]
    assert above(ARMS, "long") is None
    assert above(ARMS, "unknown") is None
    assert below(ARMS, "long") == ARMS[1]
    assert below(ARMS, "none") is None


def test_the_greatest_budget_cuts_and_what_buys_no_more_is_left_out():
    assert budgets(bounded(ARMS, least=0, greatest=500)) == [0, 256, 500]
    assert budgets(bounded(ARMS, least=0, greatest=256)) == [0, 256]
    assert budgets(bounded(ARMS, least=0, greatest=100)) == [0, 100]


def test_no_thought_is_shorter_than_it_makes_sense():
    assert names(bounded(ARMS, least=0, greatest=10)) == ["none"]
    assert names(bounded(ARMS, least=0, greatest=0)) == ["none"]


def test_the_least_budget_makes_every_call_think():
    assert budgets(bounded(ARMS, least=600, greatest=NO_LIMIT)) == [600, 1024]
    assert names(bounded(ARMS, least=600, greatest=10)) == ["none"]  # the limit is harder


def test_another_model_at_the_same_budget_is_something_else():
    arms = with_family(ARMS, (Arm("large", "short", 256, model="big"),))
    assert names(bounded(arms, least=0, greatest=256)) == ["none", "short", "large"]


def test_something_is_always_left():
    only_thinking = (Arm("short", "short", 256),)
    assert names(bounded(only_thinking, least=0, greatest=0)) == ["none"]
