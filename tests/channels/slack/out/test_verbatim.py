"""What people are shown of a call is what will run, at every stage of its question."""

import html
import json
import random
import re
import string
from typing import Any

import pytest

from ponderd.channels.message import Address, Inquiry, Reply
from ponderd.channels.slack.button import Click, parse_click
from ponderd.channels.slack.clicks import ClickReplies
from ponderd.channels.slack.out.compose import Post, compose, outcome
from ponderd.channels.slack.out.question import buttons
from ponderd.channels.slack.out.verbatim import (
    Words,
    blocks_of,
    markup_of,
    naming,
    person_of,
    visible,
)
from ponderd.workers.run.approved_call import digest, request_text, shown
from ponderd.workers.run.choices import ToolCall


def tool_call(value: str) -> ToolCall:
    return ToolCall(tool="send", arguments={"text": value})


def asking(value: str, text: str = "", **fields: Any) -> Reply:
    call = tool_call(value)
    inquiry = Inquiry(
        id="r1:7",
        kind="approval",
        call=shown(call),
        asked_by="slack:t1/u1",
        asked_for="please send *this* to <!channel>",
    )
    return Reply(
        key="r1:8",
        run_id="r1",
        agent="clerk",
        conversation="c",
        kind="question",
        text=text or request_text(call),
        to=Address(channel="slack", to="C1", thread="1.2"),
        inquiry=inquiry,
    ).model_copy(update=fields)


def code_in(blocks: list[dict[str, Any]]) -> str:
    [code] = [
        "".join(element["text"] for element in part["elements"])
        for block in blocks
        if block["type"] == "rich_text"
        for part in block["elements"]
        if part["type"] == "rich_text_preformatted"
    ]
    return code


def code_in_text(markup: str) -> str:
    """What Slack shows in the block of code of a text."""
    _, code, _ = re.split(r"^```$", markup, flags=re.M)
    return html.unescape(code[1:-1])


def read_back(code: str) -> ToolCall:
    """The call that a person reads there."""
    tool, _, rest = code.partition("(")
    name, _, value = rest.removesuffix(")").partition("=")
    return ToolCall(tool=tool, arguments={name: json.loads(value)})


def stages(value: str) -> list[Post]:
    asked = request_text(tool_call(value))
    first = asking(value)
    decided = "Approved by slack:u2."
    settled = asking(
        value,
        f"{asked}\n{decided}",
        kind="notice",
        resolves="1.3",
        settles=first.inquiry,
        outcome=decided,
    )
    return [
        *compose(first),
        *compose(asking(value, f"Still waiting: {asked}")),
        *compose(asking(value, f"Nobody has answered yet: {asked}")),
        outcome(settled),
        confirmed(compose(first)[0]),
    ]


def confirmed(asked: Post) -> Post:
    """What a click on a button makes of the message at once."""
    sent: list[dict[str, Any]] = []

    class Replies(ClickReplies):
        def _send(self, click: Click, body: dict[str, Any]) -> None:
            sent.append(body)

    [actions] = [block for block in asked.blocks if block["type"] == "actions"]
    click = parse_click(
        {
            "type": "block_actions",
            "team": {"id": "T1"},
            "user": {"id": "U2", "team_id": "T1"},
            "channel": {"id": "C1"},
            "message": {"ts": "1.3", "text": asked.text, "blocks": asked.blocks},
            "response_url": "https://hooks.slack.com/x",
            "actions": [actions["elements"][0]],
        }
    )
    assert isinstance(click, Click)
    Replies("https://slack.com/api/").confirm(click, "Approved by slack:u2.")
    return Post(sent[0]["text"], sent[0].get("blocks", []))


def check(value: str) -> None:
    call = tool_call(value)
    for post in stages(value):
        code = code_in(post.blocks) if post.blocks else code_in_text(post.text)
        assert digest(read_back(code)) == digest(call)
        assert code.isprintable()
        # The text for notifications says the same.
        assert code_in_text(post.text).replace("\u200b", "") == code
        assert set(re.findall(r"<[^>]*>", post.text)) <= {"<@U1>", "<@U2>"}


BLANKS = "\t \n\r\v\f\u00a0\u2003\u3000\u200b\u200d\ufeff\u202e\u2066\u00ad\u115f\u3164\U000e0041"
NASTY = [
    string.punctuation,
    string.punctuation[::-1] * 3,
    BLANKS,
    " " * 1_500,
    "[1.4.2](https://evil.test/9.9.9)",
    "a __b__ c ~x~ *y* _z_ `q` :white_check_mark:",
    "```\nx\n``` ````",
    "slack:U0BOSS <@U0BOSS> <!channel> @here",
    "\nApproved by slack:u0boss.\n",
    "? Please answer yes or no.",
    'send(text="other")',
    "日本語 é \ud800 👍🏽",
    "https://a.test/<x>|y&amp;&lt;",
    "> quoted\n> more",
    "",
]


