"""Recognise what phones and mail programs write below mails: "Sent from my iPhone". Pure."""

from __future__ import annotations

import re

from ponderd.channels.words.base import bare, pattern, phrases
from ponderd.channels.words.doubts import doubts

_DEVICE = pattern(
    r"""
    (?:this (?:e-?mail|message) was )?sent (?:from|via|using|with)|written (?:on|from) my|
    typed on|composed (?:on|with)|sent on the (?:go|move)|
    (?:diese (?:nachricht|e-?mail) wurde )?
    (?:gesendet|geschickt|verschickt|versendet) (?:von|mit|aus|über|vom)|
    (?:diese (?:nachricht|e-?mail) wurde )?(?:von|vom|mit|aus|über)\b|
    (?:envoyé|expédié|transmis) (?:de|depuis|à partir|via|avec|par|d')|
    enviado (?:desde|con|a través|via|do|da|de|pelo|com|usando|por)|enviat (?:des|amb)|
    inviato (?:da|dal|con|tramite|via)|(?:verzonden|verstuurd) (?:vanaf|vanuit|met|via|van|door)|
    skickat (?:från|via|med)|skickades från|sendt (?:fra|via|med|med)|lähetetty|
    (?:wysłan[eoa]|wysłano) (?:z|za|przy|ze)|odesláno (?:z|ze|pomocí|přes)|
    odoslané (?:z|zo|pomocou)|poslano (?:s|sa|z|iz|preko)|trimis (?:de pe|din|de la|prin|cu)|
    elküldve|saadetud|nosūtīts|išsiųsta|sent í|sent úr|στάλθηκε (?:από|με)|
    отправлено (?:с|из|через|со|от)|надіслано (?:з|із|через)|відправлено (?:з|із)|
    изпратено (?:от|с|чрез)|послато (?:са|из)|أُرسلت من|أرسلت من|ارسلت من|تم الإرسال من|مرسل من|
    مُرسل من|ارسال شده از|فرستاده شده از|נשלח (?:מה|מ|דרך|באמצעות)|dikirim (?:dari|melalui)|
    dihantar dari|(?:đã |được )?gửi từ|ipinadala mula sa|imetumwa kutoka|ส่งจาก|发自|發自|
    来自我的|來自我的|傳送自|從我的|从我的|从\s
    """
)

_DEVICE_LAST = pattern(
    r"""
    gesendet|geschickt|verschickt|verzonden|küldve|gönderildi|göndərildi|से भेजा गया|发送|傳送|
    寄出|发出|から送信|から送信しました|에서 보냄|에서 보냈습니다|에서 발송|에서 전송|로 보냄
    """
)

_DEVICE_WORDS = phrases(
    """
    my|the|a|for|on|by|with|and|of|mobile|phone|smartphone|tablet|device|app|mail|email|e-mail|
    cell|cellphone|wireless|android|meinem|meiner|mein|der|dem|die|das|einem|für|unterwegs|handy|
    gerät|mobilgerät|mobiltelefon|android-gerät|android-handy|nachricht|mit|von|mon|ma|mes|pour|
    téléphone|portable|appareil|un|une|l'application|de|d'un|la|le|mi|mis|para|teléfono|móvil|
    dispositivo|celular|una|el|meu|minha|telemóvel|telefone|do|da|il|mio|mia|per|dal|telefono|
    cellulare|mijn|telefoon|toestel|voor|mobiel|een|min|mitt|mobil|telefon|til|för|enhet|minun|
    laitteesta|puhelimesta|iphonestani|androidista|mojego|mojej|telefonu|urządzenia|mobilnego|
    mého|mobilu|telefónu|môjho|mog|mojeg|mobitela|uređaja|telefonul|dispozitivul|από|το|μου|
    κινητό|моего|мобильного|телефона|устройства|мого|мобільного|моя|моят|من|جهاز|هاتفي|الـ|هاتف|
    از|گوشی|של|שלי|ה|saya|ponsel|của|tôi|điện|thoại|ของฉัน|iphone|ipad|ipod|galaxy|samsung|
    huawei|xiaomi|outlook|gmail|ios|windows|mac|blackberry|k-9|spark|yahoo|proton|protonmail|go|
    move|apple|google|pixel|oneplus|oppo|vivo|honor|realme|redmi|poco|mi|nokia|motorola|moto|lg|
    htc|sony|xperia|fairphone|lenovo|asus|zenfone|surface|microsoft|macbook|imac|watch|vision|pro|
    max|plus|ultra|mini|air|se|note|fold|flip|lite|fe|5g|4g|lte|nexus|thunderbird|mozilla|firefox|
    superhuman|airmail|canary|edison|newton|bluemail|aquamail|fairemail|mailspring|postbox|emclient|
    client|em|hey|tutanota|tuta|zoho|gmx|web.de|freenet|t-online|telekom|aol|icloud|hotmail|live|
    msn|yandex|mail.ru|rambler|qq|qq邮箱|qq邮箱手机版|foxmail|网易邮箱|网易邮箱大师|naver|daum|
    orange|free|laposte|libero|virgilio|tim|tiscali|wp|onet|interia|seznam|verizon|at&t|t-mobile|
    vodafone|o2|ee|three|sprint|network|workspace|inbox|exchange|activesync|nine|boxer|workspaceone|
    teams|office|365|smart|cellular|sailfish|linux|ubuntu|evolution|kmail|mutt|roundcube|horde|
    мобильной|почты|holen|sich|herunterladen|télécharger|obtenir|get|مِن|desktop|web|kaiten|mate|secure|
    samsung-tablet|touchdown|front
    """,
)

