"""Recognise the lines of signatures: names, titles, numbers, addresses. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from ponderd.channels.words.base import bare, pattern, phrases
from ponderd.channels.words.doubts import doubts
from ponderd.channels.words.first_names import FIRST_NAMES
from ponderd.channels.words.no import EAST_NO, NO
from ponderd.channels.words.places import PLACES
from ponderd.channels.words.polite import EAST_POLITE, POLITE
from ponderd.channels.words.yes import EAST_YES, YES

_TITLES = phrases(
    """
    s.l|s.l.u|a.ş|sp|z|o.o|group|logistics|systems|solutions|consulting|technologies|technology|
    industries|bank|holding|
    international|services|labs|studio|studios|partners|software|media|networks|energy|foundation|
    finance|security|platform|infrastructure|cloud|success|research|quality|
    communications|purchasing|procurement|planning|design|mbb|werke|stadtwerke|verlag|
    toimitusjohtaja|driftchef|provozu|üzemeltetési|відділу|разработки|projet|projets|proyecto|
    proyectos|projeto|projetos|progetto|progetti|projekt|projektów|działu|
    vývoje|ventas|vendas|vendite|compras|achats|sistemas|systèmes|sistemi|
    technique|commercial|commerciale|financier|financière|général|générale|adjoint|adjointe|
    técnico|técnica|comercial|general|financiero|tecnico|tecnica|generale|engineering|product|
    head|manager|engineer|director|officer|lead|leader|developer|team|department|dept|ceo|cto|
    coo|cfo|cio|ciso|vp|svp|evp|president|chief|founder|co-founder|cofounder|owner|partner|
    consultant|analyst|architect|administrator|admin|specialist|coordinator|assistant|associate|
    secretary|professor|prof|dr|phd|ph.d|m.a|b.a|m.d|j.d|m.sc|b.sc|msc|bsc|mba|intern|trainee|
    student|supervisor|executive|
    operator|technician|designer|scientist|researcher|accountant|controller|sales|marketing|
    support|operations|ops|devops|sre|hr|it|office|group|division|unit|institute|university|
    college|school|faculty|company|inc|ltd|llc|llp|plc|corp|corporation|co|gmbh|ag|kg|ohg|ug|e.v|
    ev|se|sa|sas|sarl|s.a|s.r.l|srl|spa|s.p.a|bv|b.v|nv|ab|oy|as|a/s|aps|sp|z o.o|s.r.o|a.s|kft|
    zrt|d.o.o|doo|pty|pte|lda|ltda|ооо|зао|оао|ао|leiter|leiterin|leitung|teamleiter|
    teamleiterin|teamleitung|abteilungsleiter|abteilungsleiterin|abteilung|bereich|
    bereichsleiter|geschäftsführer|geschäftsführerin|geschäftsführung|geschäftsleitung|vorstand|
    prokurist|entwickler|entwicklerin|ingenieur|ingenieurin|berater|beraterin|referent|
    referentin|sachbearbeiter|sachbearbeiterin|leitender|systemadministrator|projektleiter|
    projektleiterin|vertrieb|einkauf|betrieb|entwicklung|inhaber|sekretariat|assistenz|directeur|
    directrice|responsable|chef|cheffe|ingénieur|ingénieure|développeur|développeuse|gérant|
    gérante|président|présidente|consultante|service|équipe|direction|chargé|chargée|jefe|jefa|
    directora|gerente|ingeniero|ingeniera|desarrollador|desarrolladora|coordinador|coordinadora|
    departamento|equipo|diretor|diretora|engenheiro|engenheira|desenvolvedor|coordenador|
    coordenadora|chefe|direttore|direttrice|responsabile|ingegnere|sviluppatore|sviluppatrice|
    amministratore|ufficio|reparto|capo|hoofd|ontwikkelaar|adviseur|teamleider|afdeling|
    utvecklare|ingenjör|ansvarig|avdelning|direktør|leder|udvikler|utvikler|ingeniør|johtaja|
    päällikkö|kehittäjä|insinööri|kierownik|dyrektor|inżynier|programista|prezes|dział|vedoucí|
    ředitel|inženýr|vývojář|jednatel|oddělení|vedúci|riaditeľ|voditelj|direktor|inženjer|inginer|
    șef|vezető|igazgató|mérnök|fejlesztő|müdür|müdürü|mühendis|mühendisi|yönetici|yöneticisi|
    uzman|διευθυντής|διευθύντρια|μηχανικός|руководитель|директор|менеджер|инженер|разработчик|
    начальник|отдел|отдела|заместитель|специалист|керівник|розробник|інженер|відділ|ръководител|
    مدير|مهندس|مطور|رئيس|قسم|مدیر|برنامه نویس|מנהל|מנהלת|מהנדס|מהנדסת|מפתח|מפתחת|סמנכ|מנכ
    """,
)

_EAST_TITLE = pattern(
    r"""
    总监|總監|经理|經理|工程师|工程師|主管|总裁|總裁|董事|主任|部长|部門|部门|部$|团队|團隊|公司|
    集团|集團|研发|研發|电话|電話|手机|手機|邮箱|郵箱|电邮|地址|传真|微信|网址|邮编|株式会社|
    有限会社|課長|部長|係長|社長|取締役|担当|開発|エンジニア|マネージャー?|室長|本部|電話番号|
    住所|携帯|주식회사|팀장|부장|과장|대리|차장|이사|사원|팀$|개발|엔지니어|전화|휴대폰|주소|
    이메일
    """
)

_LABELS = pattern(
    r"""
    tel|telephone|telefon|telefono|teléfono|téléphone|tél|telefone|phone|ph|mobile|mob|mobil|
    móvil|movil|cell|cellulare|portable|handy|gsm|fax|telefax|e-?mail|mail|correo|courriel|web|
    www|website|skype|teams|slack|linkedin|twitter|x|github|address|adresse|anschrift|dirección|
    indirizzo|endereço|adres|t|m|f|p|e|w|d|direct|durchwahl|dw|office|büro|тел|телефон|моб|факс|
    почта|сайт|адрес|هاتف|جوال|بريد|טל|טלפון|נייד|电话|電話|手机|手機|邮箱|郵箱|传真|傳真|地址|
    微信|qq|携帯|전화|휴대폰|팩스|이메일|주소
    """
)

_STREET = pattern(
    r"""
    street|str\.|straße|strasse|road|\brd\b|avenue|\bave\b|lane|boulevard|blvd|\bsuite\b|
    \bfloor\b|building|house|p\.?o\.? box|postfach|platz|weg\b|gasse|allee|\brue\b|place|\bvia\b|
    piazza|viale|corso|calle|avenida|plaza|paseo|\brua\b|praça|straat|laan|gracht|plein|gatan|
    vägen|\bvej\b|gade|\bgata|veien|katu|\btie\b|ulica|\bul\.|aleja|ulice|třída|náměstí|utca|
    \bút\b|strada|cadde|sokak|улица|\bул\.|проспект|переулок|路\d|\d号|街|丁目|番地|번길|로 \d
    """
)

COMPANY = pattern(
    r"""
    registered (?:office|in|number|no|company|address)|company (?:no|number|reg|registration)|
    reg(?:istration)?\.? (?:no|number|office)|
    is (?:a )?(?:limited |private )?(?:company )?(?:registered|incorporated) in|
    (?:with|under) (?:company |registration )?number|\bvat\b|vat[- ](?:no|id|number|reg)|
    handelsregister|amtsgericht|\bhr[ab]\b|ust-?id|ust\.-id|steuernummer|umsatzsteuer|
    sitz der gesellschaft|registergericht|geschäftsführ\w{0,6}|vorstand|aufsichtsrat|vorsitzender|
    siège social|siret|siren|\brcs\b|capital (?:social|de)|capitale sociale|\btva\b|p\.?\s?iva|
    partita iva|cod(?:ice)?\.? fisc|sede legale|c\.?f\.? e p\.?i|\bc\.?i\.?f\b|\bn\.?i\.?f\b|
    cnpj|domicilio social|inscrita en|\bkvk\b|\bbtw(?:[ .:-]{0,3}(?:nr|nummer|id|nl|be|\d))|
    org\.? ?n(?:r|ummer)|\bcvr\b|y-tunnus|
    \bnip\b|\bkrs\b|regon|\bičo?\b|\bdič\b|\boib\b|cégjegyzék|adószám|\babn\b|\bacn\b|\bein\b|
    \bинн\b|\bогрн\b|统一社会信用代码|注册地址|法人番号|사업자등록번호
    """
)

_ABBREVIATIONS = phrases(
    """
    inc|ltd|co|corp|jr|sr|e.v|etc|d.o.o|s.r.o|a.s|o.o|b.v|s.a|dept|dr|prof|phd|ph.d|p.a|i.a|i.v|
    ppa
    """,
)

_LABEL = re.compile(
    rf"(?<!\w)(?:{_LABELS.pattern})(?:\s?[:：]\s?|\.\s?|\s(?=[+(\d]))", re.IGNORECASE
)
ENDS = " \t,.!;:~|*_·•-–—/，。！、"
_NAME = re.compile(r"[^\W\d_]+(?:['.-][^\W\d_]+)*\.?")
_INITIALS = re.compile(
    r"(?:[^\W\d_a-z]\.[ -]?){1,3}\s?[^\W\d_]{2,}(?:-[^\W\d_]+)?(?: [^\W\d_]{2,})?"
)
_EAST_NAME = re.compile(
    r"(?:[王李张張刘劉陈陳杨楊黄黃赵趙吴吳周徐孙孫马馬朱胡郭何高林罗羅郑鄭梁谢謝宋唐许許韩韓冯馮邓鄧曹彭曾肖蕭田董袁潘于蒋"
    r"蔣蔡余杜叶葉程苏蘇魏吕呂丁任沈姚卢盧姜崔钟鍾谭譚陆陸汪范石廖贾賈韦韋付傅方白邹鄒孟熊秦邱江尹薛闫段雷侯龙龍史陶黎贺賀顾"
    r"顧毛郝龚龔邵万萬钱錢严嚴覃武戴莫孔向汤湯]|欧阳|歐陽|司马|上官|诸葛)[\u3400-\u9fff]{1,2}"
    r"|(?:佐藤|鈴木|高橋|田中|伊藤|渡辺|渡邊|山本|中村|小林|加藤|吉田|山田|佐々木|山口|松本|井上|木村|林|斎藤|斉藤|清水|山崎|森"
    r"|池田|橋本|阿部|石川|山下|中島|石井|小川|岡田|長谷川|藤田|村上|近藤|坂本|遠藤|青木|藤井|西村|福田|太田|三浦|藤原|岡本|松田"
    r"|中川|中野|原田|小野|田村|竹内|金子|和田|中山|石田|上田|森田|原|柴田|酒井|工藤|横山|宮崎|宮本|内田|高木)"
    r"[ \u3000]?[\u3040-\u309f\u3400-\u9fff]{0,3}"
    r"|[김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구민진지엄채원][\uac00-\ud7af]{1,2}"
)
EAST_LETTER = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_ADDRESS = re.compile(
    r"[\w.+-]{1,64}@[\w.-]{1,255}|https?://\S{1,400}|\bwww\.\S{1,200}"
    r"|\b[\w-]{1,63}(?:\.[\w-]{1,63})*"
    r"\.(?:com|org|net|de|io|test|example|eu|co|uk|fr|es|it|nl|ch|at|cn|jp|kr|ru|pl|se|dk|no|fi)\b(?:/\S{0,200})?"
)
ASIDE = re.compile(r"\((?:she|he|they|her|him|them|/|\s|sie|er|elle|il){3,40}\)", re.IGNORECASE)
_PHONE = re.compile(r"(?:\+|\(?0)[\d ()/.\u2010-\u2015-]{6,24}")
_CITY = re.compile(r"(?:[A-Z]{1,2}-)?\d{4,6}(?: [^\W\d_](?:[^\W\d_]|[.'-]){0,30}){1,4}")
_TOWN = (
    r"(?:[A-Z]{1,2}-)?(?:\d{4,5}|\d{3} \d{2}|\d{4} [A-Z]{2})"
    r" [^\W\d_a-z][^\W\d_]{2,25}(?:[ -][^\W\d_a-z][^\W\d_]{2,25})?(?: \d{1,2})?"
)
_ADDRESS_LINE = re.compile(
    rf"(?:(?:C/ ?)?[^\W\d_a-z][^\W\d_]{{2,30}}(?: [^\W\d_a-z][^\W\d_]{{2,30}})?"
    rf" \d{{1,4}}[a-z]?[,·|–-]? {{1,3}})?{_TOWN}"
    r"|〒\d{3}-\d{4}\s?[\u3400-\u9fff\u3040-\u30ff\d０-９ 　−－-]{4,60}"
)
CUT = re.compile(r"[|·•/]|,| - | – ")
LINKING = frozenset(
    "of the and & de del della di da do dos das du des la le les el los van von der den"
    " dem und im y e et i og och ja en a und/oder w z ds v na".split()
)
# "No. 5", and what stands for a word elsewhere: "Head of IT".
NUMBER = re.compile(r"\bn[or]\b\.?[ :]{0,2}(?=[\w-]*\d)", re.IGNORECASE)
_ACRONYM = re.compile(r"\b(?:IT|TI|ICT|HR|PR|PM|QA|UX)\b")
_POSTCODE = re.compile(r"\b(?:[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]{2} \d{5})\b")
_INITIALS_ONLY = re.compile(r"(?:[A-Z]\.?){1,3}")
_EAST_SIGNED = re.compile(
    "[\u3400-\u9fff]{2,4}\\s?(?:敬上|谨上|拜上|拝)|[\uac00-\ud7af]{2,4}\\s?(?:드림|올림|배상)"
)
# What stands before a family name; how something is done, which is no name.
_DOTTED = re.compile(r"\b(?:[^\W\d_]\.){2,}(?:[^\W\d_]\b)?")
_POSTSCRIPT = re.compile(r"\W*(?:p\.? ?s|n\.? ?b)\b", re.IGNORECASE)
_PARTICLES = frozenset(
    "de del della di da do dos das du la le el los van von der den y e al bin".split()
)
_MANNER = re.compile(
    r"(?:(?<!supp)(?<!fami)(?<!ita)(?<!assemb)ly|weise|mente|mäßig|lich)\b", re.IGNORECASE
)
_WITH_NAME = FIRST_NAMES | _TITLES | _PARTICLES | _ABBREVIATIONS
# The street, not the branch.
MAIN_STREET = re.compile(r"\bMain (?=(?:Street|St\.?|Road|Rd\.?)(?:,|$))")
# A house: "No. 12, High Street". The lower case behind it would be a sentence: "No. 5 must wait".
_HOUSE = re.compile(r"^(?:N[or]\.|N[°º]|№) ?(\d{1,4}[a-z]?),? (?=[A-Z]|rue\b)")
_HOURS = r"\d{1,2}(?:[:.]\d{2})?(?: ?[ap]m)?(?: Uhr)?"
_DAYS = r"(?:mon(?:day)?|mo|montag)\.? ?(?:-|–|to|bis) ?(?:fri(?:day)?|fr|freitag)\.?"
# Whole lines that hold what elsewhere were a doubt.
_WHOLE = re.compile(
    r"(?:(?:my )?pronouns ?: ?)?(?:she|he|they)/(?:her|him|them)(?:/(?:hers|his|theirs))?"
    r"|(?:(?:office|business|working|opening) hours|bürozeiten|öffnungszeiten|geschäftszeiten)"
    rf" ?: ?{_DAYS},? ?{_HOURS} ?(?:-|–|to|bis) ?{_HOURS}"
    r"|no (?:limits?|borders?|boundaries|frontiers) (?:ltd|limited|inc|llc|gmbh)\.?",
    re.IGNORECASE,
)
_VOCABULARY = YES | NO | POLITE | EAST_YES | EAST_NO | EAST_POLITE


def is_meant(word: str) -> bool:
    """Whether a word that looks like a name says something."""
    return key(word) in _VOCABULARY or (doubts(word) and key(word) not in LINKING)


def is_capital(word: str) -> bool:
    """Whether a word begins like a name does."""
    first = word.lstrip("(\"'@«“„")[:1]
    return bool(_NAME.fullmatch(word.strip("(),\"'@«»“”„"))) and (
        first.isupper() or (first.isalpha() and not first.islower())
    )


def key(text: str) -> str:
    return " ".join(bare(text).strip(ENDS).split())


@dataclass(frozen=True, slots=True)
class Names:
    """What the sender is called, in lower case and without accents."""

    known: frozenset[str]
    local: str
    """The part of the address before the @."""
    whole: frozenset[str]
    """Whole names, for languages that put no space into them."""

    @classmethod
    def of(cls, sender: str) -> Names:
        sender = sender[:500]
        address = re.search(r"[^\s<>\"]{1,64}@[^\s<>\"]{1,255}", sender)
        local = address[0].partition("@")[0].partition("+")[0] if address else ""
        name = sender.replace(address[0], " ") if address else sender
        words = {_plain(word) for word in re.findall(r"[^\W\d_]+", f"{name} {local}")}
        known = {w for w in words if len(w) > 1 and (w in FIRST_NAMES or not is_meant(w))}
        # Who is called "will" or "no" is not recognised.
        return cls(
            frozenset(known), _plain(local), frozenset({"".join(name.split()).strip("<>\"'")})
        )

    def has(self, word: str) -> bool:
        plain = _plain(word.strip("."))
        if plain in self.known:
            return True
        return len(plain) >= 4 and plain in self.local and not is_meant(word)

    def signs(self, line: str) -> bool:
        """Whether `line` is the name of the sender, perhaps with a title or another name."""
        if _EAST_SIGNED.fullmatch(line) and not doubts(line[:4].rstrip("敬谨拜拝 드올배")):
            return True
        if _INITIALS_ONLY.fullmatch(line) and key(line) not in _VOCABULARY:
            firsts = {name[0] for name in self.known}
            return not doubts(line) and set(bare(line).replace(".", "")) <= firsts
        if "".join(line.split()) in self.whole and EAST_LETTER.search(line):
            return True
        line = ASIDE.sub("", line)
        if any(key(dotted) not in _TITLES for dotted in _DOTTED.findall(line)):
            return False
        words = _NAME.findall(line)
        if not words or len(words) > 5 or re.search(r"[^\w\s.,'-]|\d", line):
            return False
        known = [word for word in words if self.has(word)]
        others = [word for word in words if not self.has(word)]
        if len(self.known) > 1 and not all(key(word) in _WITH_NAME for word in others):
            return False
        return bool(known) and all(is_capital(word) and not is_meant(word) for word in others)


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", bare(text))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def is_initials(text: str) -> bool:
    """ "N. Example", "J.-P. Example": nobody gives an order like that."""
    words = [word for word in re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", text) if len(word) > 1]
    if bare(text).startswith(("p.s", "p. s", "n.b", "n. b")):
        return False
    return bool(_INITIALS.fullmatch(text)) and all(is_capital(w) and not is_meant(w) for w in words)


def is_name(text: str) -> bool:
    """Whether this may be anybody's name, where a name is to be expected: a first name is known."""
    text = ASIDE.sub("", text).strip(ENDS + "\"'")
    if not text or len(text) > 60 or key(text) in _VOCABULARY:
        return False
    if is_initials(text):
        return True
    if EAST_LETTER.search(text):
        return bool(_EAST_NAME.fullmatch(text)) and not doubts(text)
    words = text.split()
    if (text.isupper() and len(text) > 3) or _MANNER.search(bare(text)):
        return False
    # Where letters have no case, nothing else tells a name from other words.
    most = 4 if text.lower() != text else 2
    if not any(key(part) in FIRST_NAMES for word in words for part in word.split("-")):
        return False
    return len(words) <= most and all(
        (is_capital(word) or (key(word) in _PARTICLES and word != words[-1]))
        and not is_meant(word)
        and (key(word) not in LINKING or key(word) in _PARTICLES)
        for word in words
    )