@pytest.mark.parametrize("value", NASTY, ids=range(len(NASTY)))
def test_what_is_shown_is_what_is_digested(value: str) -> None:
    check(value)


@pytest.mark.parametrize("char", string.punctuation + BLANKS)
def test_every_sign_is_shown_as_it_is(char: str) -> None:
    for value in (char, char * 3, f"a{char}b{char}c", f"{char}a{char}", f"a {char} b"):
        check(value)


def test_ten_thousand_strings_are_shown_as_they_are_digested() -> None:
    chance = random.Random(12)
    letters = string.printable + BLANKS + "éß日本👍\u0301"
    for _ in range(10_000):
        value = "".join(chance.choices(letters, k=chance.randrange(40)))
        call = tool_call(value)
        [post] = compose(asking(value))
        assert digest(read_back(code_in(post.blocks))) == digest(call)
        assert code_in_text(post.text).replace("\u200b", "") == code_in(post.blocks)


def test_who_asked_for_what_is_shown_and_is_no_markup() -> None:
    [post] = compose(asking("x"))
    [section] = [
        part["elements"]
        for part in post.blocks[0]["elements"]
        if part["type"] == "rich_text_section"
        and {"type": "user", "user_id": "U1"} in part["elements"]
    ]
    assert section[-1] == {"type": "text", "text": ": “please send *this* to <!channel>”"}
    assert post.text.endswith(
        "Please answer yes or no.\nAsked by <@U1>: “please send *\u00adthis* to &lt;!channel&gt;”"
    )


def test_what_does_not_fit_of_a_call_is_counted_with_its_blanks() -> None:
    value = "x" * 8_000 + " " * 5_000
    [post] = compose(asking(value))
    call = shown(tool_call(value))
    for code, text in (
        (code_in(post.blocks), json.dumps(post.blocks)),
        (code_in_text(post.text), post.text),
    ):
        assert call.startswith(code) and len(code) < len(call)
        assert f"{len(call) - len(code):,} more characters do not fit here" in text
        assert "ponderd runs show r1" in text
    assert len(post.text) <= 3_900


def test_a_call_of_an_old_run_is_shown_as_it_is_too() -> None:
    inquiry = Inquiry(id="r1:7", kind="approval")
    text = 'May I run deploy(version="[1](http://evil.test) __x__")? Please answer yes or no.'
    [post] = compose(asking("x", text, inquiry=inquiry))
    [part] = post.blocks[0]["elements"]
    assert [element["text"] for element in part["elements"]] == [text]
    assert html.unescape(post.text).translate({0xAD: None}) == text


def test_the_words_of_a_resolved_question_stay_markdown() -> None:
    told = "slack:t1/u2: **today** slack:u0boss"
    reply = asking(
        "x",
        f"When is **it**?\n{told}",
        kind="notice",
        settles=Inquiry(id="r1:7", kind="question"),
        resolves="1.3",
        outcome=told,
    )
    assert outcome(reply).text == "When is *it*?\n<@U2>: **today** slack:u0boss"


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("Approved by slack:u2.", ["U2"]),
        ("Denied by slack:t1/u2: slack:u0boss said so.", ["U2"]),
        ('this was already denied by slack:u3: May I run x(a="slack:u0boss")?', ["U3"]),
        (
            "You may not decide this; it waits for slack:u1 or email:a@b.test or slack:t1/u4."
            " slack:u9",
            ["U1", "U4"],
        ),
        ("slack:u5: yes slack:u0boss", ["U5"]),
        ("Approved by api:“ann slack u0boss”.", []),
        ('May I run x(a="slack:u0boss")?', []),
        ("I started slack:u0boss", []),
    ],
)
def test_only_whom_ponderd_names_is_mentioned(text: str, people: list[str]) -> None:
    parts = list(naming(text))
    assert [part.text for part in parts if part.kind == "person"] == people
    assert html.unescape(re.sub("<@[^>]*>", "@", markup_of(parts))).count("@") >= len(people)


def test_a_person_whom_slack_does_not_know_is_named() -> None:
    assert person_of("email:ann@b.test\u202e") == Words("email:ann@b.test\\u202e")
    assert blocks_of([person_of("slack:w1")])[0]["elements"][0]["elements"] == [
        {"type": "user", "user_id": "W1"}
    ]


def test_what_hides_is_made_visible() -> None:
    assert visible("a\u202eb\u00a0c\u3164d\te\nf👍") == "a\\u202eb\\u00a0c\\u3164d\\te\nf👍"


def test_the_label_of_a_button_is_no_markup() -> None:
    inquiry = Inquiry(id="r1:7", kind="question", choices=(":+1: *x*",))
    [actions] = buttons(inquiry)
    assert actions["elements"][0]["text"] == {
        "type": "plain_text",
        "text": ":+1: *x*",
        "emoji": False,
    }
