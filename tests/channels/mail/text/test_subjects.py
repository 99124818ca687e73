import pytest

from ponderd.channels.mail.text.subjects import bare, is_forward, is_reply
from tests.services.cpu import in_linear_time


@pytest.mark.parametrize(
    "subject",
    [
        "Re: Offer",
        "RE : Offer",
        "re[2]: Offer",
        "Re^3: Offer",
        "Re(4): Offer",
        "Re: RE: Aw: SV: VS: Offer",
        "Antw: Offer",
        "Odp: Offer",
        "R: Offer",
        "RIF: Offer",
        "RES: Offer",
        "YNT: Offer",
        "Atb.: Offer",
        "回复：Offer",
        "答复: Offer",
        "回覆﹕Offer",
        "返信：Offer",
        "회신: Offer",
        "Отв: Offer",
        "На: Offer",
        "رد: Offer",
        "\u200fהשב: Offer",
        "Απ: Offer",
        "[EXTERNAL] Re: Offer",
        "Re: [ops] Re: Offer",
        "[EXT] [ops] AW: [EXTERNAL] Re: Offer",
        "【外部邮件】回复：Offer",
        "\u2068Re:\u2069\xa0Offer",
    ],
)
def test_a_reply_is_known_in_every_language(subject: str) -> None:
    assert is_reply(subject)
    assert not is_forward(subject)
    assert bare(subject) == "Offer"


@pytest.mark.parametrize(
    "subject",
    [
        "Fwd: Offer",
        "FW: Offer",
        "WG: Offer",
        "TR : Offer",
        "RV: Offer",
        "I: Offer",
        "ENC: Offer",
        "Doorst: Offer",
        "VB: Offer",
        "VL: Offer",
        "PD: Offer",
        "İLT: Offer",
        "ilt: Offer",
        "转发：Offer",
        "轉寄: Offer",
        "転送: Offer",
        "전달: Offer",
        "Пересл: Offer",
        "إعادة توجيه: Offer",
        "הועבר: Offer",
        "[EXT] 转发：Re: Offer",
        "Fwd: [ops] Re: Offer",
        "[Fwd: Re: Offer]",
    ],
)
def test_a_forward_is_known_in_every_language(subject: str) -> None:
    assert is_forward(subject)
    assert not is_reply(subject)
    assert bare(subject) == "Offer"


def test_the_outermost_mark_decides() -> None:
    assert is_reply("Re: Fwd: Offer")
    assert is_forward("[list] Fwd: Re: Offer")


@pytest.mark.parametrize(
    "subject",
    [
        "Report: a new form",
        "Reply wanted: by Friday",
        "I need a train",
        "Resources: list",
        "[ops] disk full",
        "Tr",
        "Re",
        "re-order: 5",
        "Question",
        "",
    ],
)
def test_a_subject_without_marks_is_whole(subject: str) -> None:
    assert not is_reply(subject)
    assert not is_forward(subject)
    assert bare(subject) == subject


def test_a_tag_is_part_of_the_subject_that_it_stands_in() -> None:
    assert bare("Re: [ops] disk full") == "[ops] disk full"
    assert bare("Re[2]: see [list]") == "see [list]"


@pytest.mark.parametrize("piece", ["Re: ", "[a] ", "Re:", "[", "\u200f", "re ", "Re[1", " "])
def test_a_megabyte_of_marks_is_read_quickly(piece: str) -> None:
    with in_linear_time():
        bare(piece * (1_000_000 // len(piece)))
