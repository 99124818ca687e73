import pytest

from ponderd.channels.slack.reading.message import Names, read_message
from ponderd.channels.yes_no import read_verdict, read_yes_no
from ponderd.workers.run.chat_commands import command_of
from tests.channels.slack.reading.messages import OWN, US, Json, text, typed
from tests.services.cpu import in_linear_time


def own(said: str) -> str:
    return read_message({"text": said}, OWN).own


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("yes <@UBOT>", "yes"),
        ("yes, <@UBOT>", "yes"),
        ("yes, <@UBOT>!", "yes!"),
        ("yes <@UBOT|ponderd>", "yes"),
        ("<@UBOT>, please", "please"),
        ("<@UBOT>: deploy", "deploy"),
        ("<@UBOT>:deploy", "deploy"),
        ("<@UBOT> : deploy", "deploy"),
        ("<@UBOT>! deploy", "deploy"),
        ("<@UBOT> – deploy", "deploy"),
        ("<@UBOT>!cancel", "!cancel"),
        ("<@UBOT> !cancel", "!cancel"),
        ("<@UBOT> - one\n- two", "- one\n- two"),
        ("<@UBOT>?", "?"),
        ("<@UBOT> :) hi", ":) hi"),
        ("<@UBOT>:) hi", ":) hi"),
        ("<@UBOT>: :) hi", ":) hi"),
        ("<@UBOT> ;-) hi", ";-) hi"),
        ("<@UBOT> :D", ":D"),
        ("<@UBOT>:P hi", ":P hi"),
        ("<@UBOT> :/ broken", ":/ broken"),
        ("<@UBOT> :'( hi", ":'( hi"),
        ("<@UBOT> :8080 is down", ":8080 is down"),
        ("<@UBOT> ::1 is down", "::1 is down"),
        ("<@UBOT> :smile: hi", "😄 hi"),
        ("<@UBOT>:(see below)", "(see below)"),
        ("<@UBOT>:Deploy", "Deploy"),
        ("<@UBOT> - hi", "- hi"),
        ("<@UBOT> ;; hi", ";; hi"),
        ("<@UBOT>,hi", "hi"),
        ("<@UBOT> , hi", "hi"),
        ("<@UBOT>; hi", "hi"),
        ("<@UBOT>. hi", "hi"),
        ("<@UBOT> ...go", "...go"),
        ("<@UBOT>、はい", "はい"),
        ("ask <@UBOT> about it", "ask about it"),
        ("please  <@UBOT>  go", "please go"),
        ("hey <@UBOT>, please", "hey, please"),
        ("well, <@UBOT>, do it", "well, do it"),
        ("are you there, <@UBOT>?", "are you there?"),
        ("<@UBOT> <@UBOT>, <@UBOT> hi <@UBOT>", "hi"),
        ("<@UBOT> :our-parrot: x", ":our-parrot: x"),
        ("<@UBOT>:our-parrot:", ":our-parrot:"),
        ("yes <@UBOT>:our-parrot:", "yes :our-parrot:"),
        ("*<@UBOT>* hi", "hi"),
        ("_*<@UBOT>*_ hi", "hi"),
        ("*<@UBOT> hi*", "*hi*"),
        ("*hi <@UBOT>*", "*hi*"),
        ("(<@UBOT>) hi", "hi"),
        ("deploy\n<@UBOT>\nnow", "deploy\nnow"),
        ("deploy <@UBOT>\nnow", "deploy\nnow"),
        ("deploy\n<@UBOT> now", "deploy\nnow"),
        ("<@UBOT>\n    indented: no", "indented: no"),
        ("a  b\t<@UBOT> c  d", "a  b c  d"),
        ("はい<@UBOT>お願い", "はいお願い"),
        ("what is <@UBOT>'s job?", "what is @UBOT's job?"),
        ("<@UBOT>", ""),
        ("<@UBOT2> hi", "@UBOT2 hi"),
    ],
)
def test_the_mention_is_taken_away_and_nothing_else(said: str, expected: str) -> None:
    read = read_message({"text": said}, OWN)
    assert (read.text, read.own) == (expected, expected)
    assert read.mentions_us is ("<@UBOT>" in said or "<@UBOT|" in said)


