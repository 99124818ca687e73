"""What carries meaning stays; what letters hold around it goes, if it is recognised."""

import pytest

from ponderd.channels.own_words import is_greeting, own_words, seen

ANN = "Ann Example <ann@team.test>"

AROUND = {
    "a greeting": "Hi,\n\n{}",
    "a greeting by name": "Dear Dr. Keller,\n{}",
    "a greeting in German": "Hallo zusammen,\n\n{}",
    "a greeting in French": "Bonjour à tous,\n\n{}",
    "a greeting in Chinese": "你好，\n\n{}",
    "a greeting in Japanese": "田中様\nお世話になっております。\n\n{}",
    "a name that is a word elsewhere": "{}\n\nGrüße aus Berlin\nAnna Ann",
    "a company of partners": "{}\n\nAnn\nBeispiel & Partner mbB",
    "managers": "{}\n\nAnn\nGeschäftsführer: Max Müller, Eva Klein",
    "a company and a town": "{}\n\nAnn\nExample GmbH · Hauptstr. 5 · 10115 Berlin",
    "a name with a smile": "{}\n\nThanks\nAnn 🙂",
    "an address in one line": "{}\n\nAnn Example\nMannerheimintie 1, 00100 Helsinki",
    "an address in Japanese": "{}\n\nAnn\n〒100-0001 東京都千代田区千代田1-1",
    "a company in Russian": "{}\n\nС уважением,\nАнна Петрова\nООО «Пример»",
    "a company in words": "{}\n\nAnn\nExample Ltd is a company registered in England and Wales with"
    " number 01234567.",
    "politeness": "Thanks for asking!\n\n{}\n\nHave a nice day!",
    "the name": "{}\n\nAnn",
    "the whole name": "{}\n\nAnn Example",
    "the name with a dash": "{}\n- Ann",
    "an initial and a title": "{}\n\nN. Example\nHead of Operations",
    "a closing": "{}\n\nBest regards,\nMaria Keller",
    "a closing in one line": "{}\n\nViele Grüße, Ann",
    "a closing in French": "{}\n\nCordialement,\nMarie Dupont\nDirectrice technique",
    "a closing in Chinese": "{}\n\n此致\n敬礼\n王芳\n技术总监\n电话：+86 10 1234 5678",
    "a closing in Japanese": "{}\n\nよろしくお願いいたします。\n田中",
    "a closing in Russian": "{}\n\nС уважением,\nИван Петров\nРуководитель отдела",
    "a signature": "{}\n-- \nAnn Example | Example GmbH | Tel. +49 89 1234567",
    "a signature with a motto": "{}\n-- \nAnn\nQuality since 1970",
    "a block of contacts": "{}\n\nRegards\nAnn Example\nRelease Manager\nExample Ltd\n"
    "12 Example Street\n80331 München\nT: +44 20 7946 0000\nann@team.test\nwww.example.com",
    "a phone's line": "{}\n\nSent from my iPhone",
    "a phone's line in German": "{}\n\nVon meinem iPhone gesendet",
    "a footer": "{}\n\nThis message is confidential. If you are not the intended recipient,\n"
    "please delete it and notify the sender.",
    "a lawyer's footer": "{}\n\nThis message and any attachment are confidential and may be "
    "privileged or otherwise protected from disclosure. If you are not the intended recipient, you "
    "must not copy this message or attachment or disclose the contents to any other person.",
    "an order about the mail": "{}\n\nDISCLAIMER: This e-mail may contain confidential "
    "information. If you are not the intended recipient, do not read, copy or distribute it.",
    "a footer in French": "{}\n\nCe message et toutes les pièces jointes sont confidentiels et "
    "établis à l'intention exclusive de ses destinataires. Toute utilisation non autorisée est "
    "interdite.",
    "a footer in Chinese": "{}\n\n本邮件及其附件含有保密信息，"
    "仅限于发送给上面地址中列出的个人或群组。"
    "禁止任何其他人以任何形式使用本邮件中的信息。",
    "paper": "{}\n\nPlease don't print this e-mail unless necessary.",
    "a class": "{}\n\nAnn\nClassification: Internal",
    "a house with its number": "{}\n\nAnn\nNo. 5 Main Street",
    "a house in a town": "{}\n\nAnn\nNo. 12, High Street, London",
    "a house in French": "{}\n\nAnn\nN° 5 rue de la Paix",
    "a company named No": "{}\n\nAnn\nNo Limits Ltd.",
    "pronouns": "{}\n\nAnn\nPronouns: she/her",
    "office hours": "{}\n\nAnn\nOffice hours: Mon-Fri 9:00-17:00",
    "a registered office": "{}\n\nRegistered in England No. 1234567. Registered office: "
    "5 Main Street, London",
    "a German company's line": "{}\n\nAnn\nGeschäftsführer: Max Muster | HRB 12345 | "
    "Amtsgericht Berlin",
    "a scanner's lines": "{}\n\n__________ Information from ESET Mail Security, version of virus "
    "signature database 12345 (20260101) __________\n\nThe message was checked by ESET Mail "
    "Security.\nhttp://www.eset.com",
    "a scanner's mark": "{}\n\nVirus-free. www.avast.com",
    "a company's line": "{}\n\nAnn\nExample Ltd. Registered in England No. 1234567. VAT No. GB1234",
    "a banner": "CAUTION: This email originated from outside of the organization.\n\n{}",
    "a tag": "[EXTERNAL]\n\n{}",
    "a list's footer": "{}\n\n_______________________________________________\nops mailing list\n"
    "To unsubscribe from this group and stop receiving emails from it, send an email to\n"
    "ops@lists.test.",
    "all of it": "[EXTERNAL]\n\nHi all,\n\n{}\n\nThanks and best regards\nAnn\n\n--\nAnn Example\n"
    "Example GmbH\n\nSent from my Galaxy S24\n\nNo virus found in this message.",
}  # fmt: skip


