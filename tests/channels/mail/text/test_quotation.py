"""What a person wrote in a plain text, and what becomes of the rest."""

import pytest

from ponderd.channels.mail.text.quotation import LIMIT, Thread, read_plain
from tests.services.cpu import in_linear_time

OURS = "assistant <assistant@agents.test>"
ANSWER = "The invoice is 4711.\nAnything else?"
OWN = "Fine with me.\n\n  - indented"


def thread(
    *,
    answers_us: bool = True,
    knows_us: bool = True,
    subject: str = "Re: Offer",
    is_forward: bool = False,
) -> Thread:
    return Thread(
        is_ours=lambda address: address.lower().endswith("@agents.test"),
        subject=subject,
        answers_us=answers_us,
        knows_us=knows_us,
        is_forward=is_forward,
    )


def quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


ATTRIBUTIONS = [
    f"On Mon, Jan 5, 2026 at 9:00 AM {OURS} wrote:",
    "On Mon, Jan 5, 2026 at 9:00 AM assistant\n<assistant@agents.test>\nwrote:",
    "On Nov 21, 2026,\nat 10:18,\nassistant <assistant@agents.test> wrote:",
    "On Mon, Jan 5, 2026 at 9:00\u202fAM assistant <\nassistant@agents.test> wrote:",
    f"Am Mo., 5. Jan. 2026 um 09:00 Uhr schrieb {OURS}:",
    f"{OURS} schrieb am Mo., 5. Jan. 2026, 09:00:",
    f"Le lun. 5 janv. 2026 à 09:00, {OURS} a écrit\xa0:",
    "El lun, 5 ene 2026 a las 9:00, assistant (<assistant@agents.test>) escribió:",
    f"Em 5 de mai. de 2026 às 10:15, {OURS} escreveu:",
    f"Il giorno mar 5 mag 2026 alle ore 10:15 {OURS} ha scritto:",
    f"Op di 5 mei 2026 om 10:15 schreef {OURS}:",
    f"Den tis 5 maj 2026 kl 10:15 skrev {OURS}:",
    "tir. 5. mai 2026 kl. 10:15 skrev assistant <assistant@agents.test\n>:",
    "ti 5. toukok. 2026 klo 10.15 assistant (assistant@agents.test) kirjoitti:",
    f"wt., 5 maj 2026 o 10:15 {OURS} napisał(a):",
    f"út 5. 5. 2026 v 10:15 odesílatel {OURS} napsal:",
    "assistant <assistant@agents.test> ezt írta (időpont: 2026. máj. 5., K, 10:15):",
    f"вт, 5 мая 2026 г. в 10:15, {OURS}:",
    f"05.05.2026, 10:15, {OURS}:",
    f"вт, 5 трав. 2026 р. о 10:15 {OURS} пише:",
    "Στις Τρί 5 Μαΐ 2026 στις 10:15 π.μ., ο χρήστης assistant <assistant@agents.test> έγραψε:",
    "assistant <assistant@agents.test>, 5 May 2026 Sal, 10:15 tarihinde şunu yazdı:",
    "assistant <assistant@agents.test> 于2026年5月5日周二 10:15写道：",
    "2026年5月5日(火) 10:15 assistant <assistant@agents.test>:",
    "2026년 5월 5일 (화) 오전 10:15, assistant <assistant@agents.test>님이 작성:",
    "Vào Th 3, 5 thg 5, 2026 vào lúc 10:15 assistant <assistant@agents.test> đã viết:",
    "\u202bבתאריך יום ג׳, 5 במאי 2026 ב-10:15 מאת \u202aassistant\u202c\u200f "
    "<\u202aassistant@agents.test\u202c\u200f>:\u202c",
    "في الثلاثاء، ٥ مايو ٢٠٢٦ في ١٠:١٥ ص تمت كتابة ما يلي بواسطة "
    "\u202aassistant\u202c\u200f <\u202aassistant@agents.test\u202c\u200f>:\u200f",
    f"Ar 5 Mai 2026 am 10:15, ysgrifennodd {OURS}:",  # no list of ours knows Welsh
    f"---- On Tue, 05 May 2026 10:15:00 +0200 {OURS} wrote ----",
]


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
@pytest.mark.parametrize("marked", [True, False])
def test_an_attribution_is_known_by_its_structure(attribution: str, marked: bool) -> None:
    history = f"{attribution}\n\n{quoted(ANSWER) if marked else ANSWER}"
    reading = read_plain(f"{OWN}\n\n{history}\n", thread())
    assert (reading.text, reading.own, reading.cut) == (OWN, OWN, history)