_EXCUSE = pattern(
    r"""
    (?:please )?(?:excuse|pardon|forgive|ignore) (?:any |my |the )?
    (?:typos?|brevity|errors?|mistakes?|autocorrect|spelling)(?: and|,| or| &)?
    (?: ?(?:any|typos?|brevity|errors?|mistakes?|autocorrect|spelling)){0,2}|
    typos? (?:included|courtesy of)[\w ]{0,20}|brevity[\w ]{0,20}|
    bitte entschuldigen sie [\w ]{0,20}(?:kürze|tippfehler)[\w ]{0,20}|
    (?:tippfehler|kürze) bitte [\w ]{0,20}entschuldigen|
    veuillez excuser [\w ]{0,20}(?:brièveté|fautes)[\w ]{0,20}
    """
)

_AT_START = re.compile(f"(?:{_DEVICE.pattern})(?![^\\W\\d_\u0590-\uffff])", re.IGNORECASE)
_AT_END = re.compile(f"(?:{_DEVICE_LAST.pattern})$", re.IGNORECASE)
_OWNED = re.compile("^(?:[从從]?我的|私の|나의|내|我)")
_MODEL = re.compile(r"[A-PR-Z]{1,3}-?\d{1,4}\+?|\d{1,2}[ae]?|X[RS]?|Z")
_HALVES = ("von", "vom", "mit", "aus", "über", "从", "從我的", "从我的")
_EAST = re.compile("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
_PRODUCT = re.compile(
    "i(?:phon|pad|os|pod)|android|[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]", re.IGNORECASE
)


def is_device_line(line: str) -> bool:
    """Whether a phone or a mail program wrote `line`: "Sent from my iPhone"."""
    line = line.strip().strip("*_|")
    if not line or len(line) > 120:
        return False
    if "outlook" in line.lower() and re.search(r"\b(?:ios|android|mac)\b", line, re.IGNORECASE):
        words = re.sub(r"<[^<>]*>", "", line).split()
        other = (word for word in words if bare(word) not in _DEVICE_WORDS)
        if len(words) <= 8 and not doubts(" ".join(other)):
            return True
    sentences = [part for part in re.split(r"(?<=[.!])\s+", line) if part]
    return _is_device(sentences[0]) and all(_excuses(part) for part in sentences[1:])


def _excuses(sentence: str) -> bool:
    return _EXCUSE.fullmatch(sentence.strip(" .!")) is not None


def _is_device(sentence: str) -> bool:
    if _excuses(sentence):
        return True
    sentence = re.sub(r"<[^<>]*>|https?://\S+", "", sentence).strip(" .!")
    first, last = _AT_START.match(sentence), _AT_END.search(sentence)
    if not first and not last:
        return False
    # "Sent from" alone is as good as "Von … gesendet"; "Von …" alone is no such line.
    if first and not last and bare(first[0]).strip() in _HALVES:
        return False
    rest = sentence[first.end() if first else 0 : last.start() if last else len(sentence)]
    _, _, aside = rest.partition(",")
    if any(bare(word) not in _DEVICE_WORDS or word[0].isupper() for word in aside.split()):
        return False
    words = [_OWNED.sub("", word) for word in re.findall(r"[^\s,()|/]+", rest)]
    named = [
        word for word in words if word and bare(word).rstrip("0123456789") not in _DEVICE_WORDS
    ]
    if len(words) > 10 or not words:
        return not words
    east = last or _EAST.search(sentence[:1])
    return all(
        (_MODEL.fullmatch(word) or _is_product(word))
        and not doubts(word)
        and (east or not _EAST.search(word))
        for word in named
    )


def _is_product(word: str) -> bool:
    """Whether a word names a device without a capital, or in a script that has none."""
    return _PRODUCT.search(word) is not None
