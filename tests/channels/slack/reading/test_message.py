"""All kinds of messages that Slack sends, and what the agent reads of them."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ponderd.channels.slack.reading.message import Names, Said, named_in, read_message
from tests.channels.slack.reading.messages import (
    OWN,
    US,
    Json,
    button,
    cells,
    mrkdwn,
    plain,
    points,
    rich,
    section,
    text,
    typed,
)
from tests.services.cpu import in_linear_time

NAMES = Names(people={"U2": "Ann", OWN: "ponderd"}, channels={"C5": "ops"}, groups={"S1": "oncall"})


def read(names: Names = NAMES, **message: Any) -> Said:
    return read_message(message, OWN, names)


MARKUP = [
    ("what is 2 &lt; 3 &amp;&amp; 4 &gt; 1?", "what is 2 < 3 && 4 > 1?"),
    ("&amp;lt;b&amp;gt; &amp;amp;", "&lt;b&gt; &amp;"),
    ("a <b> c", "a <b> c"),
    ("a\x00b\ud800", "ab"),
    ("one\r\ntwo", "one\ntwo"),
    ("<@U2> and <@U9> and <@U8|bob>", "@Ann and @U9 and @bob"),
    ("<@W9|@bea>", "@bea"),
    ("<#C5> <#C5|old> <#C6|general> <#C7|> <#C8>", "#ops #ops #general #C7 #C8"),
    ("<!subteam^S1> <!subteam^S2|@night> <!subteam^S3>", "@oncall @night @S3"),
    (
        "<!here> <!channel|channel> <!everyone|@everyone> <!group>",
        "@here @channel @everyone @group",
    ),
    ("<!date^1700000000^{date}|Tuesday>", "Tuesday"),
    ("<!date^1700000000^{date}>", "2023-11-14 22:13 UTC"),
    ("<!date^1700000000^{date}^https://cal.test/1|Tuesday>", "Tuesday (https://cal.test/1)"),
    ("<!date^9999999999999999^{date}|one day>", "one day"),
    ("<!new^kind|words>", "words"),
    ("<!new>", "@new"),
    ("<http://api.example.com|api.example.com>", "api.example.com"),
    ("<https://api.example.com/|api.example.com>", "api.example.com"),
    ("<http://API.example.com/|API.example.com>", "API.example.com"),
    ("<https://a.test/b?c=1&amp;d=2|a.test/b?c=1&amp;d=2>", "a.test/b?c=1&d=2"),
    ("<http://a.test/%C3%BC|a.test/ü>", "a.test/ü"),
    ("<https://a.test/very/long/path|https://a.test/very…>", "https://a.test/very…"),
    ("<https://a.test>", "https://a.test"),
    ("<mailto:ann@a.test|ann@a.test>", "ann@a.test"),
    ("<mailto:ann@a.test>", "ann@a.test"),
    ("<mailto:ann@a.test|write to Ann>", "write to Ann (ann@a.test)"),
    ("<tel:+4930123|+49 30 123>", "+49 30 123"),
    ("<tel:+4930123>", "+4930123"),
    ("<https://a.test/?x=1&amp;y=2|the page>", "the page (https://a.test/?x=1&y=2)"),
    ("<https://evil.test|api.example.com>", "api.example.com (https://evil.test)"),
    ("<https://a.test|:tada: party>", "🎉 party (https://a.test)"),
    ("<slack://open?team=T1|open>", "open (slack://open?team=T1)"),
    ("see (<https://a.test/x_(y)>).", "see (https://a.test/x_(y))."),
    (":tada: at 10:30:45", "🎉 at 10:30:45"),
    ("http://a.test/:x: <http://a.test/:x:>", "http://a.test/:x: http://a.test/:x:"),
    ("`:x:` :x: ```:x:\n  :x:```", "`:x:` ❌ ```:x:\n  :x:```"),
    ("```if a &lt; b:\n    pass```", "```if a < b:\n    pass```"),
    ("`curl <http://a.test|a.test>`", "`curl a.test`"),
    ("``` unclosed :x:", "``` unclosed ❌"),
    ("*bold* _it_ ~old~", "*bold* _it_ ~old~"),
    ("• one\n    ◦ two\n1. three", "• one\n    ◦ two\n1. three"),
    ("&gt; quoted\nmine", "> quoted\nmine"),
    ("a    b\n\n\nc", "a    b\n\n\nc"),
    ("  \n ", ""),
]


@pytest.mark.parametrize(("said", "expected"), MARKUP)
def test_markup(said: str, expected: str) -> None:
    assert read(text=said).text == expected


LINK = {"type": "link", "url": "https://a.test/1", "text": "the page"}
BARE = {"type": "link", "url": "http://api.example.com", "text": "api.example.com"}
TUESDAY = {"type": "date", "timestamp": 1700000000, "format": "{date}"}
CODE = {"type": "rich_text_preformatted", "elements": [text("def f():\n    return ':x:'")]}
QUOTE = {"type": "rich_text_quote", "elements": [text("one\ntwo")]}

RICH: list[tuple[Json, str]] = [
    (typed(US, text(" roll back api to 1.4.1")), "roll back api to 1.4.1"),
    (typed(text("a &amp; b <c>")), "a &amp; b <c>"),
    (typed(text("very", bold=True), text(" bold")), "*very* bold"),
    (typed(text("a "), text(" it ", italic=True), text("b")), "a  _it_ b"),
    (typed(text("old", strike=True)), "~old~"),
    (typed(text("x :x:", code=True), text(" :x:")), "`x :x:` ❌"),
    (typed(LINK), "the page (https://a.test/1)"),
    (typed(BARE), "api.example.com"),
    (typed({"type": "link", "url": "https://a.test"}), "https://a.test"),
    (typed({"type": "emoji", "name": "tada"}), "🎉"),
    (typed({"type": "emoji", "name": "wave", "skin_tone": 3}), "👋🏼"),
    (typed({"type": "emoji", "name": "x", "unicode": "274c"}), "❌"),
    (typed({"type": "emoji", "name": "our-own"}), ":our-own:"),
    (typed({"type": "user", "user_id": "U2"}, text("!")), "@Ann!"),
    (typed({"type": "user", "user_id": "U9"}), "@U9"),
    (typed({"type": "usergroup", "usergroup_id": "S1"}), "@oncall"),
    (typed({"type": "channel", "channel_id": "C5"}), "#ops"),
    (typed({"type": "broadcast", "range": "here"}), "@here"),
    (typed({"type": "team", "team_id": "T9"}), "@T9"),
    (typed({**TUESDAY, "fallback": "Tuesday"}), "Tuesday"),
    (typed(TUESDAY), "2023-11-14 22:13 UTC"),
    (typed({"type": "color", "value": "#ff0000"}), "#ff0000"),
    (typed({"type": "canvas", "title": "Plan", "id": "F1"}), "Plan"),
    (typed({"type": "new", "label": {"said": "words"}}), "words"),
    (rich(section(text("do:\n")), points("one", "two")), "do:\n• one\n• two"),
    (rich(points("one", "two", style="ordered")), "1. one\n2. two"),
    (rich(points("three", style="ordered", offset=2)), "3. three"),
    (rich(points("a"), points("b", indent=1), points("c", indent=2)), "• a\n    ◦ b\n        ▪ c"),
    (rich(points("x", "y", style="ordered", indent=1)), "a. x\n    b. y"),
    (rich(points("x", style="ordered", indent=2, offset=3)), "iv. x"),
    (rich(points("a", border=1)), "> • a"),
    (rich(QUOTE, section(text("mine"))), "> one\n> two\nmine"),
    (rich(CODE), "```\ndef f():\n    return ':x:'\n```"),
    (rich(section(text("see")), CODE, section(text("end"))), "see\n```\ndef f():\n    return ':x:'\n```\nend"),
    (rich({"type": "rich_text_preformatted", "elements": [text("a ``` b")]}), "````\na ``` b\n````"),
    (rich({"type": "rich_text_preformatted", "elements": [text("curl "), BARE]}), "```\ncurl api.example.com\n```"),
    (rich({"type": "rich_text_new", "elements": [section(text("words"))]}), "words"),
]  # fmt: skip

HEADER = {"type": "header", "text": plain("CPU &amp; memory :fire:")}
OPTIONS = [{"text": plain(label), "value": label} for label in ("one", "two")]
PICTURE = {"type": "image", "image_url": "https://i.test/a.png", "alt_text": "a chart"}
MENU = {"type": "static_select", "placeholder": plain("Pick"), "options": OPTIONS}

BLOCKS: list[tuple[Json, str]] = [
    (HEADER, "CPU & memory 🔥"),
    ({"type": "section", "text": mrkdwn("*db-1* at <https://g.test|98%>")}, "*db-1* at 98% (https://g.test)"),
    ({"type": "section", "fields": [mrkdwn("*Env*\nprod"), plain("eu")]}, "*Env*\nprod\neu"),
    ({"type": "section", "text": mrkdwn("x"), "accessory": button("Open", url="https://g.test")}, "x\n[Open (https://g.test)]"),
    ({"type": "section", "text": mrkdwn("x"), "accessory": PICTURE}, "x\n[image: a chart (https://i.test/a.png)]"),
    ({"type": "section", "text": mrkdwn("x"), "accessory": {"type": "new", "label": "words"}}, "x\nwords"),
    ({"type": "section", "text": "<@U2> says"}, "@Ann says"),
    ({"type": "context", "elements": [PICTURE, mrkdwn("by <@U2>"), plain("today")]}, "a chart by @Ann today"),
    ({"type": "markdown", "text": "# Head\n**bold** `:x:`"}, "# Head\n**bold** `:x:`"),
    ({"type": "divider"}, ""),
    ({**PICTURE, "title": plain("Load")}, "[image: Load: a chart (https://i.test/a.png)]"),
    ({"type": "image", "slack_file": {"id": "F1"}, "alt_text": "a chart"}, "[image: a chart]"),
    ({"type": "video", "title": plain("Demo"), "title_url": "https://v.test", "description": plain("How to"), "author_name": "Ann", "provider_name": "VidTube"}, "[video: Demo (https://v.test)]\nAnn\nVidTube\nHow to"),
    ({"type": "card", "title": mrkdwn("A"), "hero_image": {"type": "image", "image_url": "https://i.test/a.png", "alt_text": "chart"}}, "A\n[image: chart (https://i.test/a.png)]"),
    ({"type": "file", "external_id": "X1", "source": "remote"}, "[file: X1]"),
    ({"type": "actions", "elements": [button("Ack"), button("Close"), MENU]}, "[Ack] [Close] [one / two]"),
    ({"type": "actions", "elements": [{**MENU, "initial_option": OPTIONS[1]}]}, "[two]"),
    ({"type": "actions", "elements": [{"type": "users_select", "placeholder": plain("Who")}]}, "[Who]"),
    ({"type": "actions", "elements": [{"type": "multi_users_select", "initial_users": ["U2", "U9"]}]}, "[@Ann / @U9]"),
    ({"type": "actions", "elements": [{"type": "channels_select", "initial_channel": "C5"}]}, "[#ops]"),
    ({"type": "actions", "elements": [{"type": "datepicker", "initial_date": "2026-03-01"}]}, "[2026-03-01]"),
    ({"type": "actions", "elements": [{"type": "datetimepicker", "initial_date_time": 1700000000}]}, "[2023-11-14 22:13 UTC]"),
    ({"type": "input", "label": plain("Host"), "element": {"type": "plain_text_input", "initial_value": "db-1"}, "hint": plain("its name")}, "Host: [db-1]\nits name"),
    ({"type": "input", "label": plain("Host"), "element": {"type": "plain_text_input"}}, "Host"),
    ({"type": "call", "call": {"v1": {"name": "Sync", "join_url": "https://z.test", "all_participants": [{"slack_id": "U2"}, {"display_name": "Bob"}]}}}, "[call: Sync (https://z.test)]\n@Ann, Bob"),
    ({"type": "table", "rows": [cells("Host", "Load"), cells("db-1", "98")]}, "| Host | Load |\n| --- | --- |\n| db-1 | 98 |"),
    ({"type": "table", "rows": [[typed(text("a", bold=True)), typed(LINK)], cells("b|c")]}, "| *a* | the page (https://a.test/1) |\n| --- | --- |\n| b\\|c |"),
    ({"type": "data_table", "caption": "Hosts", "rows": [cells("a"), [{"type": "raw_number", "value": 3}]]}, "Hosts\n| a |\n| --- |\n| 3 |"),
    ({"type": "table", "rows": [["a", 1, None], "x"]}, "| a | 1 |  |\n| --- | --- | --- |"),
    ({"type": "alert", "text": plain("Disk full"), "level": "error"}, "Disk full"),
    ({"type": "card", "title": mrkdwn("*Order*"), "body": mrkdwn("Body :tada:"), "actions": [button("Go")]}, "*Order*\nBody 🎉\n[Go]"),
    ({"type": "carousel", "elements": [{"type": "card", "title": mrkdwn("One")}, {"type": "card", "title": mrkdwn("Two")}]}, "One\nTwo"),
    ({"type": "container", "child_blocks": [HEADER, typed(text("words"))]}, "CPU & memory 🔥\nwords"),
    ({"type": "contact_card", "contact": {"user_id": "U2", "name": "Ann Other", "email": "ann@a.test"}}, "Ann Other\nann@a.test"),
    ({"type": "task_card", "title": "Look up", "details": typed(text("three hosts"))}, "Look up\nthree hosts"),
    ({"type": "new", "id": "Z1", "image_url": "https://i.test", "color": "red", "x": [[{"y": "words"}], "more"]}, "words\nmore"),
    ({"type": "workflow_button", "text": plain("Start")}, "[Start]"),
    ({"headless": "words"}, "words"),
]  # fmt: skip


@pytest.mark.parametrize(("block", "expected"), RICH + BLOCKS)
def test_blocks_without_text(block: Json, expected: str) -> None:
    assert read(blocks=[block]).text == expected
    assert read(text="", blocks=[block]).text == expected
    assert read(text=None, blocks=["x", None, block, 5]).text == expected


class TestTextAndBlocks:
    """Text and blocks say the same thing, unless a program made them. Nothing is said twice."""

    @pytest.mark.parametrize(
        ("said", "blocks", "expected"),
        [
            ("<@UBOT> *go* on", [typed(US, text(" "), text("go", bold=True), text(" on"))], "*go* on"),
            ("    a. x\n    b. y", [rich(points("x", "y", style="ordered", indent=1))], "a. x\n    b. y"),
            ("no. deploy", [typed(text("deploy"))], "no. deploy"),
            ("1. one\n2. two", [rich(points("one", "two", style="ordered"))], "1. one\n2. two"),
            ("```a\n  b```", [rich({**CODE, "elements": [text("a\n  b")]})], "```a\n  b```"),
            (":tada: <@U8|bob>", [typed({"type": "emoji", "name": "tada"}, {"type": "user", "user_id": "U8"})], "🎉 @bob"),
            ("the beginning", [typed(text("the beginning and the end"))], "the beginning and the end"),
            ("CPU", [HEADER, {"type": "section", "text": mrkdwn("db-1")}], "CPU & memory 🔥\ndb-1"),
            ("New alert", [HEADER], "New alert\nCPU & memory 🔥"),
            ("New alert: db-1", [HEADER, {"type": "section", "text": mrkdwn("*db-1*")}], "New alert: db-1\nCPU & memory 🔥"),
            ("look", [typed(text("look")), {"type": "table", "rows": [cells("a", "b")]}], "look\n| a | b |\n| --- | --- |"),
            ("ok", [typed({"type": "emoji", "name": "x"})], "ok\n❌"),
            ("hi", [{"type": "divider"}], "hi"),
            ("This content can't be displayed.", [HEADER], "CPU & memory 🔥"),
            ("This content can't be displayed.", [], "This content can't be displayed."),
            ("look at <https://a.test/c|our great Plan> now", [typed(text("look at our great "), {"type": "canvas", "title": "Plan", "x": "new"}, text(" now"))], "look at our great Plan (https://a.test/c) now"),
            ("hi", "no blocks", "hi"),
        ],
    )  # fmt: skip
    def test_both(self, said: str, blocks: Any, expected: str) -> None:
        assert read(text=said, blocks=blocks).text == expected

    def test_the_blocks_tell_which_emoji_a_name_is(self) -> None:
        ship = {"type": "emoji", "name": "newest", "unicode": "1f6a2"}
        assert read(text="a:newest:", blocks=[typed(text("a"), ship)]).text == "a🚢"


BEN = {"author_name": "Ben", "text": "checkout answers 502 since 09:14"}
SHARE = {"is_share": True, "is_msg_unfurl": True, **BEN, "fallback": "[09:15] Ben: checkout …"}
SAID_BY_BEN = "Forwarded message from Ben:\ncheckout answers 502 since 09:14"
TABLE = {"id": 1, "blocks": [{"type": "table", "rows": [cells("a", "b")]}], "fallback": "[no preview available]"}  # fmt: skip
ALERT = {"color": "danger", "pretext": "pre", "author_name": "Graf", "title": "Alert", "title_link": "https://g.test", "text": "*load* :fire:", "fields": [{"title": "env", "value": "prod", "short": True}, {"value": "eu"}], "footer": "graf", "ts": 1700000000, "fallback": "plain"}  # fmt: skip
PREVIEW = {"from_url": "https://x.test/1", "service_name": "X", "title": "Title", "title_link": "https://x.test/1", "text": "What it says", "fallback": "X: Title"}  # fmt: skip

ATTACHMENTS: list[tuple[Json, str]] = [
    (SHARE, SAID_BY_BEN),
    ({**SHARE, "text": "", "message_blocks": [{"message": {"blocks": [typed(text(BEN["text"]))]}}]}, SAID_BY_BEN),
    ({**SHARE, "message_blocks": [{"message": {"blocks": [typed(text(BEN["text"]))]}}]}, SAID_BY_BEN),
    ({**SHARE, "blocks": [typed(text(BEN["text"]))]}, SAID_BY_BEN),
    ({**SHARE, "text": "", "message_blocks": [{"message": {"text": BEN["text"]}}]}, SAID_BY_BEN),
    ({**SHARE, "author_id": "U2"}, SAID_BY_BEN.replace("Ben", "@Ann")),
    ({**SHARE, "author_name": "", "author_id": "U9"}, SAID_BY_BEN.replace("Ben", "@U9")),
    ({**SHARE, "author_name": None, "author_subname": "Benjamin"}, SAID_BY_BEN.replace("Ben", "Benjamin")),
    ({**SHARE, "channel_id": "C5", "ts": "1700000000.000100"}, SAID_BY_BEN.replace("Ben:", "Ben, #ops, 2023-11-14 22:13 UTC:")),
    ({**SHARE, "channel_name": "dev"}, SAID_BY_BEN.replace("Ben:", "Ben, #dev:")),
    ({**SHARE, "footer": "Posted in #dev"}, SAID_BY_BEN.replace("Ben:", "Ben, Posted in #dev:")),
    ({**BEN, "channel_id": "C5", "ts": "1700000000.000100"}, "Linked message from Ben, #ops, 2023-11-14 22:13 UTC:\n" + BEN["text"]),
    ({**BEN, "is_msg_unfurl": True}, SAID_BY_BEN.replace("Forwarded", "Linked")),
    ({"is_share": True, "text": "words"}, "Forwarded message:\nwords"),
    ({**SHARE, "text": "ask <@UBOT> and <@U2>"}, "Forwarded message from Ben:\nask @ponderd and @Ann"),
    ({**SHARE, "attachments": [{**SHARE, "author_name": "Eve", "text": "inner"}]}, SAID_BY_BEN + "\nForwarded message from Eve:\ninner"),
    ({**SHARE, "message_blocks": [{"message": {"attachments": [PREVIEW]}}]}, SAID_BY_BEN + "\nPreview of https://x.test/1:\nX\nTitle\nWhat it says"),
    ({**SHARE, "fields": [{"title": "env", "value": "prod"}]}, SAID_BY_BEN + "\nenv: prod"),
    ({**SHARE, "image_url": "https://i.test/a.png"}, SAID_BY_BEN + "\n[image: https://i.test/a.png]"),
    ({"is_share": True, "fallback": "[09:15] Ben: words"}, "Forwarded message:\n[09:15] Ben: words"),
    ({"is_share": True, "from_url": "https://t.test/p1", "fallback": "[no preview available]"}, "Forwarded message:\nhttps://t.test/p1"),
    (TABLE, "| a | b |\n| --- | --- |"),
    (ALERT, "pre\nGraf\nAlert (https://g.test)\n*load* 🔥\nenv: prod\neu\ngraf\n2023-11-14 22:13 UTC"),
    ({"text": "host db-1 at 98%"}, "host db-1 at 98%"),
    ({"text": "same", "title": "same", "fallback": "same"}, "same"),
    ({"fallback": "only &lt;this&gt;"}, "only <this>"),
    ({"fallback": "[no preview available]"}, ""),
    ({"text": "x", "actions": [{"text": "Ack", "type": "button"}, {"text": "Run", "url": "https://r.test"}]}, "x\n[Ack] [Run (https://r.test)]"),
    ({"color": "good", "blocks": [{"type": "section", "text": mrkdwn("*up*")}], "text": "up"}, "up"),
    ({"color": "good", "blocks": [HEADER], "fallback": "fb"}, "CPU & memory 🔥"),
    ({"image_url": "https://i.test/a.png", "fallback": "a.png"}, "[image: https://i.test/a.png]"),
    ({"title": "T", "author_name": "A", "author_link": "https://a.test"}, "A (https://a.test)\nT"),
    ({"fields": [{"title": "n", "value": 5}, {"title": "only"}, "x"]}, "n: 5\nonly"),
    (PREVIEW, "Preview of https://x.test/1:\nX\nTitle\nWhat it says"),
    ({"original_url": "https://x.test", "title": "T"}, "Preview of https://x.test:\nT"),
    ({"from_url": "https://x.test", "blocks": [HEADER]}, "Preview of https://x.test:\nCPU & memory 🔥"),
    ({"new_kind": {"heading": "words"}, "id": 3}, "words"),
    ({}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("attachment", "expected"), ATTACHMENTS)
def test_attachments(attachment: Json, expected: str) -> None:
    assert read(text="", attachments=[attachment]).text == expected
    below = f"mine\n{expected}" if expected else "mine"
    assert read(text="mine <@UBOT>", attachments=[None, attachment, "x"]).text == below


class TestOwnWords:
    """A yes or a command is read from what the writer typed, and from nothing else."""

    @pytest.mark.parametrize(
        "attachment",
        [{**SHARE, "text": "yes"}, {**BEN, "text": "yes"}, {"text": "!cancel"}, {**PREVIEW, "text": "yes"}],
    )  # fmt: skip
    def test_what_others_wrote_is_not_the_writers(self, attachment: Json) -> None:
        assert read(text="", attachments=[attachment]).own == ""
        assert read(text="hm", attachments=[attachment]).own == "hm"

    def test_a_table_that_was_pasted_is(self) -> None:
        assert read(text="yes", attachments=[TABLE]).own == "yes\n| a | b |\n| --- | --- |"

    @pytest.mark.parametrize(
        ("said", "own"),
        [
            ("&gt; May I?\n&gt; Really?\n\nyes", "yes"),
            ("&gt; yes", "> yes"),
            ("yes\n&gt; but not today", "yes\n> but not today"),
            ("a &gt; b", "a > b"),
        ],
    )
    def test_a_quotation_above_is_not(self, said: str, own: str) -> None:
        assert read(text=said).own == own

    def test_nor_is_a_file(self) -> None:
        assert read(files=[{"id": "F1", "name": "a", "preview": "yes"}]).own == ""


class TestOtherMessages:
    def test_a_reply_shown_in_the_channel_says_to_what(self) -> None:
        root = {"user": "U2", "text": "who deploys?", "ts": "1.2"}
        said = read(subtype="thread_broadcast", text="I do", root=root)
        assert said.text == "I do\nReply to the message from @Ann:\nwho deploys?"
        assert said.own == "I do"

    @pytest.mark.parametrize("root", [{"user": OWN, "text": "x"}, {"user": "U2"}, {}, None, "x"])
    def test_of_ours_it_is_known(self, root: object) -> None:
        assert read(text="I do", root=root).text == "I do"

    def test_a_huddle(self) -> None:
        assert read(subtype="huddle_thread", text="", room={"name": "standup"}).text == (
            "[huddle: standup]"
        )
        assert read(room={"id": "R1"}).text == "[huddle]"

    def test_only_files(self) -> None:
        said = read(subtype="file_share", text="", files=[{"id": "F1", "name": "a.txt"}])
        assert (said.text, said.own, [file.name for file in said.files]) == ("", "", ["a.txt"])

    def test_files_come_from_everywhere(self) -> None:
        said = read(
            files=[{"id": "F1"}, {"id": "F2"}, {"id": "F1"}],
            file={"id": "F3"},
            blocks=[{"type": "file", "file": {"id": "F4"}}, {"type": "image", "slack_file": {"id": "F5"}}],
            attachments=[
                {**SHARE, "files": [{"id": "F6"}, {"id": "F1"}], "attachments": [{"files": [{"id": "F7"}]}]},
                {"is_share": True, "message_blocks": [{"message": {"files": [{"id": "F8"}]}}]},
            ],
        )  # fmt: skip
        assert [file.id for file in said.files] == ["F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8"]

    def test_too_many_files_are_counted(self) -> None:
        said = read(text="hi", files=[{"id": f"F{number}"} for number in range(103)])
        assert len(said.files) == 100
        assert said.text == "hi\n[3 more files are left out]"

    def test_what_is_too_long_is_cut_and_says_so(self) -> None:
        said = read(Names(people={"U2": "n" * 80}), text="<@U2>" * 20_000)
        assert len(said.text) < 1_100_000
        assert said.text.endswith("[the rest of this message is left out: it is too long]")

    @pytest.mark.parametrize("name", ["@Ann", "Ann\nBob", "  Ann  "])
    def test_a_name_is_one_line(self, name: str) -> None:
        said = read(Names(people={"U2": name}), text="<@U2>").text
        assert said == "@" + " ".join(name.removeprefix("@").split())


def test_ids_that_need_names() -> None:
    message = {
        "text": "<@U1> <@U2|ann> <#C1|> <!subteam^S1|@x> <@U1>",
        "blocks": [typed({"type": "user", "user_id": "U3"}, {"type": "channel", "channel_id": "C2"})],
        "attachments": [{"author_id": "U4", "channel_id": "C3", "text": "<@W5>"}],
        "root": {"user": "U6"},
    }  # fmt: skip
    found = named_in(message)
    assert set(found.people) == {"U1", "U2", "U3", "U4", "W5", "U6"}
    assert set(found.channels) == {"C1", "C2", "C3"}
    assert found.groups == ("S1",)
    assert len(named_in({"text": "".join(f"<@U{n:05}>" for n in range(1_000))}).people) == 200


KEYS = st.sampled_from(
    "text blocks attachments type elements rows files file fields title value style indent offset "
    "message_blocks message is_share is_msg_unfurl from_url user_id name unicode url timestamp ts "
    "preview from headers accessory options root room id skin_tone placeholder initial_users call "
    "v1 all_participants transcription footer fallback".split()
)
TYPES = st.sampled_from(
    "rich_text rich_text_section rich_text_list rich_text_quote rich_text_preformatted section text "
    "link emoji user channel date table raw_text image video file actions button static_select "
    "input call context header markdown divider new mrkdwn plain_text".split()
)
LEAVES = (
    TYPES
    | st.text(max_size=12)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["<@UBOT>", ":+1:", "`", "```", "&lt;", "<http://a|b>", "1700000000.1", "\n"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=5)
        | st.builds(lambda kind, more: {**more, "type": kind}, TYPES, st.dictionaries(KEYS, inner, max_size=5))
    ),
    max_leaves=25,
)  # fmt: skip


@settings(
    max_examples=500,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(st.dictionaries(KEYS, JSON, max_size=6))
def test_whatever_slack_sends_is_read(message: Json) -> None:
    said = read_message(message, OWN, NAMES)
    assert "\x00" not in said.text + said.own
    assert all(file.name for file in said.files)
    (said.text + said.own).encode()
    named_in(message)


def nested(key: str, depth: int = 900, **more: Any) -> Json:
    found: Json = {"text": "words", **more}
    for _ in range(depth):
        found = {**more, key: [found]}
    return found


@pytest.mark.parametrize("key", ["elements", "attachments", "blocks", "message_blocks", "x"])
@pytest.mark.parametrize(
    "kind", ["rich_text", "rich_text_list", "context", "actions", "table", "new"]
)
def test_what_is_nested_deeply_is_read_or_said_to_be_left_out(key: str, kind: str) -> None:
    deep = nested(key, type=kind)
    read(blocks=[deep])
    read(attachments=[deep, nested(key, is_share=True)])
    assert "nested deeper" in read(attachments=[nested("attachments", is_share=True)]).text


HOSTILE = ["<", "<@", "`", "```", "``` ", "a`", "&amp;", "&lt;@U2&gt;", ":a", "<http://a|", "~*_", "> ", "\n", " ",
           "<!date^", "http://", "<@U2>", "1.", ", ", "•", "_"]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_is_read_in_linear_time(piece: str) -> None:
    long = piece * (400_000 // len(piece))
    with in_linear_time():
        read(text=long, blocks=[typed(text(long)), {"type": "section", "text": mrkdwn(long)}])
        read(attachments=[{**SHARE, "text": long}, {"text": long, "title": long, "fallback": long}])
        named_in({"text": long})


def test_hostile_structures_are_read_in_linear_time() -> None:
    with in_linear_time():
        read(blocks=[typed(text("a")) for _ in range(20_000)])
        read(blocks=[rich(*[points("a", "b", indent=99, offset=10**9) for _ in range(5_000)])])
        read(blocks=[{"type": "table", "rows": [cells(*["a"] * 1_000) for _ in range(50)]}])
        read(blocks=[{"type": "table", "rows": [cells(*["a"] * 5_000), *[cells("b")] * 20_000]}])
        read(blocks=[{"type": "new", "x": [{"y": str(number)} for number in range(50_000)]}])
        read(attachments=[{**SHARE, "files": [{"id": f"F{n}"} for n in range(20_000)]}])


def test_a_message_survives_json() -> None:
    message = {"text": "a", "blocks": [typed(text("b"))], "attachments": [SHARE]}
    assert read_message(json.loads(json.dumps(message)), OWN) == read_message(message, OWN)
