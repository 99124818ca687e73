"""What gateways, mailing lists, virus scanners and PGP add to the text of a mail. Pure.

Only wordings that no person writes are taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_TOP = 12
"""Lines with text, from the top of a mail, among which a banner is looked for."""
_LONGEST = 10
"""Lines of a banner."""

# A banner says where the mail came from. Its first words alone ("Caution:") prove nothing.
_OUTSIDE = (
    r"(?:(?:this|the) (?:e-?mail|message)[\w ,'’]{0,40} (?:originated|originates|was sent|"
    r"comes|came|"
    r"is) (?:from )?(?:an? )?(?:someone )?(?:external|outside|unknown)"
    r"|(?:external|outside) (?:e-?mail|sender|source|message)\b.{0,40}(?:caution|do not click|"
    r"don['’]t click|be careful|links|attachments)"
    r"|(?:originated|received|sent) from (?:an? )?(?:external|outside)\b"
    r"|from outside (?:of )?(?:the|your|our) (?:organi[sz]ation|company|network|domain)"
    r"|you don['’]t often get e-?mail from|you have not previously corresponded with this sender"
    r"|some people who received this message don['’]t often get e-?mail from"
    r"|this message is from an external sender|external\s*: do not click"
    r"|this e-?mail is from an unusual correspondent|learn why this is important"
    r"|(?:diese|die) (?:e-?mail|nachricht|mail)\b.{0,60}\b(?:von au(?:ß|ss)erhalb|extern|"
    r"externen)"
    r"|externe (?:e-?mail|nachricht)\s*[:!-]|sie erhalten nicht h(?:ä|ae)ufig e-?mails von"
    r"|sie erhalten nicht oft eine e-?mail von|sie erhalten nicht oft e-?mails von"
    r"|ce(?:t e-?mail|t e-?mel| message| courriel)\b.{0,60}(?:l['’]ext(?:é|e)rieur|externe)"
    r"|ce(?:t e-?mail| message| courriel) provient d.{1,30}ext(?:é|e)rieur"
    r"|vous n['’]obtenez pas souvent d['’]e-?mail|vous ne recevez pas souvent"
    r"|este (?:correo|mensaje|e-?mail)\b.{0,60}(?:de fuera|fuera de la organi|extern[oa]|exterior)"
    r"|no suele recibir correo(?:s)? electr(?:ó|o)nico(?:s)? de"
    r"|(?:este|esta) (?:e-?mail|mensagem)\b.{0,60}(?:de fora|extern[oa]|exterior)"
    r"|voc(?:ê|e) n(?:ã|a)o costuma receber e-?mails? de|n(?:ã|a)o recebe frequentemente"
    r"|(?:questa|questo) (?:e-?mail|messaggio)\b.{0,60}(?:dall['’]esterno|estern[oa])"
    r"|non si ricevono spesso messaggi|in genere non si ricevono messaggi"
    r"|(?:deze|dit) (?:e-?mail|bericht)\b.{0,60}(?:van buiten|extern)"
    r"|u ontvangt niet vaak e-?mail van|du f(?:å|a)r inte ofta e-?post fr(?:å|a)n"
    r"|du f(?:å|a)r ikke ofte (?:mails?|e-?post) fra|saat harvoin s(?:ä|a)hk(?:ö|o)postia"
    r"|det h(?:ä|a)r (?:mejlet|meddelandet|e-?postmeddelandet)\b.{0,40}(?:utanf(?:ö|o)r|extern)"
    r"|denne (?:e-?mail|e-?post(?:en)?|mail)\b.{0,40}(?:utenfor|uden for|udefra|ekstern)"
    r"|t(?:a|ę) wiadomo(?:ść|śc)?\b.{0,60}(?:spoza|zewn)|wiadomo(?:ść|"
    r"sc)\b.{0,40}(?:spoza organizacji|z zewn)"
    r"|nie często otrzymujesz|nieczęsto otrzymujesz|tento e-?mail\b.{0,40}(?:mimo|extern)"
    r"|bu (?:e-?posta|ileti|mesaj)\b.{0,60}(?:dışından|dış kaynak|harici)"
    r"|(?:это|данное) (?:письмо|сообщение)\b.{0,60}(?:внешн|извне|из-за пределов)"
    r"|внешн(?:ее|яя) (?:письмо|почта)\b|вы нечасто получаете (?:письма|электронную почту)"
    r"|цей лист\b.{0,60}(?:зовнішн|ззовні)"
    r"|您通常不会收到来自|您通常不會收到來自|不经常收到来自.{0,200}的电子邮件|此(?:邮件|"
    r"郵件|电子邮件)(?:来自|來自)(?:外部|组织外|組織外|公司外)"
    r"|(?:外部邮件|外部郵件|【外部)[^\n]{0,40}(?:谨慎|注意|小心|慎)|该邮件来自外部|本邮件来自外部"
    r"|(?:この|本)(?:メール|電子メール)は.{0,30}(?:組織外|社外|外部)|"
    r"からメールを受け取ることはあまりありません"
    r"|이 (?:메일|이메일|메시지)[은는].{0,30}(?:외부|조직 외)|전자 메일을 자주 받지|"
    r"메일을 자주 받지 않"
    r"|هذه الرسالة\b.{0,40}خارج|לא מקבל לעתים קרובות|הודעה זו\b.{0,40}(?:מחוץ|חיצוני))"
)
_BANNER = re.compile(_OUTSIDE, re.IGNORECASE)
_TAG = re.compile(
    r"[\s*_#>!⚠️-]*(?-i:EXTERNAL (?:E-?MAIL|SENDER|MESSAGE))[\s*_!:#-]*"
    r"|[\s*_#>!⚠️-]*(?:caution|warning)[\s:!*_-]{1,6}external (?:e-?mail|sender|message)[\s*_!:#-]*"
    r"|\[caution:? non-[\w-]{1,20} e-?mail\]\s*"
    r"|[\s*_#>!⚠️-]*[\[(【<]{0,2}\s*(?:\*\*)?(?:external(?: e-?mail| sender| mail|"
    r" message)?|extern|externe? e-?mail|"
    r"extern[ea]?|externo|esterno|ext|外部邮件|外部郵件|外部メール|外部|внешн(?:ее|"
    r"яя) (?:письмо|почта)|"
    r"harici e-?posta|zewnętrzny)\s*(?:\*\*)?[\])】>]{1,2}[\s*_!:-]*",
    re.IGNORECASE,
)
# What the lines of a banner go on with.
_MORE = re.compile(
    r"click|link|attachment|sender|organi[sz]ation|recogni[sz]e|phish|suspicious|caution|warning|"
    r"content is safe|trust|report|verify|https?://|anh(?:ä|a)ng|absender|klicken|öffnen|"
    r"vorsicht|"
    r"pi(?:è|e)ce|exp(?:é|e)diteur|cliqu|lien|adjunt|enlace|remitente|haga clic|anexo|clique|"
    r"remetente|allegat|mittente|collegament|bijlage|afzender|koppeling|klik|bilag|"
    r"vedlegg|bifogad|"
    r"avsändar|l(?:ä|a)nk|za(?:ł|l)(?:ą|a)cznik|nadawc|odkaz|přílo|вложени|ссылк|"
    r"отправител|链接|附件|"
    r"发件人|链結|連結|寄件者|リンク|添付|差出人|링크|첨부|보낸 사람|重要",
    re.IGNORECASE,
)
_ASKS = re.compile(r"[?？]\W{0,3}(?:\s|\Z)")
"""A question, not the query of a link: only a person asks."""
_LEARN = re.compile(r"\W{0,5}(?:learn )?why this is important\b", re.IGNORECASE)
_HEADING = re.compile(
    r"[\s*_#>!⚠️🛑-]*(?:caution|warning|attention|notice|alert|external(?: e-?mail|"
    r" sender)?|achtung|vorsicht|"
    r"warnung|hinweis|attention|avertissement|atenci(?:ó|o)n|precauci(?:ó|o)n|aten(?:ç|"
    r"c)(?:ã|a)o|cuidado|"
    r"attenzione|avviso|let op|waarschuwing|varning|advarsel|obs|varoitus|uwaga|pozor|figyelem|"
    r"внимание|осторожно|увага|dikkat|注意|警告|提醒|请注意|주의|경고|تنبيه|تحذير|זהירות|"
    r"שים לב)[\s:：!*_-]*",
    re.IGNORECASE,
)
_FRAME = re.compile(r"[\s*_=#~|>-]*")
_PROOFPOINT = re.compile(r"ZjQcmQRYFpfptBanner(Start|End)")

_FOOTER = re.compile(
    r"you(?: are|['’]re)? rece(?:ived|iving) this (?:message|email|"
    r"e-mail) because you(?: are|['’]re) "
    r"(?:subscribed|a member|on the)"
    r"|to unsubscribe from this (?:group|list|topic)|"
    r"to view this discussion (?:on the web )?visit"
    r"|to post to this group|visit this group at https?:"
    r"|for more options, visit https?://groups\.google"
    r"|sie erhalten diese nachricht, weil sie in google groups"
    r"|vous recevez ce message, car vous (?:ê|e)tes abonn(?:é|e)"
    r"|has recibido este mensaje porque est(?:á|a)s suscrito"
    r"|hai ricevuto questo messaggio perch(?:é|e) sei iscritto"
    r"|voc(?:ê|e) (?:est(?:á|a) recebendo|recebeu) esta mensagem porque"
    r"|u ontvangt dit bericht omdat u"
    r"|вы получили это сообщение, поскольку подписаны"
    r"|您收到此(?:邮件|信息|讯息)是因为您|このメールは .{0,80}グループ.{0,80}登録",
    re.IGNORECASE,
)
_SCANNED = re.compile(
    r"(?:-{2,}\s*)?(?:no virus found in this (?:incoming |outgoing )?message|"
    r"virus-?(?:free|frei)\. ?(?:www|https?)|"
    r"this (?:e-?mail|message) has been (?:checked|scanned) (?:for viruses|by)|"
    r"checked by avg|scanned by mailscanner|this message has been scanned for viruses|"
    r"diese e-?mail wurde von avast|cet e-?mail a (?:é|e)t(?:é|e) v(?:é|e)rifi(?:é|e) par|"
    r"l['’]absence de virus dans ce courrier|questa e-?mail (?:è|e) stata controllata|"
    r"este correo electr(?:ó|o)nico ha sido (?:comprobado|analizado)|este e-?mail foi verificado|"
    r"это (?:сообщение|письмо) проверено|virus database:|release date:|libre de virus\. ?www|"
    r"sans virus\. ?www|virenfrei\. ?www|senza virus\. ?www|livre de v(?:í|i)rus\. ?www)",
    re.IGNORECASE,
)
_LIST = re.compile(
    r"[\w.-]{1,60} mailing list(?:\s*[-–(<]|\s*$)|[\w.-]{1,60} mailing list [\w.-]+@", re.I
)
_SIGNED = ("BEGIN PGP SIGNED MESSAGE", "BEGIN PGP SIGNATURE", "END PGP SIGNATURE")
_ARMOUR_HEADER = re.compile(r"(?:Hash|Charset|NotDashEscaped|Comment|Version):")
_UNDERSCORES = re.compile(r"_{2,}\s*")
_SIGN = re.compile(r"--\s*")


def relayed(lines: Sequence[str]) -> set[int]:
    """The indexes of the lines that no person wrote. Linear in the length of the lines."""
    return _banners(lines, len(lines)) | _footers(lines, len(lines)) | _armour(lines)


def _armour(lines: Sequence[str]) -> set[int]:
    """The lines that PGP puts around a text that it signs inline (RFC 9580, section 7)."""
    marks = {line.strip(): index for index, line in enumerate(lines) if line.startswith("-----")}
    ends = [marks.get(f"-----{mark}-----", -1) for mark in _SIGNED]
    begun, signature, end = ends
    if not -1 < begun < signature < end:
        return set()
    text = begun + 1
    while text < signature and _ARMOUR_HEADER.match(lines[text]):
        text += 1
    return {*range(begun, text), *range(signature, end + 1)}


def _banners(lines: Sequence[str], end: int) -> set[int]:
    found: set[int] = set()
    seen = 0
    position = 0
    while position < end and seen < _TOP:
        line = lines[position]
        if not line.strip():
            position += 1
            continue
        marked = _PROOFPOINT.search(line[:500])
        if marked and marked[1] == "Start":
            stop = _proofpoint_end(lines, position, end)
            found.update(range(position, stop))
            position = stop
            continue
        stop = _banner_end(lines, position, end)
        if stop == position:
            # A person may be greeted above the banner of a gateway, not far above it.
            seen += _TOP if seen else 1
            stop = position + 1
        else:
            found.update(range(position, stop))
        position = stop
    return found


def _proofpoint_end(lines: Sequence[str], start: int, end: int) -> int:
    for position in range(start, min(start + 30, end)):
        if "ZjQcmQRYFpfptBannerEnd" in lines[position]:
            return position + 1
    return start + 1


def _banner_end(lines: Sequence[str], start: int, end: int) -> int:
    """The index behind the banner that begins at a line, `start` if none does."""
    line = lines[start][:600]
    if _TAG.fullmatch(line[:80]) and len(line) < 80:
        return start + 1
    position = start
    # A frame or a heading ("*****", "CAUTION:") counts only above what a banner says.
    while position < min(start + 3, end) and (
        not lines[position].strip()
        or _FRAME.fullmatch(lines[position][:200])
        or _HEADING.fullmatch(lines[position][:80])
    ):
        position += 1
    said = " ".join(entry.strip() for entry in lines[position : min(position + 3, end)])[:600]
    if not lines[position : position + 1] or position >= end:
        return start
    if _ASKS.search(lines[position][:600]):
        return start
    proof = _BANNER.search(lines[position][:600])
    if proof is None:
        # Wrapped: what proves it stands over two lines.
        proof = _BANNER.search(said)
        if proof is None or proof.start() > len(lines[position].strip()):
            return start
    stop = position + 1
    while stop < min(position + _LONGEST, end) and lines[stop].strip():
        if not _goes_on(lines[stop][:600], lines[stop - 1]):
            break
        stop += 1
    if stop + 1 < end and not lines[stop].strip() and _FRAME.fullmatch(lines[stop + 1][:200]):
        stop += 2
    return stop


def _goes_on(line: str, above: str) -> bool:
    """Whether a banner goes on in the next line. In HTML a person's first words may be that one,
    so a single word that banners use as well ("report") proves nothing."""
    if _BANNER.search(line) or _FRAME.fullmatch(line) or _LEARN.match(line):
        return True
    wrapped = len(above.strip()) > 50 and above.rstrip()[-1] not in ".!?。！？*]>)"
    if wrapped and line.lstrip()[:1].islower():
        return True
    return len({word.lower() for word in _MORE.findall(line)}) > 1


def _footers(lines: Sequence[str], end: int) -> set[int]:
    position = end
    found: set[int] = set()
    # From the bottom, block by block: a footer stands below all that the person wrote.
    while position > 0:
        stop = position
        while stop > 0 and not lines[stop - 1].strip():
            stop -= 1
        first = stop
        while first > 0 and lines[first - 1].strip() and stop - first < _LONGEST:
            first -= 1
        start = _footer_start(lines, first, stop)
        if start is None:
            return found
        found.update(range(start, position))
        position = start
        if start > first:
            return found
    return found


def _footer_start(lines: Sequence[str], first: int, stop: int) -> int | None:
    """Where in the last block of lines a footer begins. None: it holds none."""
    for position in range(first, stop):
        line = lines[position][:400].strip()
        below = lines[position + 1][:400] if position + 1 < stop else ""
        ruled = bool(_UNDERSCORES.fullmatch(line)) and _LIST.match(below)
        signed = bool(_SIGN.fullmatch(line)) and (_FOOTER.search(below) or _LIST.match(below))
        found = _FOOTER.match(line) or _SCANNED.match(line)
        if ruled or signed or (found and not _ASKS.search(line)):
            return position
    return None
