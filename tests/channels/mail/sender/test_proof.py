"""What a mail may do, by what is proven of it: above all, an old mail that is sent again."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from ponderd.channels.mail.sender.proof import Evidence, proven_trigger
from ponderd.channels.message import Trigger
from tests.channels.mail.mails import NAMES, OWN_ID, RULES, Inbox, mail, parse, settings
from tests.channels.mail.sender.test_authentication import PASSED, RELAY, on_top
from tests.channels.mail.signing import dns, signed

ANN = "ann@team.test"
ASKED = NAMES.approve_address("0c-1:7", ANN)
MAILBOX = ASKED.partition("@")[0]
QUESTION = NAMES.message_id("0c-1:9")
"""The Message-ID of the mail that asked."""
WRITTEN = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
NOW = format_datetime(WRITTEN)
OLD_YES = {"To": "eve@shop.test", "Subject": "Re: lunch today?", "Date": NOW}
"""What Ann once wrote to somebody, with the one word "Yes."."""

ALL = ["from", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references"]


def genuine(text: str = "Yes.\n", *, covers: list[str] | None = None, **headers: str) -> bytes:
    """A mail that really was written and signed like that, as the relay hands it on."""
    fields = {"From": f"Ann <{ANN}>", "To": ASKED, "Date": NOW, **headers}
    content = mail(text, **fields)
    names = [name.lower().replace("_", "-") for name in (*fields, "Message-ID")]
    return on_top(signed(content, include_headers=[n for n in covers or ALL if n in names]))


@pytest.fixture(params=["dkim", RELAY])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def inbox(tmp_path: Path, how: str) -> AsyncIterator[Inbox]:
    inbox = Inbox()
    lookup = dns(**{"s1._domainkey.away.test": "away"})
    async with inbox.serving(settings(tmp_path, mail_authentication=how), lookup=lookup):
        yield inbox


class TestAnOldMailSentAgain:
    """Somebody has a forwarded copy of the question, and a genuine mail of the approver's."""

    async def test_is_no_answer_to_a_question(self, inbox: Inbox) -> None:
        answer = await inbox.send(genuine(**OLD_YES), ASKED, mail_from="eve@team.test")
        assert answer.startswith("550 5.7.1 the DKIM signature does not cover what it answers")
        assert (inbox.verdicts, inbox.triggers) == ([], [])

    @pytest.mark.parametrize("name", ["In-Reply-To", "References", "Cc", "Resent-To"])
    async def test_is_none_with_an_unsigned_header_on_top(self, inbox: Inbox, name: str) -> None:
        on = f"{name}: {ASKED if name in ('Cc', 'Resent-To') else QUESTION}\r\n".encode()
        answer = await inbox.send(on + genuine(**OLD_YES), ASKED)
        assert answer.startswith("550 5.7.1")
        assert (inbox.verdicts, inbox.triggers) == ([], [])

    @pytest.mark.parametrize("name", ["In-Reply-To", "References"])
    async def test_is_no_word_in_a_thread(self, inbox: Inbox, name: str) -> None:
        await inbox.send(f"{name}: {OWN_ID}\r\n".encode() + genuine(**OLD_YES))
        [trigger] = inbox.triggers
        assert (trigger.run_id, trigger.authentic, trigger.answers) == ("run1", False, ())

    async def test_is_none_in_a_thread_if_it_answered_something_else(self, inbox: Inbox) -> None:
        old = genuine(**OLD_YES, In_Reply_To="<lunch@shop.test>")
        for content in (f"In-Reply-To: {OWN_ID}\r\n".encode() + old, old):
            await inbox.send(content)
        assert [trigger.authentic for trigger in inbox.triggers] == [False, False]

    async def test_that_forwarded_the_question_answers_somebody_else(self, inbox: Inbox) -> None:
        forward = {"To": "eve@shop.test", "Subject": "Fwd: Approval needed"}
        answer = await inbox.send(genuine(**forward, References=QUESTION), ASKED)
        assert answer.startswith("550 5.7.1")
        await inbox.send(genuine(**forward, References=OWN_ID))
        assert inbox.verdicts == []
        assert [trigger.authentic for trigger in inbox.triggers] == [False]

    async def test_of_another_question_answers_this_one_only_by_its_id(self, inbox: Inbox) -> None:
        other = NAMES.approve_address("0c-1:4", ANN)
        answer = await inbox.send(genuine(To=other), ASKED)
        assert answer.startswith("550 5.7.1")
        before = NAMES.message_id("0c-1:5")
        await inbox.send(genuine(To=other, In_Reply_To=before), ASKED)
        # Whether that mail asked the same question is known to the run alone.
        assert [verdict.answers for verdict in inbox.verdicts] == [(before,)]

    async def test_of_another_run_answers_nothing(self, inbox: Inbox) -> None:
        answer = await inbox.send(genuine(To="x@team.test", In_Reply_To=OWN_ID), ASKED)
        assert answer.startswith("550 5.7.1")


