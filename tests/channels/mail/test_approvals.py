"""An approval by mail: what the question looks like, and which answers to it count."""

import html
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from ponderd.channels.errors import Conflict, Forbidden, Unauthenticated
from ponderd.channels.links import approval_link
from ponderd.channels.mail.names import MailNames
from ponderd.channels.mail.out.compose import compose
from ponderd.channels.mail.out.send import EmailChannel
from ponderd.channels.message import Address, Ignored, Inquiry, Reply, Trigger, Verdict
from ponderd.workers.store.run_ids import new_run_id
from tests.channels.mail.mails import (
    DATE,
    NAMES,
    Inbox,
    mail,
    opened,
    page,
    parse,
    plain,
    settings,
)

RUN = new_run_id("a conversation")
PROMPT = Inquiry(id=f"{RUN}:7", kind="approval")
ANN = NAMES.approve_address(PROMPT.id, "Ann@team.test")
STRANGER = NAMES.approve_address(PROMPT.id, "boss@elsewhere.test")


def question(prompt: Inquiry | None = PROMPT, **fields: Any) -> Reply:
    address = {"to": "Ann@team.test", **fields.pop("address", {})}
    return Reply(
        **{
            "key": f"{RUN}:7",
            "run_id": RUN,
            "agent": "deployer",
            "conversation": "C1",
            "kind": "question",
            "text": 'May I run deploy(service="api")?',
            "to": Address(channel="email", **address),
            "inquiry": prompt,
            **fields,
        }
    )


def sent(reply: Reply, **options: Any) -> EmailMessage:
    message = compose(reply, **{"names": NAMES, "date": DATE, **options})
    return opened(message.as_bytes().replace(b"\r\n", b"\n"))


class TestQuestion:
    def test_it_says_how_to_answer_and_is_answered_at_an_address_of_its_own(self) -> None:
        message = sent(question())
        assert message["Reply-To"] == ANN
        assert message["From"] == "deployer <deployer@agents.test>"
        assert message["Subject"] == 'Approval needed: May I run deploy(service="api")?'
        assert message["Auto-Submitted"] == "auto-generated"
        assert plain(message) == (
            'May I run deploy(service="api")?\n\n'
            "Answer this mail with yes or no in its first line.\n"
        )

    def test_the_call_is_shown_as_it_will_run(self) -> None:
        call = 'send(to="*all*", text="<b>[x](https://a.test)</b>\\n# _1_ | `2`")'
        message = sent(question(text=f"May I run {call}? Please answer yes or no."))
        assert plain(message).startswith(f"May I run {call}? Please answer yes or no.\n\n")
        assert f">{html.escape(call, quote=False)}</pre>" in page(message)

    def test_its_link_goes_to_nobody_else(self) -> None:
        address = {"headers": {"cc": "bob@team.test", "quote": "a secret"}}
        message = sent(question(address=address), public_url="https://agents.test")
        assert message["Cc"] is None
        assert "secret" not in plain(message)

    def test_with_a_public_url_there_is_a_link_for_its_recipient(self) -> None:
        text = plain(sent(question(), public_url="https://agents.test"))
        person = "email:ann@team.test"
        link = approval_link("https://agents.test", NAMES.secret, PROMPT.id, person)
        assert text.endswith(f"Or decide here: {link}\n")
        shown = page(sent(question(), public_url="https://agents.test"))
        assert f'<a href="{html.escape(link)}"' in shown and ">Decide here</a>" in shown

    def test_without_a_secret_it_promises_nothing(self) -> None:
        message = sent(question(), names=MailNames("agents.test", b""), public_url="https://a.test")
        assert message["Reply-To"] is None
        assert plain(message) == 'May I run deploy(service="api")?\n'

    def test_the_address_is_short_enough_for_every_mail_system(self) -> None:
        address = NAMES.approve_address(f"{RUN}:9999999", "x" * 64 + "@team.test")
        assert len(address.partition("@")[0]) <= 64

    def test_urgency_is_shown(self) -> None:
        urgent = sent(question(PROMPT.model_copy(update={"urgency": "high"})))
        assert (urgent["Importance"], urgent["X-Priority"]) == ("high", "1")
        relaxed = sent(question(PROMPT.model_copy(update={"urgency": "low"})))
        assert (relaxed["Importance"], relaxed["X-Priority"]) == ("low", "5")
        assert sent(question())["Importance"] is None

    def test_choices_are_listed(self) -> None:
        prompt = Inquiry(id=f"{RUN}:7", kind="question", choices=("staging", "production"))
        message = sent(question(prompt, text="Where to?"))
        assert plain(message) == "Where to?\n\nThe choices:\n- staging\n- production\n"
        assert "<li>production</li>" in page(message)
        assert message["Subject"] == "deployer: Where to?"
        assert message["Reply-To"] == NAMES.reply_address(f"{RUN}:7", "deployer")

    def test_a_subject_that_the_address_carries_is_used(self) -> None:
        address = {"headers": {"subject": "Deployments"}}
        assert sent(question(address=address))["Subject"] == "Deployments"

    def test_a_long_question_has_a_short_subject(self) -> None:
        subject = str(sent(question(text="May I run this?\n" + "word " * 100))["Subject"])
        assert subject.startswith("Approval needed: May I run this? word")
        assert subject.endswith("…") and len(subject) < 100

    def test_in_a_thread_it_stays_there(self) -> None:
        thread = {"thread": "<m1@team.test>", "headers": {"references": "<m1@team.test>"}}
        message = sent(question(address=thread))
        assert message["Subject"] == "Re: your message"
        assert message["In-Reply-To"] == message["References"] == "<m1@team.test>"

    def test_a_notice_follows_the_question_that_it_resolves(self) -> None:
        asked = str(sent(question())["Message-ID"])
        notice = question(None, kind="notice", key=f"{RUN}:9", text="Approved.", resolves=asked)
        message = sent(notice)
        assert message["In-Reply-To"] == message["References"] == asked
        assert message["Message-ID"] != asked

    async def test_the_channel_sends_it_like_that(self, tmp_path: Path) -> None:
        channel = EmailChannel(settings(tmp_path, public_url="https://agents.test"))
        await channel.send(question(), resend=False)
        [file] = (tmp_path / "outbox").iterdir()
        message = opened(file.read_bytes())
        assert message["Reply-To"] == ANN
        assert "https://agents.test/approvals/" in plain(message)