HEADER_BLOCKS = [
    "From: {ours}\nSent: Tuesday, May 5, 2026 10:15 AM\nTo: Ann <ann@team.test>\nSubject: Offer",
    "*From:* {ours}\n*Sent:* Tuesday, May 5, 2026 10:15 AM\n*To:* Ann\n*Subject:* Offer",
    "From: assistant\n<assistant@agents.test>\nSent: Tuesday, May 5, 2026\nTo: Ann\nSubject: RE: x",
    "发件人: {ours}\n发送时间: 2026年5月5日 10:15\n收件人: Ann <ann@team.test>\n主题: Re: Offer",
    "发件人：{ours}\n发送时间：2026年5月5日 10:15\n收件人：Ann\n主题：Re: Offer",
    "差出人: {ours}\n送信日時: 2026年5月5日 10:15\n宛先: Ann\n件名: Re: Offer",
    "보낸 사람: {ours}\n보낸 날짜: 2026년 5월 5일 화요일 10:15\n받는 사람: Ann\n제목: Re: Offer",
    "Da: {ours}\nInviato: martedì 5 maggio 2026 10:15\nA: Ann <ann@team.test>\nOggetto: Re: Offer",
    "Van: {ours}\nVerzonden: dinsdag 5 mei 2026 10:15\nAan: Ann\nOnderwerp: Re: Offer",
    "De : {ours}\nEnvoyé : mardi 5 mai 2026 10:15\nÀ : Ann\nObjet : Re: Offer",
    "Od: {ours}\nWysłano: wtorek, 5 maja 2026 10:15\nDo: Ann\nTemat: Re: Offer",
    "От: {ours}\nОтправлено: 5 мая 2026 г. 10:15\nКому: Ann\nТема: Re: Offer",
    "\u200fמאת: {ours}\nנשלח: יום שלישי 5 מאי 2026 10:15\nאל: Ann\nנושא: Re: Offer",
    "From: {ours}\n\nSent: Tuesday, May 5, 2026 10:15 AM\n\nTo: Ann\n\nSubject: RE: Offer",
    "Gesendet: Dienstag, 05. Mai 2026 um 10:15 Uhr\nVon: {ours}\nAn: Ann\nBetreff: Re: Offer",
    "---- 回复的原邮件 ----\n| 发件人 | {ours} |\n| 日期 | 2026年05月05日 10:15 |",
    "من: {ours}\nتم الإرسال: 5 مايو 2026 10:15\nإلى: Ann\nالموضوع: Re: Offer",
    # No list of ours knows Icelandic.
    "Frá: {ours}\nSent þann: þriðjudagur, 5. maí 2026 10:15\nTil: Ann\nEfni: Re: Offer",
    "-----Original Message-----\nFrom: {ours}\nSent: Tuesday",
    "________________________________\nFrom: {ours}\nSent: Tuesday, May 5, 2026 10:15\nTo: Ann",
    "------------------ 原始邮件 ------------------\n"
    '发件人: "assistant" <assistant@agents.test>;\n发送时间: 2026年5月5日(星期二) 上午10:15\n'
    '收件人: "Ann"<ann@team.test>;\n主题: Re: Offer',
    "-------- Oprindelig besked --------\nFra: {ours}\nDato: 05.05.2026 10.15\nTil: Ann",
    "----- Mensaje original -----",
]


