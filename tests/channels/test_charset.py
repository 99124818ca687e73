import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponderd.channels.charset import declared, decode
from ponderd.channels.text import clean
from tests.services.cpu import in_linear_time

WESTERN = "It’s € 500 – don’t pay “more”… Grüße, Žižek™"
LABELS = {
    "cp1252": "iso-8859-1 ISO_8859-1:1987 latin1 us-ascii ansi_x3.4-1968 windows-1252 x-cp1252",
    "cp1254": "iso-8859-9 latin5 windows-1254",
    "cp874": "tis-620 iso-8859-11 windows-874 cp874",
    "cp1255": "iso-8859-8 iso-8859-8-i iso-8859-8-e windows-1255 visual logical",
    "gb18030": "gb2312 GBK x-gbk gb_2312-80 gb18030 chinese cp936 euc-cn",
    "cp949": "ks_c_5601-1987 euc-kr KSC_5601 windows-949 korean uhc cp949",
    "cp932": "shift_jis x-sjis shift-jis ms_kanji windows-31j cp932 x-mac-japanese",
    "cp950": "big5 big5-hkscs cn-big5 x-x-big5 cp950",
    "koi8-u": "koi8-u koi8-ru",
    "koi8-r": "koi8-r KOI8_R koi8",
    "mac-roman": "macintosh x-mac-roman",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "cp850": "cp850 ibm850 cp-850",
    "utf-16-le": "utf-16le UTF-16",
    "utf-16-be": "utf-16be",
    "utf-7": "utf-7 unicode-1-1-utf-7 UTF7",
    "hz": "hz-gb-2312 hz",
    "iso2022_kr": "iso-2022-kr",
}
TEXTS = {
    "cp1252": WESTERN,
    "cp1254": "Teşekkürler, “iyi” çalışmalar – Işıl",
    "cp874": "สวัสดีครับ “ขอใบเสนอราคา”",
    "cp1255": "שלום, אפשר “הצעת מחיר”?",
    "gb18030": "李喆的报价：朱镕基 – ①②",
    "cp949": "안녕하세요 펲시콜라 똠방각하",
    "cp932": "①見積 ㈱山田 髙橋～ｱｲｳ",
    "cp950": "你好，請報價 碁",
    "koi8-u": "Надішліть звіт, її",
    "koi8-r": "Пришлите отчёт",
    "mac-roman": "Größe – “Übung”",
    "mac-cyrillic": "Пришлите отчёт – «срочно»",
    "cp850": "Größe und Übung",
    "utf-16-le": "Größe – 見積",
    "utf-16-be": "Größe – 見積",
    "utf-7": "Größe – 見積 1+1",
    "hz": "你好~ Ann",
    "iso2022_kr": "안녕하세요 Ann",
}