def answered(
    text: str = "yes\n", to: str = ANN, mail_from: str = "ann@team.test", **headers: str
) -> Verdict | Trigger | Ignored:
    return parse(mail(text, **headers), to.partition("@")[0].lower(), mail_from=mail_from)


class TestAnswer:
    @pytest.mark.parametrize(
        ("text", "choice", "remark"),
        [
            ("yes\n", "approve", ""),
            ("No, thanks.\n\nUse staging.\n-- \nAnn", "deny", "Use staging."),
            ("OK!\n\nOn Monday, Bot <bot@x> wrote:\n> May I?\n> no\n", "approve", ""),
            ("> May I?\nyes\nSent from my phone", "approve", ""),
        ],
    )
    def test_the_persons_own_words_decide(self, text: str, choice: str, remark: str) -> None:
        given = answered(text)
        assert given == Verdict(
            inquiry=PROMPT.id, choice=choice, by="email:ann@team.test", remark=remark
        )

    def test_what_is_neither_goes_to_the_run(self) -> None:
        given = answered("Which service?\n\nOn Monday, Bot <bot@x> wrote:\n> May I?\n")
        assert isinstance(given, Trigger)
        assert (given.run_id, given.text, given.authentic) == (RUN, "Which service?", True)
        assert (given.agent, given.sender) == (None, "ann@team.test")
        assert given.reply_to is not None
        assert (given.reply_to.to, given.reply_to.thread) == ("ann@team.test", "<m1@team.test>")
        assert given.keys == (f"email:<m1@team.test>:{ANN.partition('@')[0]}",)

    def test_only_who_was_asked_can_answer(self) -> None:
        for sender in ("bob@team.test", "boss@elsewhere.test"):
            with pytest.raises(Unauthenticated, match=sender):
                answered(From=sender)

    def test_who_was_asked_can_answer_whoever_else_may_write(self) -> None:
        given = answered(to=STRANGER, From="Boss@Elsewhere.test", mail_from="b@elsewhere.test")
        assert isinstance(given, Verdict)
        assert given.by == "email:boss@elsewhere.test"

    @pytest.mark.parametrize("text", ["yes\n", "what?\n"])
    def test_a_mark_is_good_for_one_approval(self, text: str) -> None:
        for forged in (ANN.replace(".7.", ".8."), ANN.replace(RUN, new_run_id("other"))):
            with pytest.raises(Unauthenticated):
                answered(text, to=forged)

    def test_without_a_secret_nobody_can_answer(self) -> None:
        names = MailNames("agents.test", b"")
        mailbox = names.approve_address(PROMPT.id, "ann@team.test").partition("@")[0]
        with pytest.raises(Unauthenticated):
            names.inquiry(mailbox, "ann@team.test")

    @pytest.mark.parametrize(
        ("headers", "mail_from"),
        [
            ({}, ""),
            ({"Auto_Submitted": "auto-replied"}, "ann@team.test"),
            ({"Precedence": "junk"}, "ann@team.test"),
            ({"X_Autorespond": "1"}, "ann@team.test"),
            ({"From": "assistant@agents.test"}, "ann@team.test"),
        ],
    )
    def test_a_machine_approves_nothing(self, headers: dict[str, str], mail_from: str) -> None:
        assert isinstance(answered("yes\n", mail_from=mail_from, **headers), Ignored)

    @pytest.mark.parametrize(
        "headers",
        [
            {"X_Auto_Response_Suppress": "OOF, DR"},
            {"X_Auto_Response_Suppress": "All"},
            {"Precedence": "list", "List_Id": "<ops.team.test>"},
        ],
    )
    def test_a_yes_through_exchange_or_a_list_counts(self, headers: dict[str, str]) -> None:
        verdict = answered("yes\n", **headers)
        assert isinstance(verdict, Verdict)
        assert verdict.choice == "approve"


