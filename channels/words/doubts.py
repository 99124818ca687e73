"""Find a doubt, a condition, a delay, a question or an order in what looks like a signature. Pure.

Only what is left out of a message is looked through, so that nothing of the kind is left out with
it. This decides nothing by itself: a yes consists of phrases of a yes.
"""

from __future__ import annotations

import re

from ponderd.channels.words.acting import FIRM
from ponderd.channels.words.base import bare, pattern, words
from ponderd.channels.words.grammar import MILD, PLAIN, SCOPE
from ponderd.channels.words.hints import HINTS

_ACTING = FIRM - SCOPE - MILD
_SCOPE_STEMS = ("test", "getest", "teszt", "тест", "deploy", "деплой", "δοκιμ", "backup")
GRAMMAR = PLAIN | MILD
_ANY = _ACTING | GRAMMAR | HINTS
# A lawyer's condition is about the reader (`footers`): any other is a person's.
_CONDITIONS = words(
    """
    if wenn falls sofern si s'il indien hvis jos jeśli jeżeli pokud jestli ak če dacă eğer αν εάν
    jika kalau nếu если якщо إذا اگر אם अगर यदि provided
    """
)

_EAST_ACTING = pattern(
    r"""
    かも|たぶん|주의|조심|小心|谨慎|延期|推迟|ストップ|慎重|
    除了|除非|还没|還沒|还未|仅限|只|先|然后|再|之后|以后|直到|如果|要是|通过之后|现在|想想|以外|
    まだ|たら|なら|だけ|以外|빼고|하면|지만|아직|แต่|ถ้า|หาก|ยังไม่|รอ|ก่อน|พรุ่งนี้|先别|先不|
    等一|等等|等到|稍等|再等|明天|今天|昨天|后天|周[一二三四五六日]|星期|下周|部署|执行|上线|
    同意|批准|测试|取消|暂|但是|可是|不过|除非|确认|我|她|待って|まで待|明日|今日|曜日|来週|
    デプロイ|本番|承認|中止|やめ|배포|내일|오늘|요일|승인|취소|보류|기다|나중
    """
)

_EAST = pattern(
    r"""
    ストップ|小心|慎|延期|延后|推迟|推遲|缓|夜|凌晨|周末|週末|年|月底|审|審|注意|주의|조심|
    신중|연기|미뤄|不|没|沒|未|无|無|勿|别|別|但|可是|不过|如果|若|要是|除非|除了|只|仅|僅|才|等|
    先|再|之后|以后|之前|以前|后再|直到|暂|暫|停|取消|撤|改|换|明天|今天|昨天|后天|周一|周二|
    周三|周四|周五|周六|周日|星期|礼拜|下周|下午|上午|晚上|小时|分钟|可能|也许|或许|大概|恐怕|
    担心|确认|测试|測試|检查|檢查|问|問|为什么|什么|怎么|吗|吧|呢|我|你|他|她|它|请|請|需要|必须|
    应该|想|觉得|部署|执行|上线|发布|同意|批准|拒绝|生产|预发|灰度|环境|ない|なく|ません|ぬ|まで|
    から|けど|けれど|しかし|でも|ただし|もし|なら|たら|れば|だけ|のみ|待|止|中止|やめ|後|前に|
    まず|明日|今日|昨日|月曜|火曜|水曜|木曜|金曜|土曜|日曜|来週|かも|たぶん|多分|おそらく|確認|
    テスト|本番|検証|なぜ|何|どう|ください|下さい|私|です|ます|した|する|안|못|말고|말아|마세요|
    하지|지만|그러나|하지만|만약|면|때까지|까지|후에|뒤에|전에|먼저|나중|기다|잠깐|잠시|멈|중지|
    취소|보류|내일|오늘|어제|월요일|화요일|수요일|목요일|금요일|토요일|일요일|다음 주|다음주|
    아마|혹시|글쎄|확인|테스트|운영|왜|뭐|무엇|어떻게|제가|저는|해주|합니다|하세요|주세요|습니다|
    原则|原則|基本|一次|一回|한번|정지|유감|두번|疑|遗憾|残念|随便|太|贵|慢|且|半|点|點|晚|仮|保留|見送|試用|一部|旧版|老版|第一|前两|月末|임시|일부|절반|다음|첫|
    いいえ|いや|아니|아뇨|คืนนี้|아직|만|ไม่|แต่|ถ้า|หาก|รอ|ก่อน|หลัง|พรุ่งนี้|วันนี้|จนกว่า|เฉพาะ|แค่|อย่า|หยุด|ยกเลิก|อาจ|
    ทำไม|อะไร
    """
)

# The signs of Indian and Thai letters are no letters to `re`.
_LETTER = (
    r"(?:[^\W_]|[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f"
    r"\u0900-\u0963\u0966-\u0e7f])"
)
_WORD = re.compile(rf"{_LETTER}+(?:['.-]{_LETTER}+)*")
_DATE = re.compile(
    r"\b\d{1,4}(?:[-/.]\d{1,2}[-/.]\d{1,4}|:\d{2}\b|\s?(?:am|pm|uhr)\b|h\d\d\b)", re.IGNORECASE
)


def acts(text: str) -> bool:
    """Whether `text` holds anything that a lawyer's footer does not."""
    if "?" in bare(text) or _DATE.search(bare(text)):
        return True
    if not text.isascii() and _EAST_ACTING.search(text):
        return True
    return any(word in _ACTING or word in _CONDITIONS or _is_scope(word) for word in words_of(text))


def doubts(text: str, *, title: bool = False) -> bool:
    """Whether `text` holds anything that a signature does not.

    A scope ("staging") may stand in a title.
    """
    if "?" in bare(text) or _DATE.search(bare(text)) or (not text.isascii() and _EAST.search(text)):
        return True
    return any(
        word in _ANY or (_is_scope(word) and not (title and word in SCOPE))
        for word in words_of(text)
    )


def _is_scope(word: str) -> bool:
    return word in SCOPE or word.startswith(_SCOPE_STEMS)


def words_of(text: str) -> list[str]:
    """The words of `text` as `bare` writes them; a word with hyphens whole and in parts."""
    found = _WORD.findall(bare(text))
    return found + [part for word in found if "-" in word for part in word.split("-")]
