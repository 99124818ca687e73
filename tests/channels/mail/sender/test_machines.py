"""Who is answered: people, whatever their mail came through; never machines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ponderd.channels.errors import Forbidden
from ponderd.channels.mail.sender.machines import automatic
from ponderd.channels.mail.sender.out_of_office import begins_as_one, says_so
from ponderd.channels.mail.wire.header import read_header
from ponderd.channels.message import Ignored, Trigger
from tests.channels.mail.mails import OWN_ID, Inbox, mail, parse, settings

ANSWERS = {"In_Reply_To": OWN_ID, "References": OWN_ID}

PEOPLE: dict[str, dict[str, str]] = {
    "Exchange": {"X_Auto_Response_Suppress": "DR, OOF, AutoReply"},
    "Exchange, all": {"X_Auto_Response_Suppress": "All", "X_MS_Has_Attach": ""},
    "Google Group": {
        "Precedence": "list",
        "List_Id": "<support.team.test>",
        "List_Post": "<https://groups.team.test/group/support/post>",
        "List_Unsubscribe": "<mailto:support+unsubscribe@team.test>",
        "X_Google_Group_Id": "1234",
    },
    "Mailman": {"Precedence": "list", "List_Id": "<dev.team.test>", "X_Mailman_Version": "2.1"},
    "ezmlm": {
        "Precedence": "bulk",
        "List_Post": "<mailto:dev@team.test>",
        "List_Unsubscribe": "<mailto:dev-unsubscribe@team.test>",
    },
    "an old list": {"Precedence": "bulk", "Sender": "owner-dev@team.test"},
    "a CRM": {
        "X_Mailer": "Some CRM 4.2",
        "Feedback_ID": "1:2:crm",
        "List_Unsubscribe": "<mailto:u@crm.test>",
        "List_Unsubscribe_Post": "List-Unsubscribe=One-Click",
    },
    "a CRM that answers for a person": {
        "Precedence": "bulk",
        "List_Unsubscribe": "<mailto:u@crm.test>",
        **ANSWERS,
    },
    "says no": {"Auto_Submitted": "no"},
    "says no at length": {"Auto_Submitted": "No (a person wrote this); x=y"},
    "says no otherwise": {"X_Autoreply": "no", "X_Autorespond": "0"},
    "a loop mark of somebody else": {"X_Loop": "dev@team.test"},
    "no-reply with a person to answer": {
        "From": "Contact form <no-reply@team.test>",
        "Reply_To": "bob@team.test",
    },
    "a name with noreply in it": {"From": "Ann <ann.noreplyson@team.test>"},
    "a postmaster": {"From": "Pat Master <postmaster@team.test>"},
    "asks about replies": {"Subject": "How do I set an automatic reply?"},
    "asks about absence": {"Subject": "Abwesenheit eintragen"},
    "reports an absence": {"Subject": "Out of office until Friday"},
    "forwards one": {"Subject": "Fwd: Automatic reply: Offer", **ANSWERS},
    "talks about one": {"Subject": "Re: Automatic reply: Offer", **ANSWERS},
    "auto as a word": {"Subject": "Auto: Reparatur"},
    "a verified mail": {"Subject": "please verify #4711"},
    "invites": {"Content_Type": "text/calendar; method=REQUEST"},
}

MACHINES: dict[str, dict[str, str]] = {
    "vacation": {"Auto_Submitted": "auto-replied (vacation)"},
    "generated": {"Auto_Submitted": "(by cron) Auto-Generated; x=y"},
    "notified": {"Auto_Submitted": "auto-notified; owner-email=a@team.test"},
    "said twice": {"Auto_Submitted": "no\r\nAuto-Submitted: auto-replied"},
    "X-Autoreply": {"X_Autoreply": "yes"},
    "X-Auto-Reply": {"X_Auto_Reply": "true"},
    "X-Autorespond": {"X_Autorespond": "Out of office"},
    "X-Autoresponder": {"X_Autoresponder": "1"},
    "X-AutoReply-From": {"X_AutoReply_From": "ann@team.test"},
    "X-Mail-Autoreply": {"X_Mail_Autoreply": "yes"},
    "Auto-Reply": {"Auto_Reply": "yes"},
    "auto_reply": {"Precedence": "auto_reply"},
    "auto-reply": {"Precedence": "Auto-Reply"},
    "junk": {"Precedence": "junk"},
    "FirstClass": {"X_FC_MachineGenerated": "true"},
    "message class": {"X_POST_MessageClass": "9; Autoresponder"},
    "delivered to": {"Delivered_To": "Autoresponder"},
    "Exchange's rules": {"X_MS_Exchange_Generated_Message_Source": "Mailbox Rules Agent"},
    "Exim's bounce": {"X_Failed_Recipients": "bob@team.test"},
    "cron": {"X_Cron_Env": "<SHELL=/bin/sh>"},
    "a report": {"Content_Type": 'multipart/report; report-type=delivery-status; boundary="b"'},
    "a read receipt": {
        "Content_Type": 'multipart/report; report-type="disposition-notification"; boundary=b'
    },
    "a complaint": {"Content_Type": "multipart/report; report-type=feedback-report; boundary=b"},
    "a bare receipt": {"Content_Type": "message/disposition-notification"},
    "a calendar": {"Content_Type": "text/calendar; charset=utf-8; method=REPLY"},
    "a daemon": {"From": "Mail Delivery System <MAILER-DAEMON@team.test>"},
    "a daemon's odd header": {"From": "MAILER-DAEMON@"},
    "a postmaster's bounce": {"From": "postmaster@team.test", "Subject": "Undeliverable: x"},
    "an autoresponder": {"From": "auto-reply@team.test"},
    "no-reply": {"From": "Shop <no-reply@team.test>"},
    "no-reply twice": {"From": "noreply@team.test", "Reply_To": "Noreply <noreply@team.test>"},
    "do not reply": {"From": "do_not_reply@team.test"},
    "shop no-reply": {"From": "shop-noreply+7@team.test"},
    "no reply, in Spanish": {"From": "no-responder@team.test"},
    "a challenge": {"Subject": "Your mail needs verification verify#QGvX3bS1aYl7wRk2"},
    "Outlook": {"Subject": "Automatic reply: Question", **ANSWERS},
    "Outlook, suppressing": {
        "Subject": "Automatische Antwort: Question",
        "X_Auto_Response_Suppress": "All",
    },
    "Notes": {"Subject": "AUTO: Ann Example is out of the office (returning 5 May)", **ANSWERS},
}


@pytest.mark.parametrize("headers", PEOPLE.values(), ids=PEOPLE.keys())
def test_people_are_answered(headers: dict[str, str]) -> None:
    assert isinstance(parse(mail("Can you check room 7?", **headers)), Trigger)


@pytest.mark.parametrize("headers", MACHINES.values(), ids=MACHINES.keys())
def test_machines_are_not(headers: dict[str, str]) -> None:
    assert isinstance(parse(mail("I am away.", **headers)), Ignored)


@pytest.mark.parametrize("mail_from", ["", "<>", "mailer-daemon@mx.team.test"])
def test_nor_is_what_an_envelope_calls_a_bounce(mail_from: str) -> None:
    assert isinstance(parse(mail(), mail_from=mail_from), Ignored)


@pytest.mark.parametrize(
    "mark",
    """Automatic reply|Out of Office|Out of Office AutoReply|Auto-Reply|Automatische Antwort
    Abwesenheitsnotiz|Réponse automatique |Absence du bureau|Respuesta automática|Fuera de oficina
    Risposta automatica|Fuori sede|Resposta automática|Ausência Temporária|Automatisch antwoord
    Afwezig|Autosvar|Automatiskt svar|Automatisk svar|Automaattinen vastaus|Poissa
    Automatyczna odpowiedź|Automatická odpověď|Automatická odpoveď|Automatikus válasz
    Răspuns automat|Otomatik Yanıt|Αυτόματη απάντηση|Автоматический ответ|Автоматична відповідь
    Автоматичен отговор|Automatski odgovor|自动回复|自動回覆|自動応答|不在通知|자동 회신|부재중
    ตอบกลับอัตโนมัติ|Trả lời tự động|Balasan otomatis|رد تلقائي|תשובה אוטומטית|AUTOMATIC REPLY
    respuesta automatica
    """.replace("\n", "|").split("|"),
)
def test_out_of_office_marks_of_all_languages(mark: str) -> None:
    if mark := mark.lstrip():
        for subject in (f"{mark}: Re: Question", f"{mark}：Question", mark, f"[{mark}] Question"):
            assert begins_as_one(subject), subject
        assert not begins_as_one(f"Where do I set the {mark}")
        assert not begins_as_one(f"{mark} how-to for Bob, please")


@pytest.mark.parametrize(
    "headers",
    [
        {"Subject": "Automatic reply: how do I set it?"},
        {"Precedence": "bulk", "List_Unsubscribe": "<mailto:u@team.test>", "List_Id": "<news.t>"},
    ],
    ids=["out of office, perhaps", "a newsletter, perhaps"],
)
def test_what_a_person_may_have_written_is_refused_in_words(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden, match=r"not answered; .* "):
        parse(mail(**headers))


def multipart(kind: str, *parts: tuple[str, str]) -> dict[str, Any]:
    body = "".join(f"--b\nContent-Type: {head}\n\n{text}\n" for head, text in parts)
    return {"text": f"{body}--b--\n", "Content_Type": f"multipart/{kind}; boundary=b"}


WORDS = ("text/plain; charset=utf-8", "Ann Example has accepted this invitation.")
ANSWERED = "BEGIN:VCALENDAR\nMETHOD:REPLY\nEND:VCALENDAR"
RECEIPT = ("message/disposition-notification", "Final-Recipient: rfc822;ann@team.test")


class TestTheParts:
    @pytest.mark.parametrize(
        "parts",
        [
            multipart("alternative", WORDS, ("text/calendar; method=REPLY", ANSWERED)),
            multipart("alternative", WORDS, ("text/calendar", ANSWERED)),
            multipart("mixed", WORDS, ("text/calendar; method=counter", "BEGIN:VCALENDAR")),
            multipart("mixed", WORDS, RECEIPT),
        ],
        ids=["answer", "answer without a parameter", "another time", "receipt through a gateway"],
    )
    def test_answers_of_calendars_and_receipts(self, parts: dict[str, Any]) -> None:
        assert isinstance(parse(mail(**parts)), Ignored)

    @pytest.mark.parametrize(
        "parts",
        [
            multipart("alternative", WORDS, ("text/calendar; method=REQUEST", "BEGIN:VCALENDAR")),
            multipart(
                "mixed",
                WORDS,
                (
                    'text/calendar; method=REPLY; name="a.ics"\n'
                    'Content-Disposition: attachment; filename="a.ics"',
                    ANSWERED,
                ),
            ),
            {"Subject": "Fwd: Read: offer", **multipart("mixed", WORDS, RECEIPT)},
            multipart("mixed", WORDS, ("message/rfc822", "Subject: x\n\nMETHOD:REPLY")),
        ],
        ids=["invitation", "attached answer", "forwarded receipt", "attached mail"],
    )
    def test_people_who_invite_and_who_send_one_on(self, parts: dict[str, Any]) -> None:
        assert isinstance(parse(mail(**parts)), Trigger)

    def test_absence_in_words_on_a_mail_that_wants_no_response(self) -> None:
        suppressing = {"X_Auto_Response_Suppress": "All", **ANSWERS}
        with pytest.raises(Forbidden, match="out-of-office"):
            parse(mail("Hello,\nI am currently out of the office until Monday.", **suppressing))
        for text in ("Order it, please.", "I am out of office on Monday. Can you move it?"):
            assert isinstance(parse(mail(text, **suppressing)), Trigger)
        assert isinstance(parse(mail("I am away on Monday, note that.", **ANSWERS)), Trigger)


@pytest.mark.parametrize(
    "text",
    [
        "I'm out of the office until Monday.",
        "Guten Tag,\nich bin bis zum 5. Mai nicht im Büro.",
        "Je suis absente jusqu'à lundi.",
        "Estoy de vacaciones.",
        "Sono in ferie fino al 5 maggio.",
        "Ik ben tot maandag afwezig.",
        "Jag är på semester.",
        "Jestem na urlopie.",
        "Я сейчас в отпуске.",
        "您好，我正在休假。",
        "5月7日まで不在にしております。",
    ],
)
def test_absence_in_words(text: str) -> None:
    assert says_so(text)


def test_hostile_headers_are_judged() -> None:
    head = (
        f"From: a@team.test\r\nAuto-Submitted: {'(' * 9_000}\r\nSubject: {'out of office ' * 700}"
    )
    assert automatic(read_header(head.encode()), "a@team.test") is not None


class TestServer:
    @pytest.fixture
    async def inbox(self, tmp_path: Path) -> AsyncIterator[Inbox]:
        inbox = Inbox()
        async with inbox.serving(settings(tmp_path)):
            yield inbox

    async def test_takes_what_only_its_parts_show_to_be_a_machines(self, inbox: Inbox) -> None:
        answer = mail(**multipart("mixed", WORDS, ("text/calendar; method=REPLY", ANSWERED)))
        assert (await inbox.send(answer)).startswith("250 ")
        assert inbox.triggers == []

    async def test_says_what_a_person_can_do(self, inbox: Inbox) -> None:
        suppressing = {"X_Auto_Response_Suppress": "All", **ANSWERS}
        refusal = await inbox.send(mail("I am away until Monday.", **suppressing))
        assert refusal.startswith("550 5.7.1 this looks like an out-of-office reply")
        assert inbox.triggers == []