class TestALabelMeansItsWidestSet:
    @pytest.mark.parametrize(
        ("codec", "label"),
        [(codec, label) for codec, labels in LABELS.items() for label in labels.split()],
    )
    def test_by_every_name(self, codec: str, label: str) -> None:
        data = TEXTS[codec].encode(codec)
        for written in (label, label.upper(), f' "{label}" ', f"x-{label}", f"{label}; x=y"):
            assert decode(data, written) == TEXTS[codec]

    @pytest.mark.parametrize(
        "label",
        ["utf-8", "UTF8", "utf_8", "utf-8; format=flowed", '"utf-8', "charset=utf-8", "x-utf-8",
         "unicode-1-1-utf-8", "utf-8*de", "utf8mb4", "Utf-8,"],
    )  # fmt: skip
    def test_utf_8(self, label: str) -> None:
        assert decode("Grüße 見積 😀".encode(), label) == "Grüße 見積 😀"

    @pytest.mark.parametrize("codec", ["iso8859-2", "iso8859-7", "iso8859-13", "iso8859-15"])
    def test_the_quotation_marks_of_windows_in_an_iso_set(self, codec: str) -> None:
        assert decode(b"\x93x\x94 \x96 \x80 5\x85", codec.replace("iso", "iso-")) == "“x” – € 5…"

    def test_polish_of_windows_in_an_iso_set(self) -> None:
        text = "zażółć gęślą jaźń"
        assert decode(text.encode("cp1250"), "iso-8859-2") == text
        assert decode(text.encode("iso8859-2"), "iso-8859-2") == text

    def test_the_euro_in_chinese_and_accents_apart_in_vietnamese(self) -> None:
        assert decode(b"\x80 5 \xd4\xaa", "gbk") == "€ 5 元"
        assert decode(b"c\xf4\xf2ng", "windows-1258") == "cộng"

    def test_japanese_that_windows_extends(self) -> None:
        assert decode(b"\x1b$B-!\x1b(B \x1b$B8+@Q\x1b(B", "iso-2022-jp") == "① 見積"
        assert decode(b"\x1b$@8+@Q\x1b(J\\5", "iso-2022-jp") == "見積¥5"
        assert decode(b"\x1b(I123\x1b(B", "iso-2022-jp") == "ｱｲｳ"
        assert decode(b"\x1b$(D\x30\x21\x1b(B", "iso-2022-jp-1") == "丂"
        assert decode(b"\xad\xa1 \xb8\xab\xc0\xd1 \x8e\xb1", "euc-jp") == "① 見積 ｱ"

    def test_a_switch_that_is_never_undone_ends_with_its_line(self) -> None:
        assert decode(b"\x1b$B8+@Q\r\nhello", "iso-2022-jp") == "見積\r\nhello"

    @pytest.mark.parametrize(
        "label",
        [*"punycode idna hex rot13 base64 zip undefined mbcs cp037 \x00 ü".split(), "x" * 9_000],
    )
    def test_what_is_no_charset_of_mail_is_no_label(self, label: str) -> None:
        assert decode(b"x-y 6162", label) == "x-y 6162"
        assert decode("grün".encode(), label) == "grün"


@pytest.mark.parametrize(
    ("source", "label"),
    [
        (b'<html><meta charset="gb2312">', "gb2312"),
        (b"<META http-equiv=Content-Type content='text/html; charset=koi8-r'>", "koi8-r"),
        (b'<?xml version="1.0" encoding="windows-1251"?><html>', "windows-1251"),
        (b"<meta charset=utf-16>", "utf-8"),
        (b"<p>charset=gb2312</p>", ""),
        (b"<meta " * 1_000, ""),
        (b"", ""),
    ],
)
def test_html_may_carry_its_label(source: bytes, label: str) -> None:
    assert declared(source) == label


