"""Reports about our mail, as the servers of the world write them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from ponderd.channels.mail.names import MailNames
from ponderd.channels.mail.sender.bounces import LIMIT, read_bounces
from ponderd.channels.message import Bounce
from tests.channels.mail.mails import NAMES, Inbox, settings

RUN = "0c-mha1v2k8-9f3c1a2b7d"
KEY, OLDER = f"{RUN}:17", f"{RUN}:7"
OURS, BEFORE = NAMES.message_id(KEY), NAMES.message_id(OLDER)
BOB = "bob@team.test"
RETURNED = f"""From: assistant <assistant@agents.test>
To: Bob <{BOB}>
Subject: Re: Question
Message-ID: {OURS}
In-Reply-To: <q2@team.test>
References: <q1@team.test> {BEFORE} <q2@team.test>
Auto-Submitted: auto-replied"""


def status(**fields: str) -> str:
    given = {
        "Final_Recipient": f"rfc822; {BOB}",
        "Action": "failed",
        "Status": "5.1.1",
        "Diagnostic_Code": "smtp; 550 5.1.1 <bob@team.test>: no such\n    user here",
        **fields,
    }
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in given.items() if value]
    return "Reporting-MTA: dns; mx.team.test\nArrival-Date: today\n\n" + "\n".join(lines) + "\n"


def report(
    *parts: tuple[str, str], kind: str = "delivery-status", subject: str = "x", **headers: str
) -> str:
    fields = {"From": "Mail Delivery System <mailer-daemon@mx.test>", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in fields.items())
    body = "".join(f"--b\nContent-Type: {type}\n\n{text}\n" for type, text in parts)
    return (
        f"{head}Subject: {subject}\nTo: assistant@agents.test\n"
        f"Content-Type: multipart/report; report-type={kind}; boundary=b\n\n{body}--b--\n"
    )


def plain(text: str, subject: str, sender: str = "MAILER-DAEMON@mx.test", **more: str) -> str:
    head = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in more.items())
    return f"From: {sender}\nTo: assistant@agents.test\nSubject: {subject}\n{head}\n{text}\n"


NOTICE = ("text/plain; charset=us-ascii", "I'm sorry to have to inform you.")
STATUS = ("message/delivery-status", status())

REPORTS: dict[str, str] = {
    "Postfix": report(NOTICE, STATUS, ("message/rfc822", f"{RETURNED}\n\nhello")),
    "headers only": report(NOTICE, STATUS, ("text/rfc822-headers", RETURNED)),
    "Exchange": report(
        ("text/plain", f"Delivery has failed to these recipients:\n\nBob ({BOB})"),
        STATUS,
        subject="Undeliverable: Re: Question",
        From="<MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@team.test>",
        In_Reply_To=OURS,
        References=f"<q1@team.test> {OURS}",
    ),
    "only the original id": report(NOTICE, STATUS, X_Original_Message_ID=OURS),
    "original recipient": report(
        NOTICE,
        (
            "message/delivery-status",
            status(
                Original_Recipient=f"rfc822;{BOB}", Final_Recipient="rfc822; bob@forwarded.test"
            ),
        ),
        ("message/rfc822", f"{RETURNED}\n\nhello"),
    ),
    "without a type": report(NOTICE, STATUS, ("message/rfc822", RETURNED)).replace(
        " report-type=delivery-status;", ""
    ),
    "through a gateway": report(NOTICE, STATUS, ("message/rfc822", RETURNED)).replace(
        "multipart/report; report-type=delivery-status", "multipart/mixed"
    ),
    "qmail": plain(
        "Hi. This is the qmail-send program at mx.test.\nI'm afraid I wasn't able to deliver your "
        f"message.\n\n<{BOB}>:\nRemote host said: 550 5.1.1 <bob@team.test>: no such user here"
        f"\n\n--- Below this line is a copy of the message.\n\n{RETURNED}\n\nhello",
        "failure notice",
    ),
    "Exim": plain(
        "This message was created automatically by mail delivery software.\n\nA message that you "
        f"sent could not be delivered:\n\n  {BOB}\n    host mx.team.test\n    550 5.1.1 "
        f"<bob@team.test>: no such user here\n\n{RETURNED}",
        "Mail delivery failed: returning message to sender",
        X_Failed_Recipients=BOB,
    ),
    "quoted": plain(
        f"{BOB}: 550 5.1.1 <bob@team.test>: no such user here\n\n"
        + "\n".join(f"> {line}" for line in RETURNED.splitlines()),
        "Undelivered Mail Returned to Sender",
        sender="postmaster@mx.test",
    ),
    "quoted-printable": plain(
        f"{BOB}: 550 5.1.1 <bob@team.test>: no such user here\n\n"
        + RETURNED.replace(OURS, f"{OURS[:40]}=\n{OURS[40:]}"),
        "Undeliverable: Question",
        Content_Type="text/plain",
        Content_Transfer_Encoding="quoted-printable",
    ),
}


def bounces(
    source: str, mail_from: str = "", names: MailNames = NAMES, mailbox: str = "assistant"
) -> tuple[Bounce, ...]:
    return read_bounces(source.replace("\n", "\r\n").encode(), mail_from, [mailbox], names)


@pytest.mark.parametrize("source", REPORTS.values(), ids=REPORTS.keys())
def test_which_reply_did_not_reach_whom_and_why(source: str) -> None:
    [found] = bounces(source)
    assert (found.key, found.recipient, found.permanent) == (KEY, BOB, True)
    assert "550 5.1.1 <bob@team.test>: no such user here" in found.reason


def test_a_delay_is_not_the_end() -> None:
    delayed = status(Action="delayed", Status="4.4.1", Diagnostic_Code="")
    words = "host mx.team.test[10.0.0.1] said: 451 4.4.1 try later"
    [found] = bounces(
        report(("text/plain", words), ("message/delivery-status", delayed), In_Reply_To=OURS)
    )
    assert (found.permanent, found.reason) == (False, f"4.4.1 {words}")
    [found] = bounces(
        plain(f"{BOB} is busy\n\n{RETURNED}", "Warning: could not be delivered for 4 hours")
    )
    assert found.permanent is False


def test_every_recipient_is_named_but_those_who_got_it() -> None:
    three = status() + "\n".join(
        f"\nFinal-Recipient: rfc822; {name}@team.test\nAction: {action}\nStatus: {code}\n"
        for name, action, code in (("eve", "failed", "5.2.2"), ("ann", "delivered", "2.0.0"))
    )
    found = bounces(report(NOTICE, ("message/delivery-status", three), In_Reply_To=OURS))
    assert [bounce.recipient for bounce in found] == [BOB, "eve@team.test"]


@pytest.mark.parametrize(
    ("named", "recipient"),
    [("bob@team.test", BOB), ("jürgen@team.test, Eve@team.test", "jürgen@team.test")],
)
def test_who_the_header_names_comes_before_who_the_words_name(named: str, recipient: str) -> None:
    words = f"Your mail to somebody did not arrive. Ask help@mx.test.\n\nMessage-ID: {OURS}"
    [found] = bounces(plain(words, "Mail delivery failed", X_Failed_Recipients=named))
    assert (found.key, found.recipient) == (KEY, recipient)


def test_the_newest_of_our_mails_if_only_the_thread_is_named() -> None:
    [found] = bounces(report(NOTICE, STATUS, References=f"{OURS} {BEFORE}"))
    assert found.key == KEY


def test_the_address_for_answers_where_a_relay_changed_the_message_id() -> None:
    address = NAMES.reply_address(KEY, "assistant")
    assert address
    rewritten = f"Message-ID: <new@relay.test>\nReply-To: {address}"
    [in_header] = bounces(report(NOTICE, STATUS, ("text/rfc822-headers", rewritten)))
    [in_envelope] = bounces(report(NOTICE, STATUS), mailbox=address.partition("@")[0])
    assert (in_header.key, in_envelope.key) == (KEY, KEY)
    assert bounces(report(NOTICE, STATUS), mailbox="assistant+invoices") == ()


class NotOurs(NamedTuple):
    source: str
    mail_from: str = ""


@pytest.mark.parametrize(
    "mail",
    [
        NotOurs(report(NOTICE, STATUS)),
        NotOurs(report(NOTICE, STATUS, In_Reply_To=OURS.replace(".17.", ".18."))),
        NotOurs(report(NOTICE, STATUS, In_Reply_To=OURS.replace("agents.", "others."))),
        NotOurs(report(NOTICE, In_Reply_To=OURS, kind="disposition-notification")),
        NotOurs(
            report(
                NOTICE,
                ("message/delivery-status", status(Action="relayed", Status="2.0.0")),
                In_Reply_To=OURS,
            )
        ),
        NotOurs(plain("I am away", "Automatic reply: x", "bob@team.test", In_Reply_To=OURS)),
        NotOurs(plain(RETURNED, "Undeliverable: why?", "bob@team.test"), "bob@team.test"),
    ],
    ids=["no mark", "forged", "another domain", "receipt", "arrived", "autoreply", "a person"],
)
def test_everything_else_is_none_of_our_business(mail: NotOurs) -> None:
    assert bounces(*mail) == ()


def test_without_a_secret_no_mark_proves_anything() -> None:
    names = MailNames("agents.test", b"")
    assert bounces(report(NOTICE, STATUS, In_Reply_To=names.message_id(KEY)), names=names) == ()


class TestApprovals:
    MAILBOX = NAMES.approve_address(f"{RUN}:9", BOB)
    REWRITTEN = f"Message-ID: <new@relay.test>\nReply-To: {MAILBOX}"

    def test_the_address_of_a_question_names_it_too(self) -> None:
        [found] = bounces(report(NOTICE, STATUS, ("text/rfc822-headers", self.REWRITTEN)))
        assert (found.key, found.recipient) == (f"{RUN}:9", BOB)

    def test_but_only_for_who_was_asked(self) -> None:
        other = ("message/delivery-status", status(Final_Recipient="rfc822; eve@team.test"))
        assert bounces(report(NOTICE, other, ("text/rfc822-headers", self.REWRITTEN))) == ()


def test_only_the_beginning_is_read() -> None:
    long = report(("text/plain", "x" * LIMIT), STATUS, ("message/rfc822", RETURNED))
    assert bounces(long) == ()


class TestServer:
    async def test_tells_the_daemon_and_answers_nobody(self, tmp_path: Path) -> None:
        inbox = Inbox()
        async with inbox.serving(settings(tmp_path)):
            for source, mail_from in (
                (REPORTS["Postfix"], ""),
                (REPORTS["Exim"], "mailer-daemon@mx.test"),
                (report(NOTICE, STATUS), ""),
            ):
                content = source.replace("\n", "\r\n").encode()
                assert (await inbox.send(content, mail_from=mail_from)).startswith("250 ")
        assert [bounce.key for bounce in inbox.bounces] == [KEY, KEY]
        assert inbox.triggers == []

    async def test_keeps_it_in_the_senders_queue_while_the_store_is_away(
        self, tmp_path: Path
    ) -> None:
        inbox = Inbox()
        inbox.away = True
        async with inbox.serving(settings(tmp_path)):
            content = REPORTS["Postfix"].replace("\n", "\r\n").encode()
            assert (await inbox.send(content, mail_from="")).startswith("451 ")