@pytest.mark.parametrize("block", HEADER_BLOCKS)
def test_a_header_block_is_known_by_its_structure(block: str) -> None:
    history = f"{block.format(ours=OURS)}\n\n{ANSWER}"
    reading = read_plain(f"{OWN}\n\n{history}", thread())
    assert (reading.text, reading.own, reading.cut) == (OWN, OWN, history)


OWN_LOOKALIKES = [
    "Please book the train:\n\nFrom: Berlin\nTo: Munich\nDate: Friday morning\n\nWindow seat.",
    "Move it:\nFrom: shelf 4\nTo: shelf 7\nDate: 5 May 2026\nthanks",
    "Please send this:\n\nTo: bob@team.test\nSubject: Prices\n\nDear Bob,\nhere they are.",
    "Register them:\nName: Bob\nEmail: bob@team.test\nDate: 5 May 2026 10:15\nSubject: demo",
    "Section one is fine.\n____________________________________\nSection two: rewrite it.",
    "## Points\n----\n1. fast\n\n----\n\n====\nThat is all.",
    "-------- Part two --------\nThe second part.",
    "On Monday Bob wrote:\nwe need five of them\nPlease order.",
    "On Monday we deploy.\nFrom: now on\nAm I late?",
    "Please write to bob@team.test:\n- the price\n- the date",
    "Please invite Bob <bob@team.test> for 5 May 2026, 10:15:\nfirst the budget",
    "Send a copy to assistant@agents.test:\nthe list below",
    "These are late:\n> 5 days: order 4711\n> 9 days: order 4712",
    "> 5 items are missing\n> 30 % are broken",
    ">>> print(1)\n1\nWhat is wrong?",
    "> npm install\nfails on my machine.",
    "The log says:\n\n> disk full\n\nWhat now?",
    "Regards\nAnn\n-- \nAnn Example\nPhone: +49 40 1234\nEmail: ann@team.test\nWeb: https://t.test",
    "The times:\n2026-01-15 14:30\n15.01.2026 14:30",
    "See https://x.test/on-date-someone-wrote: it is good",
    "Unser Vertrag: 4711\nUnser Termin: 5. Mai 2026 10:15\nIhr Kontakt: bob@team.test",
]


@pytest.mark.parametrize("text", OWN_LOOKALIKES)
def test_what_merely_looks_like_history_is_the_persons_own(text: str) -> None:
    assert read_plain(text, thread()).own == text
    history = f"On 5 May 2026 at 09:00, {OURS} wrote:\n{quoted(ANSWER)}"
    both = read_plain(f"{text}\n\n{history}", thread())
    assert (both.own, both.text, both.cut) == (text, text, history)


def test_quotations_without_an_attribution_are_cut_in_a_reply_only() -> None:
    text = "Yes, please.\n\n> Shall I order it?\n> It costs 80 €."
    assert read_plain(text, thread()).text == "Yes, please."
    new = read_plain(text, thread(answers_us=False, knows_us=False))
    assert (new.text, new.own) == (text, text)


def test_answers_between_quoted_lines_are_kept() -> None:
    text = f"On 5 May 2026, {OURS} wrote:\n> one?\nyes\n> two?\n\nno, 3 > 2\n> three?\n"
    reading = read_plain(text, thread())
    assert reading.own == reading.text == "yes\n\nno, 3 > 2"
    assert reading.cut == f"On 5 May 2026, {OURS} wrote:\n> one?\n> two?\n> three?"


def test_an_attribution_inside_the_quotation_is_cut_with_it() -> None:
    text = f"Fine.\n\n> On 5 May 2026 at 09:00, {OURS} wrote:\n>\n> 4711"
    assert read_plain(text, thread()).text == "Fine."


