"""The marks that mail programs of all languages put before a subject. Pure.

The outermost mark decides: `Re: Fwd: x` is a reply, `Fwd: Re: x` a forward.
"""

from __future__ import annotations

import re

# Each needs its colon: many are words or initials as well.
_REPLY = (
    # English and general; German, Nordic, Dutch, Polish, Italian, Portuguese, Turkish, Latvian …
    "re|res|resp|reply|aw|antw|antwort|sv|svar|vs|vast|odp|odpověď|odg|odgovor|r|rif|rép|"
    "ynt|yanıt|atb|ats|vá|válasz|bls|ang|rsp|rta|bal|balas|"
    # Greek, Cyrillic, Arabic, Hebrew, Persian
    "απ|απάντηση|σχετ|отв|ответ|на|відп|відповідь|одг|отг|رد|تم الرد|پاسخ|השב|תגובה|"
    # Chinese, Japanese, Korean, Thai, Vietnamese
    "回复|回覆|答复|答覆|回信|返信|답장|회신|응답|ตอบ|ตอบกลับ|trả lời|trl"
)
_FORWARD = (
    "fw|fwd|forward|forwarded|wg|weitergeleitet|tr|rv|reenv|i|inoltra|inoltro|enc|"
    "encaminhado|doorst|dvs|vb|vl|vm|videresendt|vidarebefordrat|pd|přeposláno|předáno|prosl|"
    "ilt|i̇lt|ilet|pārs|továbbítás|trs|fwrd|πρθ|προωθ|προώθηση|пересл|пд|переслано|проследено|препр|"
    "إعادة توجيه|تمت إعادة التوجيه|هدایت|הועבר|העבר|转发|轉寄|轉發|转寄|転送|전달|ส่งต่อ|chuyển tiếp"
)
# Direction marks, zero-width blanks and no-break blanks stand between the parts as well.
_BLANK = r"[\s\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]*"
_COUNT = r"(?:\[\d{1,3}\]|\(\d{1,3}\)|\^\d{1,3}|\*\d{1,3}|\d{1,2})?"
_MARK = re.compile(
    rf"{_BLANK}\[?(?:(?P<reply>{_REPLY})|(?P<forward>{_FORWARD}))\.?\s?{_COUNT}\s?[:：﹕]{_BLANK}",
    re.IGNORECASE,
)
_TAG = re.compile(rf"{_BLANK}(?:\[[^\[\]]{{1,60}}\]|【[^【】]{{1,60}}】){_BLANK}")
_LIMIT = 2_000
"""Characters of a subject that are looked at: no mail program shows more."""


def bare(subject: str) -> str:
    """The subject without reply and forward marks, and without the tags that stand among them.

    A tag in front of a bare subject is part of it: `[ops] disk full` stays whole.
    """
    whole = " ".join(subject.split())
    marks = _marks(whole)
    if not marks:
        return whole
    rest = whole[marks[-1].end() :]
    # Old Mozilla programs put the whole subject in brackets: `[Fwd: Offer]`.
    return rest[:-1] if marks[0].group().lstrip().startswith("[") and rest.endswith("]") else rest


def is_reply(subject: str) -> bool:
    """Whether the outermost mark is one of a reply."""
    marks = _marks(" ".join(subject.split()))
    return bool(marks) and marks[0]["reply"] is not None


def is_forward(subject: str) -> bool:
    """Whether the outermost mark is one of a forward."""
    marks = _marks(" ".join(subject.split()))
    return bool(marks) and marks[0]["forward"] is not None


def _marks(subject: str) -> list[re.Match[str]]:
    """The marks in front of a subject, outermost first."""
    found: list[re.Match[str]] = []
    position = 0
    while True:
        if mark := _MARK.match(subject, position, _LIMIT):
            found.append(mark)
        tag = mark or _TAG.match(subject, position, _LIMIT)
        if tag is None:
            return found
        position = tag.end()