def test_what_is_ours_is_called_by_our_name() -> None:
    read = read_message({"text": "<@UBOT>’s job"}, OWN, Names(people={OWN: "ponderd"}))
    assert read.text == "’s job"  # spoken to
    read = read_message({"text": "is it <@UBOT>’s job"}, OWN, Names(people={OWN: "ponderd"}))
    assert read.text == "is it @ponderd’s job"


def test_without_our_id_the_first_mention_is_ours() -> None:
    read = read_message({"text": "<@UX|x> ask <@U2>"}, None)
    assert (read.text, read.mentions_us) == ("ask @U2", True)
    assert read_message({"text": "ask <@U2>"}, None).mentions_us is False
    assert read_message({"text": "<@U2> knows"}, "").text == "@U2 knows"


YES = ["yes", ":+1:", ":thumbsup:", ":thumbsup::skin-tone-3:", ":white_check_mark:", "👍", "ok"]
YES += [":heavy_check_mark:", ":ok_hand:", "go ahead", "yes :tada:"]
NO = ["no", ":-1:", ":x:", ":thumbsdown::skin-tone-6:", ":no_entry_sign:", "❌", ":no_good:"]
NO += ["stop", ":octagonal_sign:"]
SPELLINGS = ["{}", "*{}*", "_{}_", "*_{}_*", "`{}`", "{} ", "\n{}\n"]
PLACES = ["{}", "<@UBOT> {}", "{} <@UBOT>", "<@UBOT>: {}", "{}, <@UBOT>", "<@UBOT|p> {} <@UBOT>"]
PLACES += ["*<@UBOT>* {}", "&gt; May I?\n{}", "<@UBOT>\n{}", "<@UBOT>{}"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_verdict_means_the_same_in_every_spelling(spelling: str, place: str) -> None:
    for words, meant in ((YES, True), (NO, False)):
        for word in words:
            said = place.format(spelling.format(word))
            assert read_yes_no(own(said)) is meant, said


@pytest.mark.parametrize(
    "said",
    [
        "~yes~",  # struck: taken back
        "~yes~ no",
        "yes?",
        "<@UBOT> yes but only staging",
        "yes\n&gt; but only staging",
        "&gt; yes",
        "&gt; yes &lt;@UBOT&gt;",
        "10:100:45",
        "ask <@UBOT> about it",
    ],
)
def test_what_is_no_clear_verdict_is_none(said: str) -> None:
    assert read_verdict(own(said))[0] is not True


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("spelling", ["{}", "*{}*", "_{}_", "`{}`", "{}.", "*_{}_*"])
@pytest.mark.parametrize("command", ["cancel", "pause", "resume"])
def test_a_command_means_the_same_in_every_spelling(
    command: str, spelling: str, place: str
) -> None:
    assert command_of(own(place.format(spelling.format(f"!{command}")))) == command


@pytest.mark.parametrize(
    ("elements", "meant"),
    [
        ([US, text(" yes")], True),
        ([text("yes "), US], True),
        ([text("yes", bold=True, italic=True), text(" "), US], True),
        ([US, text(" "), {"type": "emoji", "name": "+1", "unicode": "1f44d-1f3fc"}], True),
        ([US, text(" "), {"type": "emoji", "name": "+1", "skin_tone": 3}], True),
        ([{"type": "emoji", "name": "x"}, US], False),
        ([text("no", code=True), US], False),
        ([text("yes", strike=True), US], None),
    ],
)
def test_a_verdict_in_rich_text(elements: list[Json], meant: bool | None) -> None:
    assert read_yes_no(read_message({"blocks": [typed(*elements)]}, OWN).own) is meant


@pytest.mark.parametrize(
    "piece", ["<@UBOT>", "<@UBOT> ", "<@UBOT>,", " ", "*<@UBOT>*", "\n<@UBOT>"]
)
def test_many_mentions_are_read_in_linear_time(piece: str) -> None:
    with in_linear_time():
        assert read_message({"text": piece * 100_000}, OWN).text.strip("*, ") == ""
        read_message({"text": f"a{piece}" * 50_000}, OWN)