def test_history_that_the_conversation_lacks_is_kept() -> None:
    text = "Please answer.\n\nOn 5 May 2026 at 09:00, Bob <bob@team.test> wrote:\n> How long?"
    reading = read_plain(text, thread(answers_us=False, knows_us=False))
    assert (reading.text, reading.own, reading.cut) == (text, "Please answer.", "")


def test_people_who_went_on_without_us_are_read_down_to_our_mail() -> None:
    said = (
        "Assistant, what do you think?\n\n"
        "On 6 May 2026 at 09:00, Bob <bob@team.test> wrote:\n> I would not.\n>"
    )
    ours = f"> On 5 May 2026 at 09:00, {OURS} wrote:\n>> Shall we?"
    bobs = "> But ask Carl."
    reading = read_plain(f"{said}\n{ours}\n{bobs}", thread(answers_us=False))
    assert reading.text == f"{said}\n{bobs}"
    assert reading.own == "Assistant, what do you think?"
    assert reading.cut == ours


def test_of_header_blocks_those_from_us_on_are_cut() -> None:
    block = "From: {}\nSent: Tuesday, May 5, 2026 10:15 AM\nTo: {}\nSubject: Re: Offer\n\n{}\n\n"
    bobs = block.format("Bob <bob@team.test>", OURS, "I would not.")
    ours = block.format(OURS, "Bob <bob@team.test>", "Shall we?")
    reading = read_plain(f"And now?\n\n{bobs}{ours}the first mail", thread(answers_us=False))
    assert reading.text == f"And now?\n\n{bobs}".rstrip()
    assert reading.cut == f"{ours}the first mail"


FORWARDS = [
    "---------- Forwarded message ---------\nFrom: Bob <bob@team.test>\nDate: Tue, 5 May 2026\n",
    "Begin forwarded message:\n\n> From: Bob <bob@team.test>\n> Date: 5 May 2026\n>\n",
    "> Anfang der weitergeleiteten Nachricht:\n>\n> Von: Bob <bob@team.test>\n",
    "---------- Messaggio inoltrato ----------\nDa: Bob <bob@team.test>\n",
    "---------- 转发的邮件 ----------\n发件人: Bob <bob@team.test>\n",
    "-------- Пересылаемое сообщение --------\n05.05.2026, 10:15, Bob <bob@team.test>:\n",
    # By structure: a mail of somebody else about something else cannot be in this conversation.
    "From: Bob <bob@team.test>\nSent: Tuesday, May 5, 2026 10:15 AM\nTo: Ann\nSubject: Heating\n",
]


@pytest.mark.parametrize("forward", FORWARDS)
def test_what_is_forwarded_reaches_the_agent_but_is_nobodys_own_word(forward: str) -> None:
    text = f"Please handle this.\n\n{forward}\nRoom 7 is cold.\n> really"
    reading = read_plain(text, thread())
    assert (reading.text, reading.own, reading.cut) == (text, "Please handle this.", "")


def test_a_mail_with_the_subject_of_a_forward_is_kept_whole() -> None:
    text = f"See below.\n\nFrom: {OURS}\nSent: Tuesday, May 5, 2026 10:15\nTo: Ann\n\nRoom 7"
    reading = read_plain(text, thread(is_forward=True))
    assert (reading.text, reading.own, reading.cut) == (text, "See below.", "")


def test_a_mail_that_is_all_quotation_is_kept_but_says_nothing_new() -> None:
    reading = read_plain("> please read this", thread())
    assert (reading.text, reading.own, reading.cut) == ("> please read this", "", "")


