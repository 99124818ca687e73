"""The likeliest character set of bytes that do not say it, or say it wrongly. Pure.

Short texts are the rule in mail (a subject, a name), and statistics of bytes need long ones. So
every candidate's reading is judged as a reader would: are these letters of one language, in words
that begin but do not go on with a capital, are these the usual characters?
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

_SAMPLE = 1_000
"""Bytes that are judged, from the first one that is not ASCII."""
# What a reading is worth, for a letter beyond ASCII: about 1 if it is text, less than 0 if not.
_SURE, _CLEAR, _ODD, _APART = 0.8, 0.6, 0.45, 0.35
_LABEL_BONUS = 0.3
_FEW, _FEW_LETTERS = 4, 12
"""So few bytes contradict no label: of two a character, and of one a letter."""

_HIGH = re.compile(rb"[\x80-\xff]")
_SYMBOLS = frozenset("“”„‘’‚‹›«»–—…€•°§©®™£¡¿ªº№·´±½¼¾¹²³µ×÷")
_IN_WORDS = frozenset("’·")


def likeliest(data: bytes, label: str = "") -> str:
    """The codec in which `data` makes most sense. `label`: the codec that it claims, if any."""
    sample = _sample(data)
    values = {
        codec: _value(sample, codec) + (_LABEL_BONUS if codec == label else 0.0)
        for codec in _CANDIDATES
    }
    return max(values, key=lambda codec: values[codec])


def contradicted(data: bytes, label: str) -> str:
    """The codec in which `data` clearly is written, although `label`, a codec, reads it as well.

    "" if the label may be right.
    """
    sample, label = _sample(data), _SAME.get(label, label)
    high = len(_HIGH.findall(sample))
    claimed = _value(sample, label) if label in _CANDIDATES and high >= _FEW else 1.0
    if claimed > _ODD:
        return ""
    other = likeliest(data, label)
    pairs = label in _EAST_ASIAN or other in _EAST_ASIAN
    if other == label or (high < _FEW_LETTERS and not pairs):
        return ""
    value = _value(sample, other)
    return other if value > _CLEAR and value > claimed + _APART else ""


def makes_sense(data: bytes) -> str:
    """`data` in its likeliest codec. "" unless every letter of it is where letters are."""
    codec = likeliest(data)
    return data.decode(codec, "replace") if _value(_sample(data), codec) > _SURE else ""


def reads_better(text: str, data: bytes, label: str) -> bool:
    """Whether `text` is as likely to be meant by `data` as what its label, a codec, makes of it."""
    label = _SAME.get(label, label)
    # Ã and Â with a sign behind them: nothing but UTF-8 makes them.
    if label not in _CANDIDATES or label == "cp1252":
        return True
    claimed = _value(_sample(data), label)
    if label in _EAST_ASIAN:
        return claimed < 0
    return claimed <= max(judge(text) for judges in _CANDIDATES.values() for judge in judges)


def _value(sample: bytes, codec: str) -> float:
    text = sample.decode(codec, "replace")
    return max(judge(text) for judge in _CANDIDATES[codec])


def _sample(data: bytes) -> bytes:
    first = _HIGH.search(data)
    start = max(0, first.start() - 40) if first else 0
    sample = data[start : start + _SAMPLE]
    if len(sample) == _SAMPLE:  # no character is cut in two
        sample = re.sub(rb"[\x80-\xff]{1,8}[\x40-\x7e]?\Z", b"", sample)
    return sample


# Letters in the order of their frequency. Languages of one set of letters stand together.
_LATIN = {
    "cp1252": (
        "äöüß", "éèàêçâîôûùëïœæ", "áéíóúñü", "ãçéáíóõâêúà", "àèéìòù", "åäöé", "øåæé", "ëéïèöüó",
        "áðéíóúýþæö", "àéíóòúçèïü",
    ),
    "cp1250": (
        "áčďéěíňóřšťúůýž", "ąćęłńóśźż", "áéíóöőúüű", "ăâîşţ", "čćđšž", "áäčďéíĺľňóôŕšťúýž",
    ),
    "iso8859-2": ("ąćęłńóśźż", "áčďéěíňóřšťúůýž"),
    "cp1254": ("çğıöşüİâ",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž"),
}  # fmt: skip
_ALPHABETS = {
    "cp1251": ("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", "оаинвеітрсклдумпяьзбгйчцхжїшюєщфґ"),
    "koi8-u": ("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", "оаинвеітрсклдумпяьзбгйчцхжїшюєщфґ"),
    "iso8859-5": ("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",),
    "cp866": ("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",),
    "cp1253": ("αοιετσνηυρπκμλωςγάίόέδήύώθχφβξζψϊϋΐΰ",),
    "cp1255": ("יוהלאתרבמשנדםהקעחפןצגטכסזךףץ",),
    "cp1256": ("ايلمنتربعهوسدفةكحقجشطصىخأءذثضزئغظآإؤ",),
    "cp874": ("านรอกเงมยลวดทสตะปบคหแจพชขใไโผฉถศซฟภณธิีึืุูัํ็่้๊๋์ำๆ",),
}
_FINAL, _NOT_FINAL = frozenset("םןךףץς"), frozenset("מנכפצσ")


@dataclass(frozen=True, slots=True)
class _Alphabet:
    """Judges text by how usual its letters beyond ASCII are, from -2 to about 1 a letter."""

    letters: dict[str, float]
    latin: bool

    def __call__(self, text: str) -> float:
        total, count = 0.0, 0
        for before, char, behind in zip(" " + text, text, text[1:] + " ", strict=False):
            if char > "\x7f":
                total += self._value(before, char, behind)
                count += 1
        if not count:
            return 0.0
        # A few strange letters between ASCII words are accents rather than another script.
        among = not self.latin and sum(map(str.isalpha, text)) > 4 * count
        return total / count - (0.4 if among else 0.0)

    def _value(self, before: str, char: str, behind: str) -> float:
        small = char.lower()
        value = self.letters.get(small if len(small) == 1 else char)
        if value is None:
            if char.isalpha() and char not in _SYMBOLS:
                return -1.0
            if char < "\xa0" or char == "\ufffd":
                return -2.0
            inside = before.isalpha() and behind.isalpha()
            if char in _SYMBOLS and (char in _IN_WORDS or not inside):
                return 0.8
            return 0.0 if char == "\xa0" else -0.8
        if char == small and behind.isupper():
            return -1.0
        if char != small:  # a capital stands at the start, or in a word of capitals
            if before.islower():
                return -1.0
            value *= 0.95 if behind.islower() or not behind.isalpha() else 0.8
        if self.latin:
            # Two letters with accents in a row are rare, three hardly a word.
            in_row = before > "\x7f" and before.isalpha()
            is_word = not (before.isalpha() or behind.isalpha()) and small not in "àéèêóòøå"
            return value - (0.35 if in_row else 0.0) - (0.3 if is_word else 0.0)
        if (before.isascii() and before.isalpha()) or (behind.isascii() and behind.isalpha()):
            return value - 1.0
        if not (before.isalpha() or behind.isalpha()):
            return value - 0.7  # a word of one letter
        if char in _FINAL:
            return 1.3 if not behind.isalpha() else -1.0
        if char in _NOT_FINAL and before.isalpha() and not behind.isalpha():
            return -0.5
        return value


def _ranked(letters: str) -> dict[str, float]:
    return {char: 1.1 - 0.9 * place / len(letters) for place, char in enumerate(letters)}


_HANZI = frozenset(
    "的一是不了人我在有他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里"
    "后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从"
    "动两长知民样现分将外但身些与高意进法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等"
    "几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先"
    "山五太水万市体别处总才场师书比住员性通报立马数件安表原白应路期感何更反合放做系计或司利受光王果及"
    "今京务制解各任至清记共接特望直服建度色字请交让认算论科社术结六指流每管带快条院联言展该领近治决周"
    "保办运八价格单谢您收到附件邮客户货款合同订李张刘陈杨赵黄吴"
)
_TRADITIONAL = frozenset(
    "的一是不了人我在有他這中大來上個國到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可裡"
    "後小麼心多天而能好都然沒日於起還發成事只作當想看文無開手十用主行方又如前所本見經頭面公同三已老從"
    "動兩長知民樣現分將外但身些與高意進法此實回二理美點月明其種聲全工己話兒者向情部正名定女問力機給等"
    "幾很業最間新什打便位因重被走電四第門相次東政海口使教西再平真聽世氣信北少關並內加化由代產入先山五"
    "太水萬市體別處總才場師書比住員性通報立馬數件安表原白應路期感何更反合放做系計或司利受光王果及今京"
    "務制解各任至清記共接特望直服建度色字請交讓認算論科社術結六指流每管帶快條院聯言展該領近治決週保辦"
    "運八價格單謝您收到附件郵客戶貨款訂李張劉陳楊趙黃吳臺灣台"
)
_KANJI = frozenset(
    "日本人大年会国中出者事前上自行社気方時見分生手間合者場今子学高入定同話長東目部体業金性対新通地的"
    "先当水作文後名明相内書動開回問山度発用意力成物主関数法立知電化小理民経私教代件最近全切加無様見積"
    "御株式請求様注文商品確認連絡返信報告予変更案質答月火木土添付資料願致申込送受取社員担当者下記情曜午"
)
_HANGUL = frozenset(
    "이다는을가에의고하지로은한도서를기어사해니그나아리자대시인요안세녕습있보수주스게면정일제적문전들부만"
    "구장상원여라성거금합장것우으생조오마내러신비및소입과드견확립회감메까서했무두분중공동당국네예응좋승절"
)
_EAST_PUNCTUATION = frozenset("，。、；：？！（）「」『』《》【】“”‘’…·～－ー・　％＋")


def _level(codec: str, first: int, last: int, trails: range) -> frozenset[str]:
    """The characters that a set orders by use or sound, the usual ones."""
    pairs = (bytes((lead, trail)) for lead in range(first, last + 1) for trail in trails)
    return frozenset("".join(pair.decode(codec, "ignore") for pair in pairs))


@dataclass(frozen=True, slots=True)
class _Characters:
    """Judges East Asian text by how usual its characters are, from -2 to about 1 a character."""

    usual: frozenset[str]
    known: frozenset[str]
    kana: float

    def __call__(self, text: str) -> float:
        total, count = 0.0, 0
        for before, char in pairwise(" " + text):
            if char > "\x7f":
                total += self._value(char)
                # European letters, taken in pairs with what stands beside them.
                if before.isascii() and before.islower() and char not in _EAST_PUNCTUATION:
                    total -= 0.7
                count += 1
        return total / count if count else 0.0

    def _value(self, char: str) -> float:
        if char in self.usual:
            return 1.3
        if char in _EAST_PUNCTUATION:
            return 0.9
        if char == "\ufffd":
            return -3.0
        if "\u3041" <= char <= "\u3093" or "\u30a1" <= char <= "\u30f6":
            return self.kana
        if "\uff01" <= char <= "\uff5e":
            return 0.4
        return 0.4 if char in self.known else -0.6


_SAME = {"koi8-r": "koi8-u", "iso8859-15": "cp1252", "iso8859-7": "cp1253"}
_EAST_ASIAN = ("gb18030", "big5", "cp932", "euc-jp", "cp949")
_TRAILS = range(0xA1, 0xFF)
_CANDIDATES: dict[str, tuple[Callable[[str], float], ...]] = {
    **{
        codec: tuple(_Alphabet(dict.fromkeys(letters, 1.0), latin=True) for letters in languages)
        for codec, languages in _LATIN.items()
    },
    **{
        codec: tuple(_Alphabet(_ranked(letters), latin=False) for letters in languages)
        for codec, languages in _ALPHABETS.items()
    },
    "gb18030": (_Characters(_HANZI, _level("gb2312", 0xB0, 0xD7, _TRAILS), kana=-0.2),),
    "big5": (_Characters(_TRADITIONAL, _level("big5", 0xA4, 0xC6, range(0x40, 0xFF)), kana=-0.6),),
    "cp932": (_Characters(_KANJI, _level("cp932", 0x88, 0x97, range(0x40, 0xFD)), kana=1.2),),
    "euc-jp": (_Characters(_KANJI, _level("euc_jp", 0xB0, 0xCF, _TRAILS), kana=1.2),),
    "cp949": (_Characters(_HANGUL, _level("euc_kr", 0xB0, 0xC8, _TRAILS), kana=-0.3),),
}