@pytest.mark.parametrize("around", AROUND)
def test_it_goes(around: str) -> None:
    assert own_words(AROUND[around].format("Use blue."), ANN) == "Use blue."


STAYS = {
    "an order below the name": "Yes\n\nBest\nAnn\nPS: not before Friday",
    "a doubt in a footer": "Yes\n\nThis is confidential, do not deploy",
    "an order in a footer": "Yes\n\nThis message is confidential. Do not copy it to production.",
    "an order that speaks of paper": "Yes\n\nDo not print.",
    "a use in a footer": "Yes\n\nConfidential: must not use the new version",
    "a doubt as a title": "Yes\n\nAnn\nHead of Not Today",
    "a scope as a name": "Yes\n\nThanks\nStaging",
    "a condition below the dashes": "Yes\n-- \nAnn\nonly if the tests pass",
    "a greeting that says something": "Hi Wait,\n\nyes",
    "another's name": "Yes\n\nBob",
    "a day as a name": "Yes\n\nBest,\nMonday",
    "a date": "Yes\n\nAnn\n12.12.2026",
    "a manner in a title": "Yes\n\nAnn\nHead of Operations, Mostly",
    "a manner as a number": "Yes\n\nAnn\nTel. Rarely",
    "a version": "Yes\n\nAnn\nVersion 1.4.1",
    "an unknown sentence": "Yes\n\nAnn\nThe moon is round",
    "a doubt in Chinese": "同意\n\n谢谢\n明天",
    "a caution as a name": "同意\n\n谢谢\n小心",
    "a stop as a name": "はい\n\n以上\nストップ",
    "a word in brackets behind the name": "Yes\n\nAnn (Goldfish)",
    "a word behind the name": "Yes\n\nAnn Goldfish",
    "words with capitals": "Yes\n\nBest regards,\nAnn\nSmall Goldfish",
    "a word beside a company": "Yes\n\nAnn\nGoldfish, Example GmbH",
    "no town": "Yes\n\nGrüße aus Goldfish",
    "in principle, as a name": "同意\n\n谢谢\n原则上",
    "an unknown word as a name": "Yes\n\nThanks,\nGoldfish",
    "a word that takes back": "Yes\n\nBest regards,\nDraft",
    "a limit below the dashes": "Yes\n-- \nAnn\n20 EUR",
    "a face below the dashes": "Yes\n-- \nAnn\n🤔",
    "an unknown line below the dashes": "Yes\n-- \nGoldfish",
    "a second thought on a line": "Yes\n...",
    "a sad face on a line": "Yes\nAnn\n:(",
    "letters with stops": "Yes\n\nAnn W.A.I.T.",
    "a number behind the name": "Yes\n\nAnn 0900",
    "a word behind a company": "Yes\n\nAnn\nRegistered in England No. 123456. Goldfish",
    "somebody's phone": "Yes\n\nSent from Bob's iPhone",
    "an order behind the phone": "Yes\n\nSent from my iPhone, Goldfish",
    "a sum behind a postscript": "Yes\n\nBest,\nAnn\nP.S. 20 EUR",
    "a no as a company": "Yes\n\nAnn\nNo deploy",
    "a doubt as a company": "Yes\n\nAnn\nNo Deploy Ltd.",
    "a number that is a choice": "Yes\n\nAnn\nNo. 5",
    "a sentence behind a number": "Yes\n\nAnn\nNo. 5 must wait",
    "a doubt behind a number": "Yes\n\nAnn\nNo. 5 Stop Street",
    "a branch": "Yes\n\nAnn\n5 Main",
    "a condition on the hours": "Yes\n\nAnn\nOffice hours only",
    "a day of the hours": "Yes\n\nAnn\nOffice hours: Fri 9:00",
    "sent by mistake": "Yes\n\nSent by mistake",
}