class TestAnAnswer:
    @pytest.mark.parametrize(
        ("headers", "answers"),
        [
            ({}, ("0c-1:7",)),
            ({"To": f"The Bot <{ASKED.upper()}>"}, ("0c-1:7",)),
            ({"To": "bob@team.test", "Cc": ASKED}, ("0c-1:7",)),
            ({"To": "assistant@agents.test", "In_Reply_To": QUESTION}, (QUESTION,)),
            ({"To": "assistant@agents.test", "References": f"<a@b> {QUESTION}"}, (QUESTION,)),
            (
                {"To": "bob@team.test", "Cc": "Bot <x@AGENTS.test>", "References": QUESTION},
                (QUESTION,),
            ),
        ],
    )
    async def test_counts_if_a_signed_header_says_what_it_answers(
        self, inbox: Inbox, headers: dict[str, str], answers: tuple[str, ...]
    ) -> None:
        assert (await inbox.send(genuine(**headers), ASKED)).startswith("250 ")
        [verdict] = inbox.verdicts
        assert (verdict.by, verdict.choice) == (f"email:{ANN}", "approve")
        assert verdict.answers == answers
        assert verdict.written_at == WRITTEN.timestamp()
        assert verdict.key == "email:<m1@team.test>"

    async def test_that_is_a_question_back_must_prove_the_same(self, inbox: Inbox) -> None:
        assert (await inbox.send(genuine("Why?\n", **OLD_YES), ASKED)).startswith("550 5.7.1")
        await inbox.send(genuine("Why?\n"), ASKED)
        [trigger] = inbox.triggers
        assert (trigger.run_id, trigger.authentic) == ("0c-1", True)
        assert trigger.answers == ("0c-1:7",)

    async def test_says_when_it_was_signed_if_not_when_it_was_written(self, inbox: Inbox) -> None:
        before = int(datetime.now(UTC).timestamp())
        await inbox.send(genuine(covers=["from", "to"]), ASKED)
        await inbox.send(genuine(Date="Mon, 1 Jan 2035 08:00:00 -0000"), ASKED)
        await inbox.send(genuine(Date="tomorrow"), ASKED)
        times = [verdict.written_at or 0 for verdict in inbox.verdicts]
        assert len(times) == 3 and min(times) >= before
        assert max(times) <= datetime.now(UTC).timestamp()

    async def test_that_says_neither_is_none(self, inbox: Inbox) -> None:
        unsigned = mail("yes\n", To=ASKED)
        timeless = signed(unsigned, include_headers=["from", "to"]).replace(b" t=", b" zt=", 1)
        answer = await inbox.send(on_top(timeless), ASKED)
        assert answer.startswith("550 5.7.1")
        assert inbox.verdicts == []

    async def test_whose_id_is_not_signed_has_no_key(self, inbox: Inbox) -> None:
        await inbox.send(genuine(covers=["from", "to", "date"]), ASKED)
        assert [verdict.key for verdict in inbox.verdicts] == [""]

    @pytest.mark.parametrize("text", ["yes\n", "why?\n"])
    async def test_is_refused_if_nothing_proves_who_wrote_it(self, text: str, inbox: Inbox) -> None:
        answer = await inbox.send(mail(text, To=ASKED, Date=NOW), ASKED)
        assert answer.startswith(f"550 5.7.1 nothing proves that this is from {ANN}")
        assert (inbox.verdicts, inbox.triggers) == ([], [])

    async def test_to_two_questions_of_which_it_proves_one_stores_nothing(
        self, inbox: Inbox
    ) -> None:
        other = NAMES.approve_address("0c-1:4", ANN)
        assert (await inbox.send(genuine(), ASKED, other)).startswith("550 5.7.1")
        assert inbox.verdicts == []


class TestAMailInAThread:
    async def test_is_authentic_if_it_provably_belongs_there(self, inbox: Inbox) -> None:
        for content in (
            genuine(To="assistant@agents.test", In_Reply_To=OWN_ID),
            mail("yes\n", In_Reply_To=OWN_ID, Date=NOW),
            genuine(To="assistant@agents.test"),
        ):
            await inbox.send(content)
        assert [trigger.authentic for trigger in inbox.triggers] == [True, False, False]
        assert [trigger.run_id for trigger in inbox.triggers] == ["run1", "run1", None]
        assert [trigger.answers for trigger in inbox.triggers] == [(OWN_ID,), (), ()]
        assert inbox.triggers[0].written_at == WRITTEN.timestamp()

    async def test_is_answered_elsewhere_only_if_its_sender_asked_for_it(
        self, inbox: Inbox
    ) -> None:
        await inbox.send(genuine(To="assistant@agents.test", Reply_To="bob@team.test"))
        await inbox.send(mail(To="assistant@agents.test", Reply_To="bob@team.test"))
        await inbox.send(b"Reply-To: bob@team.test\r\n" + genuine(To="assistant@agents.test"))
        to = [trigger.reply_to and trigger.reply_to.to for trigger in inbox.triggers]
        assert to == [ANN, ANN, ANN]  # the helper does not sign Reply-To
        signing = genuine(
            To="assistant@agents.test", Reply_To="bob@team.test", covers=[*ALL, "reply-to"]
        )
        await inbox.send(signing)
        assert inbox.triggers[-1].reply_to is not None
        assert inbox.triggers[-1].reply_to.to == "bob@team.test"


