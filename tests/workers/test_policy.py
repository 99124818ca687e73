from dataclasses import replace

import pytest

from workers.agents.assistant import agent
from workers.events import Decision
from workers.llm.client import Budgets
from workers.thinking.policy import decide, strip_command

STORY = (
    "Anna buys 3 boxes of 12 eggs each and drops 5 eggs on the way home. "
    "How many eggs are left in total?"
)


def decision(text="hello", of=agent, before=None, rejections=0, last=None) -> Decision:
    return decide(
        agent=of,
        text=text,
        mode_before=before,
        rejections=rejections,
        last_rejection=last,
        budgets=Budgets(short=256, long=1024),
    )


def test_the_rule_is_not_to_think():
    for text in ("hello", "What is 17 * 23?", "what time is it in Tokyo?", "thanks!", ""):
        assert decision(text) == Decision(mode="none", reason="default", budget=0)


def test_a_story_with_several_numbers_is_thought_about_shortly():
    assert decision(STORY) == Decision(mode="short", reason="several steps", budget=256)


def test_a_long_text_without_a_question_of_steps_is_not():
    mail = "Subject: Invoice 4711\n\nOn 3 May 2026 you charged 20 euros to card 1234. Thanks. " * 2
    assert decision(mail).mode == "none"
    assert decision("how many 1 2 3 4 " * 1000).mode == "none"


@pytest.mark.parametrize("command", ["/think", "/THINK\n", "  /think "])
def test_a_person_can_demand_thinking(command):
    assert decision(f"{command} why?") == Decision(mode="long", reason="user:/think", budget=1024)


def test_a_person_can_forbid_thinking():
    assert decision(f"/no_think {STORY}").mode == "none"
    assert decision("/no_think x", of=replace(agent, thinking="long")).mode == "none"


def test_a_command_counts_only_at_the_beginning_and_as_a_word():
    assert decision("I /think so").reason == "default"
    assert decision("/thinking aloud").reason == "default"


def test_an_agent_can_pin_its_thinking():
    assert decision(of=replace(agent, thinking="long")).budget == 1024
    assert decision(STORY, of=replace(agent, thinking="none")).reason == "agent"


def test_the_mode_is_held_through_a_tool_loop():
    assert decision(before="short") == Decision(mode="short", reason="held", budget=256)
    assert decision(STORY, before="none").mode == "none"


@pytest.mark.parametrize("reason", ["empty", "invalid_json", "prose"])
def test_a_thought_that_broke_the_answer_is_not_repeated(reason):
    broken = decision("/think x", before="long", rejections=1, last=reason)
    assert broken == Decision(mode="none", reason="thinking broke JSON", budget=0)


@pytest.mark.parametrize("reason", ["invalid_arguments", "unknown_action"])
def test_a_wrong_choice_is_thought_about_the_next_time(reason):
    assert decision(before="none", rejections=1, last=reason).mode == "short"
    assert decision(before="short", rejections=2, last=reason).mode == "long"


def test_the_command_is_stripped_from_the_text():
    assert strip_command("/think why?") == "why?"
    assert strip_command("/no_think") == ""
    assert strip_command("why /think?") == "why /think?"