@pytest.mark.parametrize("case", STAYS)
def test_it_stays(case: str) -> None:
    first = STAYS[case].splitlines()[0]
    assert own_words(STAYS[case], ANN) not in ("", first, "yes")


@pytest.mark.parametrize(
    "sender", ["ann@team.test", "Ann Example", ANN, "aexample@team.test", "a.example@x.test"]
)
def test_the_sender_is_known_by_address_or_name(sender: str) -> None:
    name = "Ann" if "nn" in sender else "Example"
    assert own_words(f"Use blue.\n\n{name}", sender) == "Use blue."


@pytest.mark.parametrize(
    "sender", ["no@team.test", "wait@team.test", "not.today@team.test", "staging@x.test", ""]
)
def test_a_senders_name_is_no_way_to_hide_a_doubt(sender: str) -> None:
    for line in ("No", "Wait", "Not Today", "Staging"):
        assert own_words(f"Yes\n\n{line}", sender) == f"Yes\n\n{line}"


def test_a_name_in_a_script_without_spaces() -> None:
    assert own_words("同意\n王芳", "王芳 <wang.fang@team.test>") == "同意"
    assert own_words("同意\n王芳", "wang.fang@team.test") == "同意\n王芳"


@pytest.mark.parametrize(
    "text", ["Hi", "Hello Ann,", "Dear Sir or Madam", "Hallo Frau Dr. Keller", "您好", "Hej Bo!"]
)
def test_a_greeting(text: str) -> None:
    assert is_greeting(text)


@pytest.mark.parametrize(
    "text", ["Hi no", "Hello Stop", "Hi Bob wait", "Yes", "Hi what is it", "先别您好", ""]
)
def test_no_greeting(text: str) -> None:
    assert not is_greeting(text)


def test_a_text_of_many_lines_stays_whole() -> None:
    text = "Use blue." + "\n" * 398 + "\nAnn"
    assert own_words(text, ANN) == "Use blue."
    assert own_words(f"x\n{text}", ANN) == f"x\n{text}"


def test_what_is_seen() -> None:
    assert seen("\ufeffa\u200bb\r\nc\u2028d\u00ade\ufe0f") == "ab\nc\nde"


@pytest.mark.parametrize(
    "piece",
    [
        "Best ",
        "a.",
        "Hi Ann, ",
        "Sent from ",
        "(",
        "+0 ",
        "confidential ",
        "--\n",
        "Ann\n",
        "x\n\n",
    ],
)
def test_a_long_text_takes_linear_time(piece: str) -> None:
    """The benchmark measures; this only shows that it ends."""
    assert isinstance(own_words(piece * (100_000 // len(piece)), ANN), str)