class TestALabelMayBeWrong:
    @pytest.mark.parametrize(
        "label", ["", "us-ascii", "utf-8", "x-unknown", "unknown-8bit", "nonsense"]
    )
    @pytest.mark.parametrize(
        ("codec", "text"),
        [
            ("cp1252", "grün"),
            ("cp1252", "Grüße aus Köln"),
            ("cp1252", "ÄNDERUNG FÜR MÜLLER"),
            ("cp1252", "Umlaute: äöüß"),
            ("cp1252", "très bien, à bientôt"),
            ("cp1252", "¿Mañana por la mañana?"),
            ("cp1252", "não está disponível"),
            ("cp1252", "perché non è così"),
            ("cp1252", "smörgås på fjället"),
            ("cp1252", "5 € – don’t"),
            ("cp1252", "§ 5, 20 °C"),
            ("cp1250", "Příliš žluťoučký kůň"),
            ("iso8859-2", "zażółć gęślą jaźń"),
            ("cp1251", "Привет"),
            ("cp1251", "Добрый день, пришлите счёт"),
            ("cp1251", "ПРИВЕТ, КАК ДЕЛА"),
            ("koi8-r", "Привет"),
            ("koi8-r", "да, согласен"),
            ("koi8-r", "ПРИВЕТ, КАК ДЕЛА"),
            ("cp866", "Добрый день, пришлите счет"),
            ("cp1253", "Καλημέρα, ευχαριστώ πολύ"),
            ("cp1255", "שלום, אפשר הצעת מחיר?"),
            ("cp1256", "السلام عليكم"),
            ("cp874", "สวัสดีครับ ขอใบเสนอราคา"),
            ("gb18030", "你好"),
            ("gb18030", "李喆的报价"),
            ("gb18030", "会议 in Hamburg"),
            ("big5", "你好，請報價"),
            ("cp932", "お問い合わせの件です。"),
            ("cp932", "見積書"),
            ("euc-jp", "見積書の件"),
            ("cp949", "견적 부탁드립니다"),
            ("iso2022_jp", "お問い合わせの件"),
            ("utf-8", "Grüße 見積"),
            ("utf-16", "Grüße 見積"),
            ("utf-16-le", "Hello, Grüße"),
            ("utf-16-be", "Hello, Grüße"),
            ("utf-32", "Grüße"),
        ],
    )  # fmt: skip
    def test_short_texts_are_read_by_what_they_say(self, codec: str, text: str, label: str) -> None:
        assert decode(text.encode(codec), label) == text

    @pytest.mark.parametrize(
        "label",
        "iso-8859-1 windows-1252 windows-1251 koi8-r gbk shift_jis big5 iso-8859-15 iso-2022-jp "
        "utf-16 utf-7".split(),
    )
    @pytest.mark.parametrize(
        "text", ["Grüße aus Köln", "Пришлите отчёт", "見積書をください", "5 € – ok"]
    )
    def test_text_in_utf_8_is_utf_8_whatever_its_label(self, label: str, text: str) -> None:
        assert decode(text.encode(), label) == text

    @pytest.mark.parametrize(
        ("codec", "label", "text"),
        [
            ("gb18030", "iso-8859-1", "请查收附件，谢谢"),
            ("koi8-r", "iso-8859-1", "Пришлите отчёт до пятницы"),
            ("cp1251", "koi8-r", "Пришлите отчёт до пятницы"),
            ("cp1252", "gb2312", "Grüße aus Köln, Jürgen"),
            ("cp949", "iso-8859-1", "견적을 부탁드립니다 감사합니다"),
            ("big5", "gb2312", "請在星期五之前寄給我"),
        ],
    )
    def test_another_reading_may_be_far_better(self, codec: str, label: str, text: str) -> None:
        assert decode(text.encode(codec), label) == text

    @pytest.mark.parametrize(
        ("codec", "text"),
        [
            ("cp1252", "äöüß ÄÖÜ éèê"),
            ("cp1252", "± ½ ¼ µ × ÷"),
            ("cp1252", "Það er mjög gott, Þórður"),
            ("cp1251", "Её"),  # its bytes are valid UTF-8 as well
            ("cp1251", "С"),
            ("gb18030", "拢"),
            ("cp437", "┌──┐ ok │ └──┘"),
            ("cp1257", "Ačiū už atsakymą"),
        ],
    )
    def test_what_the_label_can_mean_it_means(self, codec: str, text: str) -> None:
        assert decode(text.encode(codec), codec) == text

    def test_a_character_that_was_cut_changes_no_other(self) -> None:
        data = "Grüße aus Köln, 見積".encode()
        for label in ("utf-8", "", "us-ascii"):
            assert decode(data[:-1], label) == "Grüße aus Köln, 見\ufffd"
            assert decode(data.replace("ß".encode(), b"\xc3"), label) == "Grü\ufffde aus Köln, 見積"
        long = "Grüße aus Köln. " * 5_000
        assert decode(b"\xc3 " + long.encode() + b"\xe4", "utf-8") == f"\ufffd {long}\ufffd"

    def test_a_line_that_a_list_added_may_be_in_another_set(self) -> None:
        data = "Grüße aus Köln.\n見積\n".encode() + b"-- \nGr\xfc\xdfe vom Verteiler\n"
        text = "Grüße aus Köln.\n見積\n-- \nGrüße vom Verteiler\n"
        assert decode(data, "utf-8") == decode(data) == text
        cut = "Grüße 見積\n".encode() + "見積".encode()[:2] + b" x\nGr\xc3\n"
        assert decode(cut, "utf-8") == "Grüße 見積\n\ufffd x\nGr\ufffd\n"

    def test_a_byte_order_mark_wins_and_is_no_text(self) -> None:
        for codec in ("utf-8-sig", "utf-16", "utf-32"):
            assert decode("Grüße".encode(codec), "iso-8859-1") == "Grüße"

    def test_surrogates_that_a_database_wrote_in_pairs(self) -> None:
        assert decode("ok \ud83d\ude00".encode("utf-8", "surrogatepass"), "utf-8") == "ok 😀"


