"""The words by which out-of-office replies are known, in the languages of mail programs. Pure."""

from __future__ import annotations

import re
import unicodedata

_BLANKS = re.compile(r"[\s\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")


def _plain(text: str) -> str:
    """In lower case and without accents, as mail programs and people write with and without."""
    parts = unicodedata.normalize("NFKD", _BLANKS.sub(" ", text).strip().casefold())
    bare = "".join(char for char in parts if not unicodedata.combining(char))
    return unicodedata.normalize("NFKC", bare).replace("’", "'")


# As Outlook, Exchange, Notes, Gmail, Apple, QQ and others put them before the subject that they
# answer. `_plain` takes case and accents off both sides.
_SUBJECTS = (
    "automatic reply|automatic response|auto[ -]?reply|auto[ -]?response|autoresponder|"
    "out[ -]of[ -](?:the[ -])?office(?: (?:auto[ -]?reply|reply|message|notification|response))?|"
    "vacation (?:reply|response|message|notice)|away from (?:my mail|the office)|"
    "automatische (?:antwort|ruckantwort|reactie)|auto[ -]?antwort|abwesenheit|abwesend|"
    "außer haus|abwesenheits(?:notiz|meldung|assistent|nachricht|benachrichtigung|agent)|"
    "(?:reponse automatique|(?:absence|absente?) du bureau)(?: d'absence du bureau)?|"
    "(?:message|notification|avis) d'absence|absente?|"
    "respuesta automatica|fuera de (?:la )?oficina|"
    "mensaje de ausencia|ausente|risposta automatica|fuori (?:sede|ufficio)|assente|"
    "avviso di assenza|resposta automatica|ausencia temporaria|fora do escritorio|"
    "automatisch (?:antwoord|bericht)|afwezig(?:heidsbericht|heid)?|niet (?:aanwezig|op kantoor)|"
    "autosvar|automatisk(?:t)? svar|franvaro(?:meddelande)?|franvarande|ikke til stede|"
    "fraværsmelding|fravær(?:ende)?|automaattinen vastaus|automaattivastaus|"
    "poissa(?: toimistosta)?|"
    "poissaoloilmoitus|automatyczna odpowiedz|odpowiedz automatyczna|auto[ -]?odpowiedz|"
    "poza biurem|nieobecnosc|nieobecny|automatická odpove[dď]|mimo kancelar(?:ie)?|"
    "automatikus valasz|hazon kivul|irodan kivul|raspuns automat|otomatik (?:yanıt|yanit)|"
    "ofis (?:dısında|disinda)|is yeri dısında|αυτοματη απαντηση|εκτος γραφειου|"
    "автоматический ответ|автоответ|вне офиса|нет на месте|автоматична відповідь|"
    "автовідповідь|автоматичен отговор|аутоматски одговор|automatski odgovor|"
    "samodejn[io] (?:odgovor|sporocilo)|automaatvastus|automatiska atbilde|"
    "automatinis atsakymas|erantzun automatikoa|"
    "自动(?:回复|答复|回覆)|自動(?:回覆|回復|応答|返信|答覆)|外出(?:中)?|不在(?:通知|办公室|辦公室)?|休假(?:通知)?|"
    "자동 ?(?:회신|응답|답장)|부재 ?중(?: ?안내)?|(?:การ)?ตอบกลับอัตโนมัติ|(?:thu )?tra loi tu đong|"
    "balasan (?:otomatis|automatik)|(?:ال)?رد (?:ال)?تلقائي|תשובה אוטומטית|מענה אוטומטי|"
    "پاسخ خودکار|स्वचालित उत्तर"
)
_NOTES = re.compile(
    r"auto: .{1,120}(?:out of (?:the )?office|abwesend|nicht im|absent|fuori|ausente|afwezig)"
)

_SENTENCES = (
    r"\bi(?: am|'m)(?: currently| now| presently)? (?:out of (?:the |my )?office|away|"
    r"on (?:annual |parental |maternity |sick )?(?:leave|vacation|holidays?))|"
    r"\bi will be (?:out of (?:the )?office|away|on (?:vacation|holiday|leave))|"
    r"\bich bin (?:.{0,40} )?(?:nicht im (?:haus|buro)|abwesend|im urlaub|ausser haus|"
    r"in elternzeit)|\bje suis (?:actuellement )?(?:absente?|en conge|en vacances)|"
    r"\bestoy (?:fuera de la oficina|de vacaciones|ausente)|"
    r"\bsono (?:fuori (?:ufficio|sede)|in ferie|assente)|"
    r"\bestou (?:fora do escritorio|de ferias|ausente)|"
    r"\bik ben (?:.{0,40} )?(?:afwezig|niet aanwezig|(?:met|op) vakantie|niet op kantoor)|"
    r"\bjag ar (?:inte pa kontoret|pa semester|franvarande)|"
    r"\bjeg er (?:ikke pa kontoret|pa ferie|fraværende)|"
    r"\bjestem (?:na urlopie|poza biurem|nieobecn)|\bя (?:сейчас )?(?:в отпуске|отсутствую)|"
    r"меня нет в офисе|我(?:目前|现在|正在)?(?:休假|外出|出差|不在办公室)|"
    r"不在にして|休暇を(?:いただ|頂)|부재 ?중"
)

# Behind the words comes the subject that is answered, or nothing. In "Automatic reply for
# invoices?" they are a person's.
_MARKED = re.compile(
    rf"[\[(【<*]?(?:{_plain(_SUBJECTS)})\s?(?:[:：\])】>|]|[-–—] |(?:re|aw|sv|fw)\b|[.!]?$)"
)
_SAID = re.compile(_plain(_SENTENCES))

_BEGINNING = 400
"""Characters in which an out-of-office reply says what it is."""


def begins_as_one(subject: str) -> bool:
    """Whether a subject begins, without a reply mark before, as that of an out-of-office reply."""
    plain = _plain(subject[:500])
    return bool(_MARKED.match(plain) or _NOTES.match(plain))


def says_so(text: str) -> bool:
    """Whether a text tells at its beginning that its writer is away, and asks nothing."""
    beginning = _plain(text[:_BEGINNING])
    return _SAID.search(beginning) is not None and not set("?？؟") & set(text[:4_000])