def is_signature_line(line: str, *, named: bool, delimited: bool) -> bool:
    """Whether this may stand in a signature: a name, or, once it is `named`, what stands below.

    If `delimited`, any line of several words may that holds no doubt.
    """
    if _POSTSCRIPT.match(line):
        return False
    if _WHOLE.fullmatch(line) or (delimited and named and _is_motto(line)):
        return True
    line = _HOUSE.sub(r"\1 ", line)
    parts = [part.strip() for part in CUT.split(line) if part.strip(ENDS)]
    return (
        ((not named or EAST_LETTER.search(line)) and is_name(line))
        or (_ADDRESS_LINE.fullmatch(line) is not None and not doubts(line))
        or ((len(parts) < 2 or _is_contact(line)) and is_signature_part(line))
        or (len(parts) > 1 and all(key(p) in PLACES or is_signature_part(p) for p in parts))
    )


def _is_contact(line: str) -> bool:
    """Whether a line holds a street with its number, a telephone number or an address."""
    return bool(
        _PHONE.search(line)
        or _ADDRESS.search(line)
        or (_STREET.search(line) and re.search(r"\d", line))
    )


def _is_motto(line: str) -> bool:
    return (
        len(re.findall(r"\w{2,}", line)) > 2 and not re.search("[%€$£¥]", line) and not doubts(line)
    )