BANNERS = [
    "CAUTION: This email originated from outside of the organization. Do not click links.",
    "CAUTION: This email originated from outside of the organization. Do not click links or open\n"
    "attachments unless you recognize the sender and know the content is safe.",
    "[EXTERNAL]",
    "[EXTERNAL EMAIL]\nThis message was sent from outside your organization. Be careful with links",
    "*** EXTERNAL EMAIL ***\nThis message came from an external sender. Do not click any link.",
    "ACHTUNG: Diese E-Mail stammt von außerhalb der Organisation. Klicken Sie nicht auf Links.",
    "ATTENTION : Ce courriel provient de l’extérieur. Ne cliquez pas sur les liens.",
    "Este correo proviene de fuera de la organización.",
    "您通常不会收到来自 ann@team.test 的电子邮件。了解这一点为什么很重要",
    "You don't often get email from ann@team.test. Learn why this is important<https://aka.ms/x>",
    "ZjQcmQRYFpfptBannerStart\nThis Message Is From an External Sender\n"
    "This message came from outside your organization.\nZjQcmQRYFpfptBannerEnd",
    "**********\nCAUTION:\nThis e-mail comes from an external source.\n**********",
]


@pytest.mark.parametrize("banner", BANNERS)
def test_banners_of_gateways_are_nobodys_words(banner: str) -> None:
    reading = read_plain(f"{banner}\n\nYes, the second one.", thread())
    assert (reading.text, reading.own) == ("Yes, the second one.",) * 2
    assert reading.cut == banner
    first = read_plain(f"{banner}\n\nhello", thread(answers_us=False, knows_us=False))
    assert first.text == "hello"


@pytest.mark.parametrize(
    "text",
    [
        "Caution: the paint is wet.",
        "External costs are too high, see outside the building.",
        "Attention: the email from Bob is a link.",
        "[external] access for Bob, please",
        "Please check this mail:\n\nIt came from somewhere outside.",
        "I received this message because I am curious.",
    ],
)
def test_words_that_only_remind_of_banners_are_the_persons(text: str) -> None:
    assert read_plain(text, thread()).own == text


FOOTERS = [
    "_______________________________________________\nops mailing list\nops@lists.team.test",
    '-- \nYou received this message because you are subscribed to the Google Groups "ops" group.\n'
    "To unsubscribe from this group, send an email to ops+unsubscribe@googlegroups.com.",
    "No virus found in this message.\nChecked by AVG - www.avg.com",
    "Virus-free. www.avast.com<https://www.avast.com/sig>",
]


@pytest.mark.parametrize("footer", FOOTERS)
def test_footers_of_lists_and_scanners_are_nobodys_words(footer: str) -> None:
    reading = read_plain(f"Yes.\n\n{footer}\n", thread())
    assert (reading.text, reading.own, reading.cut) == ("Yes.", "Yes.", footer)


def test_a_signature_stays_in_the_text() -> None:
    assert read_plain("Yes.\n-- \nAnn Example", thread()).text == "Yes.\n-- \nAnn Example"


def test_what_is_too_long_is_attached_as_it_is() -> None:
    text = "word " * (LIMIT // 5) + "the end"
    reading = read_plain(text, thread())
    assert reading.text.replace("\n", "") == text
    history = f"Yes.\n\nOn 5 May 2026 at 09:00, {OURS} wrote:\n{text}"
    assert read_plain(history, thread()).text == "Yes."


@pytest.mark.parametrize(
    "piece",
    [
        *("\n", " \n", "On ", "On\n", "a:\n", "x", "@", ">", "> x\n", "> x\n\n", "-----\n", "9:"),
        *("From: a\n", "On x wrote:\n> a\n", "Am 1 schrieb ", "<a@b>:\n", "wrote ", "2026 "),
        *("____\nFrom: a@b\n", "> a <b@c.de\n>:\n", "CAUTION\n", "[EXTERNAL]\n", "這", "٥"),
        f"> On 5 May 2026 10:15 {OURS} wrote:\n",
        "This email is from outside\n",
    ],
)
def test_a_megabyte_of_anything_is_read_quickly(piece: str) -> None:
    with in_linear_time():
        read_plain(piece * (1_000_000 // len(piece)), thread(answers_us=False))
