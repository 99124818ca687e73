"""The tables of words: each phrase is what it is listed as, and no signature holds a doubt."""

import pytest

from ponderd.channels.words.base import bare, pattern, phrases, words
from ponderd.channels.words.devices import is_device_line
from ponderd.channels.words.doubts import acts, doubts
from ponderd.channels.words.footers import is_footer
from ponderd.channels.words.letters import CLOSINGS, GREETINGS
from ponderd.channels.words.no import EAST_NO, NO
from ponderd.channels.words.polite import EAST_POLITE, POLITE
from ponderd.channels.words.yes import EAST_YES, YES


def test_a_table_is_read_phrase_by_phrase() -> None:
    assert phrases("Yes|go\n    ahead|", "ＯＫ") == {"yes", "go ahead", "ok"}
    assert words("if  when\n Unless") == {"if", "when", "unless"}
    assert pattern("\n  sent|\n  from\\s\n").pattern == "sent|from\\s"
    assert bare("D’ACCORD ﬁx") == "d'accord fix"


def test_no_phrase_is_two_things() -> None:
    yes, no, polite = YES | EAST_YES, NO | EAST_NO, POLITE | EAST_POLITE
    assert yes & no == yes & polite == no & polite == frozenset()


def test_no_greeting_or_closing_is_a_yes_or_no() -> None:
    said = YES | EAST_YES | NO | EAST_NO
    assert (GREETINGS | CLOSINGS) & said == frozenset()


@pytest.mark.parametrize(
    "line",
    [
        *("Sent from my iPhone", "Sent from my Galaxy Z Fold7", "Sent from Proton Mail for iOS"),
        *(
            "Sent from my iPhone. Please excuse typos.",
            "Sent via Superhuman",
            "Sent from my mobile device",
        ),
        *(
            "Get Outlook for iOS<https://aka.ms/o0ukef>",
            "Get Outlook for Android",
            "Outlook für iOS beziehen",
        ),
        *("Von meinem iPhone gesendet", "Gesendet mit der GMX Mail App", "Von unterwegs gesendet"),
        *("Envoyé de mon iPhone", "Envoyé depuis mon téléphone Android", "Enviado desde mi iPhone"),
        *(
            "Enviado do meu iPhone",
            "Inviato da iPhone",
            "Verzonden vanaf mijn iPhone",
            "Wysłane z iPhone'a",
        ),
        *(
            "Skickat från min iPhone",
            "Sendt fra min iPhone",
            "Lähetetty iPhonesta",
            "Odesláno z iPhonu",
        ),
        *(
            "Отправлено с iPhone",
            "Надіслано з iPhone",
            "iPhone'umdan gönderildi",
            "iPhone-omról küldve",
        ),
        *(
            "发自我的iPhone",
            "从我的 iPhone 发送",
            "發自我的 iPhone",
            "发自我的小米手机",
            "iPhoneから送信",
        ),
        *("Von Samsung-Tablet gesendet", "Von meinem Samsung Galaxy Smartphone gesendet"),
        *("Mit TouchDown gesendet", "Sent from Front", "Sent from Mail for Windows"),
        *("從我的 iPhone 傳送", "從我的iPhone发送", "从我的iPhone发送"),
        *(
            "나의 iPhone에서 보냄",
            "נשלח מה-iPhone שלי",
            "Đã gửi từ iPhone của tôi",
            "ส่งจาก iPhone ของฉัน",
        ),
    ],
)
def test_what_a_phone_writes_is_known(line: str) -> None:
    assert is_device_line(line)


@pytest.mark.parametrize(
    "line",
    [
        *(
            "Sent by mistake",
            "Sent from the wrong account",
            "Sent from my iPhone, but wait for Bob",
        ),
        *(
            "Sent from my iPhone. Not today.",
            "Von mir nicht",
            "Von Montag an gesendet",
            "发自我的测试环境",
        ),
        *("从我的测试环境发送", "Sent from Front, but wait"),
        *("Sent from staging", "Mit Vorsicht", "Get Outlook for iOS first", ""),
    ],
)
def test_what_no_phone_writes_is_none_of_it(line: str) -> None:
    assert not is_device_line(line)


