"""What a person would call a clear yes is one, and nothing else is."""

import pytest

from ponderd.channels.yes_no import OWN_LIMIT, leans_to_yes, read_verdict, read_yes_no

ANN = "Ann Example <ann@team.test>"


def cases(table: str) -> list[str]:
    return [case.strip(" ") for case in table.strip().replace("\n    ", " | ").split(" | ")]


YES = cases("""
    yes | Yes. | YES! | yes!!! | y | yep | ok | Okay. | sure | of course | +1 | lgtm
    yes, go ahead | Yes thanks | yes please go ahead | ok, please proceed | approved, thank you
    Looks good to me | sounds good | I approve this | approve | no problem | Yes - go ahead
    Yes, please. | Great, go ahead! | Approved by me | that's fine with me | Yes, Ann
    ja | Ja, gerne. | Ja bitte | genehmigt | Freigegeben! | einverstanden | ich stimme zu | passt
    ja, bitte ausrollen | Ist in Ordnung, danke | von mir ok | Keine Einwände
    oui | d'accord | D’accord, merci | c'est bon | Je valide | allez-y | bien sûr | feu vert
    sí | Sí, adelante | ¡Sí! | vale | de acuerdo | lo apruebo | sim | pode prosseguir | aprovado
    sì | va bene | confermo, grazie | ja hoor | akkoord | ga je gang | godkänt | kör på | godkendt
    ja tak | godkjent | kyllä | hyväksyn | tak | zatwierdzam | zgoda, dziękuję | ano | schvaluji
    súhlasím | da | slažem se | de acord | igen, köszönöm | jóváhagyom | ναι | εγκρίνω | evet
    onaylıyorum | ONAYLIYORUM | да | одобряю | согласен | не возражаю | схвалюю | так, звичайно
    نعم | أوافق | موافق، شكرا | بله | تایید می‌کنم | כן | מאשרת, תודה | हाँ | ठीक है। | ตกลงครับ
    đồng ý
    setuju | ndiyo | はい | 承認します。 | はい、お願いします。 | どうぞ | 問題ありません | 네
    예. | 승인합니다
    네, 진행해 주세요. | 同意 | 同意。 | 好的，谢谢 | 好的谢谢 | 可以 | 批准！ | 是 | 没问题
    沒問題
    👍 | 👍🏽 | 👍👍 | ✅ | ✔️ | 👌 thanks | ok👍 | Yes ✅ | :+1: | :thumbsup: | :+1::skin-tone-3:
    yes :) | All right | Yes, thanks for letting me know | Si, claro | sí por favor
    yes, please go ahead
    **yes** | `yes` | _yes_ | "yes" | “Yes.” | 「はい」 | ＹＥＳ | ｙｅｓ！
""")

NO = cases("""
    no | No. | nope | No, thanks. | no thank you | Don't | Don’t! | no, stop | denied | not approved
    nein | Nein, danke | abgelehnt | non merci | refusé | no gracias | não | nee bedankt | nej tack
    nie | ne | нет | не согласен | لا | לא | いいえ | 却下します | 아니요 | 不同意 | 不行 | 不可以
    拒绝
    👎 | ❌ | :-1: | -1 | **no** | ＮＯ
    Do not deploy | Don't deploy. | Not now. | No, not now. | Please don't.
""")

UNCLEAR = cases("""
    thanks | Danke! | hi | Ann | maybe | hm | yesterday | noted | 收到 | whatever
    了解です | принято
    yes? | Yes?! | ok？ | نعم؟ | yes… | ok... | 好的。。。 | yes :( | yes 🤔 | ~~yes~~ | y/n
    yes/no
    > yes | [ ] yes | [x] no [ ] yes | yes and no | yes no | no yes | approved not
    yes but not today | Yes, but only staging | yes if the tests pass | yes once tests pass
    only if green
    OK, but not before Friday | yes, tomorrow | yes, later | not yet | yes, wait | hold on
    actually no
    yes unless it is Friday | yes to staging, no to prod | yes, and what about the costs
    ok so what is it
    Approved only if all tests pass, please ask me again then | yes, I think | yes after Friday
    yes in an hour | I would say yes | he said "yes" | don't stop | do not cancel
    No idea, what is it?
    No, go ahead | no need | no idea | yes with version 1.4.1 | yes for 20 euro | yes, use staging
    ja, aber erst morgen | ja, wenn die Tests grün sind | doch nicht | ja, gleich | nein, doch, ja
    oui, sauf vendredi | oui si les tests passent | d'accord mais demain | sí, pero mañana
    si pero no
    sim, se passar | sì, però domani | ja maar niet vandaag | ja, men inte idag | tak, ale jutro
    да, но завтра | да нет | نعم ولكن غدا | כן אבל מחר | はい、でも明日 | かもしれない
    승인합니다 하지만 내일
    please approve | please confirm | Freigabe bitte | 请批准 | 感谢批准 | 承認お願いします
    승인 부탁드립니다 | onay lütfen | team approved | everyone agreed | 大家同意
    si puede | si c'est bon | ok si c'est bon | vale si procede | Ja, ja. | yeah, yeah | sure, sure
    ok, thanks for the info | okay, thanks for letting me know | !yes
    はいはい | Yes, morning | ( ) yes | [_] yes | ____ yes | yes ;) | k | go on | puede | jo
    yes, not now | Yes, do not deploy | not now, tomorrow
    但是 | 先别 | 等一下 | 同意，但是明天 | 同意吗 | 可以不 | 行是行 | 好是好 | 不太同意
    不是不同意
    ตกลงแต่พรุ่งนี้ | đồng ý nhưng ngày mai | setuju tapi besok | evet ama yarın
""")


