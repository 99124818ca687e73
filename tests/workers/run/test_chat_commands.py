"""A person's own switch: what counts as one, what it says, and that the model never sees it."""

import pytest

from ponderd.workers.agents.arms import own_arms
from ponderd.workers.agents.shipped.assistant import agent
from ponderd.workers.context.render import render
from ponderd.workers.run import events as e
from ponderd.workers.run.chat_commands import switch_of, without_switch
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import Turn
from ponderd.workers.thinking.case import case_of
from tests.services.cpu import in_linear_time


@pytest.mark.parametrize(
    ("text", "switch", "left"),
    [
        ("/think why?", "on", "why?"),
        ("why? /think", "on", "why?"),
        ("  /THINK  why?", "on", "why?"),
        ("/think hard why?", "hard", "why?"),
        ("!think hard\nwhy?", "hard", "why?"),  # Slack keeps the slash for itself
        ("/no_think", "off", ""),
        ("/nothink why?", "off", "why?"),
        ("Subject: Rota\n\n/think who is on call?", "on", "Subject: Rota\n\nwho is on call?"),
        ("Hello!\n/no_think\nWhat time is it?", "off", "Hello!\nWhat time is it?"),
        ("please /think hard.", "hard", "please"),
    ],
)
def test_a_switch_stands_at_the_beginning_or_end_of_a_line(text, switch, left):
    assert switch_of(text) == switch
    assert without_switch(text).strip() == left


@pytest.mark.parametrize(
    "text", ["I /think so", "/thinking aloud", "why /think?", "a/think", "think", "/thinkhard", ""]
)
def test_other_words_are_no_switch(text):
    assert switch_of(text) is None
    assert without_switch(text) == text


def test_the_last_switch_counts_and_all_are_cut():
    text = "/think one\n/no_think two"
    assert switch_of(text) == "off"
    assert without_switch(text) == "one\ntwo"


@pytest.mark.parametrize(
    ("text", "switch", "left"),
    [
        ("/think /no_think What is 2?", "off", "What is 2?"),
        ("What is 2? /no_think /think hard", "hard", "What is 2? "),
        ("/no_think: what", "off", "what"),
        ("a" * 1993 + " /thinking-mode is a path " + "b" * 4000, None, None),
        ("x\n" * 3000 + "/no_think\n" + "x\n" * 3000, "off", "x\n" * 6000),
    ],
)
def test_several_switches_are_one_and_none_is_left_over(text, switch, left):
    assert switch_of(text) == switch
    assert without_switch(text) == (text if left is None else left)


def test_cutting_takes_time_linear_in_the_text():
    text = "/think " * 100_000 + "\n" + " " * 300_000 + "/thin"
    with in_linear_time():
        without_switch(text)


@pytest.mark.parametrize(
    "text", ["\u200b/no_think\nWhat?", "/no\u200b_think\nWhat?", "hi\u2028/no_think\u2028What?"]
)
def test_unseen_characters_smuggle_no_switch(text):
    (*_, last) = render([Turn("person", text)], agent, limit_chars=5000)
    assert "no_think" not in last["content"]
    launched = e.RunLaunched(
        at=0, run_id="00-a-b", agent="a", agent_version="1", channel="api", conversation="c"
    )
    run = fold([launched, e.MessageReceived(at=0, text=text, sender="ann", via="api")])
    assert case_of(run, agent, own_arms(256, 1024)).switch == "off"


def test_hard_is_only_a_word_of_its_own():
    assert switch_of("/think hardly anybody knows") == "on"
    assert without_switch("/think hardly anybody knows") == "hardly anybody knows"