@pytest.mark.parametrize(
    "paragraph",
    [
        "No liability is accepted for this message.",
        "This e-mail and any attachments are confidential and intended solely for the use of the "
        "individual to whom it is addressed. If you are not the intended recipient, please "
        "notify the sender"
        "immediately and delete this message. Any unauthorised copying or disclosure is "
        "strictly prohibited.",
        "This email has been checked for viruses by Avast antivirus software. www.avast.com",
        "No virus found in this message. Checked by AVG - www.avg.com",
        "Please consider the environment before printing this e-mail.",
        "CAUTION: This email originated from outside of the organization. Do not click links "
        "or open"
        "attachments unless you recognize the sender and know the content is safe.",
        "No trees were harmed in the sending of this message.",
        "Keine Haftung wird übernommen.",
        "Diese E-Mail wurde von Avast Antivirus-Software auf Viren geprüft.",
        "Dit bericht kan vertrouwelijke informatie bevatten en is uitsluitend bestemd voor de "
        "geadresseerde.",
        "Это сообщение предназначено только для адресата и может содержать конфиденциальную "
        "информацию.",
        "Esta mensagem é confidencial e destina-se exclusivamente ao destinatário.",
        "Niniejsza wiadomość jest przeznaczona wyłącznie dla adresata i może zawierać informacje "
        "poufne.",
        "Detta meddelande är konfidentiellt och endast avsett för mottagaren.",
        "[EXTERNAL]",
        "You received this message because you are subscribed to the Google Groups \"ops\" group.",
        "Diese E-Mail enthält vertrauliche und/oder rechtlich geschützte Informationen. Wenn "
        "Sie nicht der"
        "richtige Adressat sind, informieren Sie bitte sofort den Absender und vernichten Sie "
        "diese Mail.",
        "Ce message est confidentiel et destiné exclusivement à son destinataire.",
        "Este mensaje es confidencial y está dirigido únicamente a su destinatario.",
        "Questo messaggio è confidenziale e destinato esclusivamente al destinatario.",
        "Это сообщение конфиденциально и предназначено только для адресата.",
        "本邮件及其附件含有保密信息，仅限于发送给上面地址中列出的收件人。",
        "このメールは機密情報を含みます。誤って受信された場合は削除してください。",
    ],
)  # fmt: skip
def test_what_a_company_writes_below_is_known(paragraph: str) -> None:
    assert is_footer(paragraph)


@pytest.mark.parametrize(
    "paragraph",
    [
        "This is confidential, do not deploy.",
        "This message is confidential. Not before Friday.",
        "No liability is accepted if you deploy today.",
        "I think the attachment contains a virus.",
        "CAUTION: do not deploy.",
        "This e-mail is confidential, and only staging is meant.",
        "Diese E-Mail ist vertraulich, erst morgen ausrollen.",
        "本邮件含有保密信息，先别部署。",
        "Yes",
        "Only staging",
        "No trees were deployed.",
        "The message was checked by ESET but not by me.",
        "Keine Haftung, bitte nicht ausrollen.",
    ],
)
def test_a_footer_holds_no_order(paragraph: str) -> None:
    assert not is_footer(paragraph)


@pytest.mark.parametrize(
    "text",
    [
        "not",
        "Only Staging",
        "Head of Not Today",
        "Erst Freitag",
        "10:30",
        "12.12.2026",
        "明天",
        "Ann?",
    ],
)
def test_a_doubt_is_found(text: str) -> None:
    assert doubts(text)


def test_a_scope_may_stand_in_a_title() -> None:
    assert doubts("Release")
    assert not doubts("Release Manager", title=True)
    assert acts("Release")
    assert not acts("You are not the recipient")