@pytest.fixture
async def inbox(tmp_path: Path) -> AsyncIterator[Inbox]:
    inbox = Inbox()
    async with inbox.serving(settings(tmp_path)):
        yield inbox


class TestServer:
    async def test_a_yes_is_decided_before_it_is_acknowledged(self, inbox: Inbox) -> None:
        assert (await inbox.send(mail("yes\n"), ANN.upper())).startswith("250 ")
        assert inbox.verdicts == [
            Verdict(inquiry=PROMPT.id, choice="approve", by="email:ann@team.test")
        ]
        assert inbox.triggers == []

    async def test_a_question_back_reaches_the_run(self, inbox: Inbox) -> None:
        assert (await inbox.send(mail("Which one?\n"), ANN)).startswith("250 ")
        assert [trigger.run_id for trigger in inbox.triggers] == [RUN]
        assert inbox.verdicts == []

    async def test_who_comes_too_late_is_told_who_decided(self, inbox: Inbox) -> None:
        inbox.refuses = Conflict("this was already denied by slack:u1")
        answer = await inbox.send(mail("yes\n"), ANN, "assistant@agents.test")
        assert answer == "554 5.6.0 this was already denied by slack:u1"
        assert inbox.triggers == []

    async def test_who_may_not_decide_is_told_so(self, inbox: Inbox) -> None:
        inbox.refuses = Forbidden("you may not decide this")
        assert (await inbox.send(mail("yes\n"), ANN)) == "550 5.7.1 you may not decide this"

    async def test_a_foreign_sender_is_refused(self, inbox: Inbox) -> None:
        answer = await inbox.send(mail("yes\n", From="eve@evil.test"), ANN)
        assert answer.startswith("550 5.7.1 eve@evil.test was not asked")
        assert inbox.verdicts == []

    async def test_a_store_that_is_away_means_later(self, inbox: Inbox) -> None:
        inbox.away = True
        assert (await inbox.send(mail("yes\n"), ANN)).startswith("451 4.3.0")

    @pytest.mark.parametrize(
        "mailbox",
        ["approve@agents.test", "approve+x@agents.test", ANN.replace("@", "0@"), "a" + ANN],
        ids=["no run", "no mark", "too long", "another name"],
    )
    async def test_other_mailboxes_of_that_name_are_none(self, inbox: Inbox, mailbox: str) -> None:
        assert (await inbox.send(mail("yes\n"), mailbox)).startswith("550 5.1.1 no agent")

    async def test_a_bounce_of_the_question_is_taken_and_ignored(self, inbox: Inbox) -> None:
        assert (await inbox.send(mail("yes\n"), ANN, mail_from="")).startswith("250 ")
        assert inbox.verdicts == []