class TestNothingGoesWithoutASign:
    def test_the_bytes_that_windows_1252_lacks(self) -> None:
        text = decode(b"a\x81b \x8d\x8f\x90\x9d Gr\xfc\xdfe", "iso-8859-1")
        assert text == "a\ufffdb \ufffd\ufffd\ufffd\ufffd Grüße"

    def test_controls_that_were_windows_bytes(self) -> None:
        assert decode("don\x92t \x80 5".encode(), "utf-8") == "don’t € 5"

    def test_lone_surrogates(self) -> None:
        assert decode(b"a+2AA-b", "utf-7") == "a\ufffdb"

    def test_half_a_pair(self) -> None:
        assert decode(b"a\x00b\x00c", "utf-16le") == "ab\ufffd"


ANY_LABEL = st.sampled_from(
    ["", *" ".join(LABELS.values()).split(), *"utf-8 euc-jp johab iso-8859-2 iso-8859-7".split(),
     *"windows-1258 utf-32 iso-2022-jp".split()]
)  # fmt: skip
PIECES = st.sampled_from(
    [b"\x1b$B", b"\x1b(B", b"\x1b(I", b"\x1b$)C", b"\x0e", b"~{", b"~}", b"+", b"\xef\xbb\xbf",
     b"\xff\xfe", b"\x00", b"\xed\xa0\x80", b"\x80", b"\x8f", b"\x85\n", b"hello ", b"8+@Q"]
)  # fmt: skip


@settings(max_examples=2_000, deadline=None, database=None)
@given(st.lists(st.one_of(PIECES, st.binary(max_size=6)), max_size=8).map(b"".join), ANY_LABEL)
def test_whatever_arrives_is_text_that_can_be_stored(data: bytes, label: str) -> None:
    text = decode(data, label)
    text.encode()
    # Only controls of ASCII are left for `clean`.
    assert all(char < "\x80" for char in set(text) - set(clean(text)))


@settings(max_examples=1_000, deadline=None, database=None)
@given(st.text(min_size=1, max_size=60).filter(str.isprintable))
def test_every_text_in_utf_8_comes_back(text: str) -> None:
    assert decode(text.encode(), "utf-8") == text.removeprefix("\ufeff")


@pytest.mark.parametrize(
    "label",
    ["", *"utf-7 jis hz iso-2022-kr euc-jp big5 gbk shift_jis iso-8859-1 utf-16 johab".split()],
)
@pytest.mark.parametrize(
    "piece",
    [b"\x1b$B", b"\x1b", b"~{", b"~", b"\x0e", b"+", b"+A", b"\xff", b"\x8f", b"\xa1", b"\x80",
     b"\xc3", b"\xc3\xbc\xfc", b"a\x00", b"\xed\xa0\x80", b"\x1b$)C\x0e"],
)  # fmt: skip
def test_takes_linear_time(piece: bytes, label: str) -> None:
    with in_linear_time():
        decode(piece * (1_000_000 // len(piece)), label)