def is_signature_part(part: str) -> bool:
    """Whether this is a title, a company, a number, an address."""
    part = MAIN_STREET.sub("", part.strip(ENDS + "()\"'"))
    if not part:
        return True
    if len(part) > 90 or key(part) in _VOCABULARY:
        return False
    keys = [key(word) for word in part.split()]
    is_title = any(key in _TITLES for key in keys)
    rest = _ADDRESS.sub(" ", NUMBER.sub(" ", part))
    rest = _POSTCODE.sub(" ", _PHONE.sub(" ", _LABEL.sub(" ", rest)))
    is_title = is_title and not part.isupper()
    if doubts(_ACRONYM.sub(" ", rest) if is_title else rest, title=is_title):
        return False
    if all(key in _TITLES or key in LINKING for key in keys):
        return is_title or any(key in _TITLES for key in keys)
    if _LABEL.match(part) and EAST_LETTER.search(rest):
        return True
    if rest != part:
        holds = len(re.findall(r"\d", part)) > 2 or _ADDRESS.search(part)
        return bool(holds) and all(
            is_capital(word) or word.isdigit() for word in re.findall(r"\w+", rest)
        )
    if _EAST_TITLE.search(part):
        return True
    if _STREET.search(part) and (re.search(r"\d", part) or EAST_LETTER.search(part)):
        return len(keys) <= 8
    if _CITY.fullmatch(part):
        return all(not word.islower() for word in part.split()[1:])
    return len(keys) <= 8 and _reads_as_title(part.split(), is_title=is_title)


def _reads_as_title(words: list[str], *, is_title: bool) -> bool:
    if all(len(word.strip(".")) < 2 for word in words):
        return False
    shouted = all(word.isupper() for word in words) and len("".join(words)) > 4
    last = words[-1]
    if last.endswith((".", "!")) and key(last) not in _ABBREVIATIONS:
        return False
    if (
        any(key(word) in LINKING and word != "&" and not word.islower() for word in words)
        and not shouted
    ):
        return False
    plain = [word for word in words if key(word) not in LINKING and key(word) not in _TITLES]
    if not all(is_capital(word) or word == "&" for word in plain):
        return False
    if not is_title:
        return False
    text = bare(" ".join(words))
    if _MANNER.search(text):
        return False
    return is_title or not (shouted or EAST_LETTER.search(text))