@pytest.mark.parametrize("text", YES)
def test_a_clear_yes(text: str) -> None:
    assert read_yes_no(text, ANN) is True


@pytest.mark.parametrize("text", NO)
def test_a_clear_no(text: str) -> None:
    assert read_yes_no(text, ANN) is False


@pytest.mark.parametrize("text", UNCLEAR)
def test_anything_else_is_neither(text: str) -> None:
    assert read_yes_no(text, ANN) is None


def test_nothing_is_neither() -> None:
    assert read_yes_no("") is None


UNSEEN = [
    *(
        "\u200b",
        "\u200c",
        "\u200d",
        "\u200e",
        "\u200f",
        "\u202a",
        "\u202c",
        "\u2060",
        "\u2066",
        "\u2069",
    ),
    *("\ufeff", "\u00ad", "\u034f", "\ufe0f", "\u00a0", "\u3000", "\u2003", "\t", "\u180e"),
]


@pytest.mark.parametrize("mark", UNSEEN, ids=ascii)
def test_what_nobody_sees_changes_nothing(mark: str) -> None:
    for text in (f"{mark}Yes", f"Yes{mark}", f"{mark}go {mark}ahead{mark}."):
        assert read_yes_no(text) is True
    assert read_yes_no(f"yes{mark} but{mark} not today") is None


@pytest.mark.parametrize("mark", ["\u202e", "\u202d", "\u0336"], ids=ascii)
def test_what_turns_or_strikes_words_makes_them_unclear(mark: str) -> None:
    assert read_yes_no(f"{mark}yes") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("yes", (True, "")),
        ("yes\n\nSent from my phone", (True, "")),
        ("Yes.\nPlease go ahead.\n\nAnn", (True, "Please go ahead.")),
        ("\n\nNo.\nuse staging\n-- \nAnn", (False, "use staging")),
        ("No, thanks.\n\nUse staging, not production.", (False, "Use staging, not production.")),
        ("Thanks!\n\nYes\nAnn", (True, "")),
        ("Danke,\nnein", (False, "")),
        ("Hello,\nyes", (True, "")),
        ("no\nyes", (None, "")),
        ("no\nWhat is it?", (None, "")),
        ("yes\n-- \nno", (None, "")),
        ("yes, but only staging\nyes", (None, "")),
        ("", (None, "")),
    ],
)
def test_what_stands_below_is_the_remark(text: str, found: tuple[bool | None, str]) -> None:
    assert read_verdict(text, ANN) == found


@pytest.mark.parametrize(
    "rest",
    [
        "no",
        "No, wait!",
        "I mean: no.\nDon't",
        "ok\nstop that",
        "Actually hold on, not today.",
        "Staging",
    ],
)
def test_a_yes_that_is_taken_back_below_is_none(rest: str) -> None:
    assert read_yes_no(f"yes\n\n{rest}") is None


def test_a_long_message_is_none() -> None:
    assert read_yes_no("yes " * (OWN_LIMIT // 4)) is True
    assert read_yes_no("yes " * (OWN_LIMIT // 4 + 1)) is None
    assert read_yes_no("yes" + "\n" * 30_000) is None


@pytest.mark.parametrize(
    ("text", "leans"),
    [
        ("Approved only if all tests pass", True),
        ("Hi,\n\nyes, but not before Friday\n\nAnn", True),
        ("Thanks. Ok so go on with staging", True),
        ("同意，但是明天", True),
        ("is that not too much?", False),
        ("yes, and what does it cost?", False),
        ("use staging instead", False),
        ("No, wait until Friday", False),
        ("thanks", False),
        ("", False),
    ],
)
def test_a_yes_with_something_else_in_it_leans_to_yes(text: str, leans: bool) -> None:
    assert leans_to_yes(text, ANN) is leans