class TestWhoIsWrittenTo:
    """Whoever a participant writes to takes part, so nobody may add a name to an old mail."""

    TO = "assistant@agents.test"

    @pytest.mark.parametrize(
        ("content", "people", "proven"),
        [
            (genuine(To=TO, Cc="bob@team.test"), ("bob@team.test",), True),
            (genuine(To=f"{TO}, bob@team.test"), ("bob@team.test",), True),
            (genuine(To=TO), (), False),
            (mail(Cc="bob@team.test"), ("bob@team.test",), False),
            (b"Cc: eve@team.test\r\n" + genuine(To=TO), ("eve@team.test",), False),
            (
                b"Cc: eve@team.test\r\n" + genuine(To=f"{TO}, bob@team.test"),
                ("bob@team.test",),
                True,
            ),
            # It was not to us, or not in this thread.
            (genuine(To="eve@team.test"), ("eve@team.test",), False),
            (
                f"In-Reply-To: {OWN_ID}\r\n".encode() + genuine(To=TO, Cc="eve@team.test"),
                ("eve@team.test",),
                False,
            ),
            (
                f"References: {OWN_ID}\r\n".encode() + genuine(To=TO, Cc="eve@team.test"),
                ("eve@team.test",),
                False,
            ),
            (
                genuine(To=TO, Cc="eve@team.test", covers=["from", "to", "cc", "date"]),
                ("eve@team.test",),
                False,
            ),
        ],
    )
    async def test_is_certain_only_if_it_is_signed(
        self, inbox: Inbox, content: bytes, people: tuple[str, ...], proven: bool
    ) -> None:
        await inbox.send(content)
        [trigger] = inbox.triggers
        assert (trigger.people, trigger.people_proven) == (people, proven)

    @pytest.mark.parametrize("certain", ["bob@team.test", "eve@team.test", ""])
    def test_also_where_all_are_answered(self, certain: str) -> None:
        rules = replace(RULES, reply_all=True)
        said = parse(mail(Cc="bob@team.test, cat@team.test"), rules=rules)
        assert isinstance(said, Trigger)
        proven = proven_trigger(said, Evidence(people=frozenset({certain})))
        assert proven.reply_to is not None
        copies = "bob@team.test" if certain == "bob@team.test" else None
        assert proven.reply_to.headers.get("cc") == copies


async def test_no_answer_from_dns_means_later_where_proof_matters(tmp_path: Path) -> None:
    inbox = Inbox()
    lookup = dns(**{"s1._domainkey.team.test": "away"})
    async with inbox.serving(settings(tmp_path, mail_authentication="dkim"), lookup=lookup):
        for content, to in [
            (genuine(), ASKED),
            (genuine(To="assistant@agents.test", In_Reply_To=OWN_ID), "assistant@agents.test"),
        ]:
            assert (await inbox.send(content, to)).startswith("451 4.3.0 DNS has no answer")
        assert inbox.triggers == []
        await inbox.send(genuine(To="assistant@agents.test"))
        assert [trigger.authentic for trigger in inbox.triggers] == [False]


async def test_all_mail_can_be_made_to_prove_who_wrote_it(tmp_path: Path) -> None:
    inbox = Inbox()
    rules = settings(tmp_path, mail_authentication=RELAY, mail_require_proof=True)
    async with inbox.serving(rules):
        answer = await inbox.send(mail())
        assert answer.startswith(f"550 5.7.1 nothing proves that this is from {ANN}")
        assert "only mail of which" in answer
        assert inbox.triggers == []
        assert (await inbox.send(on_top(mail(), PASSED))).startswith("250 ")


async def test_where_nothing_is_to_be_proven_our_marks_alone_decide(tmp_path: Path) -> None:
    inbox = Inbox()
    async with inbox.serving(settings(tmp_path)):
        await inbox.send(mail("yes\n"), ASKED)
        await inbox.send(mail("yes\n", In_Reply_To=OWN_ID, Reply_To="bob@team.test"))
    [verdict], [trigger] = inbox.verdicts, inbox.triggers
    assert (verdict.answers, verdict.written_at, verdict.key) == ((), None, "")
    assert (trigger.authentic, trigger.answers, trigger.people_proven) == (True, (), True)
    assert trigger.reply_to is not None and trigger.reply_to.to == "bob@team.test"
