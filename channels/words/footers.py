"""Recognise what companies, lists and scanners add below mails, and banners above them. Pure.

A footer has a turn of phrase that only such footers have. Besides, each of its clauses speaks of
what they speak of, and none holds a word that a person might steer a run with.
"""

from __future__ import annotations

import re

from ponderd.channels.words.base import Turns, pattern, words
from ponderd.channels.words.doubts import GRAMMAR, acts, words_of

# Turns of phrase that hold an acting word and mean no harm.
_HARMLESS = pattern(
    r"""
    if you (?:are not|are the|were not|have received|received?|
    wish to unsubscribe|believe you)|
    if (?:addressed|received)|if this (?:e-?mail|message|communication)|
    (?:wenn|falls|sofern) sie (?:nicht|diese|die e-?mail)|sollten sie (?:nicht|diese)|
    si vous (?:n'|avez|recevez|êtes)|si usted|si (?:no es|recibe|lo ha|ha recibido)|s'il ne|
    indien u|hvis du ikke|hvis de ikke|jos et ole|jos olet|jeśli nie jest|jeśli (?:pan|otrzyma)|
    jeżeli nie jest|pokud nejste|pokud jste|ak nie ste|če niste|dacă nu sunteți|eğer bu|
    αν δεν είστε|εάν δεν είστε|jika anda bukan|nếu bạn không|если вы не|если это|якщо ви не|
    如果(?:您|你|误收|非)|若(?:您|你|非)|如(?:您|你)|
    仅限(?:于)?(?:收件|发送|指定|内部|上述|阅|该)|僅限(?:於)?(?:收件|指定|內部)|إذا لم|اگر شما|
    אם אינך|यदि आप|(?:consider|think of|think about) the environment before printing|
    because you (?:are|were|have) (?:subscribed|signed up|registered)|by mistake|in error|
    action taken|taken in reliance|take (?:any|no) action|terms (?:and|&) conditions|
    required by law|before (?:opening|printing|you print|print|acting|responding|clicking)|
    without delay|any (?:unauthori[sz]ed )?review|we ask that you|
    and stop receiving emails? from it|to stop receiving|
    unless you (?:recogni[sz]e|know|trust|are|were|have|can|expect)[^.,;]{0,40}|
    unless (?:otherwise|expressly|specifically) (?:stated|agreed|authori[sz]ed)|
    (?:has|have) been (?:checked|scanned|swept)|
    check(?:ed)? (?:(?:this|the|it|any|all|by|e-?mail|and|attachments?) ?){1,8}
    for (?:the presence of )?(?:viruses|malware)|
    checked by|learn why this is important|click here|not you who|need to|you need|
    when (?:opening|clicking)|report it|first time|par erreur|tout ou partie|
    en tout ou en partie|por (?:error|erro|engano|equivocación)|per errore|in tutto o in parte|
    avant (?:d'imprimer|impression|de l'imprimer)|antes de (?:imprimir|la impresión)|
    prima di stampare|per vergissing|per abuis|bevor sie (?:diese|die|sie)|
    vor dem (?:drucken|ausdrucken)|voordat u|innan du skriver|
    før du (?:printer|skriver|udskriver)|перед (?:печатью|тем как печатать)|przed wydrukowaniem|
    otherwise protected|
    (?:do|must|may|should|shall) not
    (?:,? (?:or |and )?(?:read|copy|use|disclose|distribute|disseminate|forward|retain)\b){1,7}|
    do not click[^.]{0,60}|klicken sie (?:nicht|auf keine)[^.]{0,60}|öffnen sie keine[^.]{0,60}|
    ne cliquez pas[^.]{0,60}|n'ouvrez pas[^.]{0,60}|no haga clic[^.]{0,60}|klik niet[^.]{0,60}|
    non (?:fare clic|cliccare|aprire)[^.]{0,60}|不要点击|请勿点击|in der regel|aus versehen|
    ein fehler
    """
)

# A turn of phrase by which a footer is known.
_MARK = Turns(
    r"""
    intended (?:only|solely|exclusively|for)|intended recipient|named (?:recipient|addressee)|
    (?:is|are|be|may be|strictly|contains?|containing|legally) (?:privileged|confidential)|
    (?:privileged|confidential) (?:and|or|information|communication|material)|
    confidentiality (?:notice|note)|received (?:this|it) [\w -]{0,24}(?:in error|by mistake)|
    unauthori[sz]ed (?:use|review|disclosure|copying|access)|strictly prohibited|
    strictly forbidden|no (?:liability|responsibility|warranty)|
    not (?:accept|assume|be held|be) [\w ]{0,24}(?:liab|responsib)|accepts? no|legally binding|
    not legally|views? (?:or|and) opinions|views expressed|opinions expressed|
    not the (?:intended|named|addressee)|no virus found|no liability is accepted|
    believed to be clean|virus[- ]free|for viruses|antivirus|anti-virus|virus database|malware|
    scanned by|scanned for|checked by avg|internal virus|
    (?:consider|think of|think about|save) the environment|environment before|save paper|
    save a tree|save trees|
    (?:originated?|came|comes|sent|is|received) from (?:an? )?(?:outside|external)|
    external (?:e-?mail|sender|message|source)|
    outside (?:of )?(?:the|your|our) (?:organi|company|network)|do not click|get e-?mails? from|
    open(?:ing)? attachments|unsubscribe|mailing list|you (?:are )?(?:received|receiving) this|
    because you (?:are|were|have) (?:subscribed|signed|registered)|
    view this (?:discussion|message|email)|manage (?:your )?(?:subscription|preferences)|
    google groups|reply to this email directly|this is an automated footer|vertraulich|
    rechtlich geschützt|
    nicht der (?:richtige |beabsichtigte |vorgesehene )?(?:adressat|empfänger)|
    irrtümlich (?:erhalten|zugesandt)|unbefugt|unerlaubt|ausschließlich für den|nur für den|
    haftung|keine haftung|auf viren|virenfrei|viren geprüft|umwelt|von außerhalb|
    externe[rn]? (?:e-?mail|absender|mail)|abmelden|abbestellen|newsletter|mailingliste|
    nicht gestattet|confidentiel|destinataire|reçu (?:ce|cet|le) [\w -]{0,20}par erreur|
    intention exclusive|
    toute utilisation non autorisée est interdite|toute (?:utilisation|diffusion|divulgation)|
    destinato esclusivamente|décline toute|responsabilité|sans virus|
    environnement|(?:provient|vient|envoyé|provenant) (?:de|depuis) l'ext|expéditeur externe|
    (?:courriel|message|e-?mail) externe|désabonner|désinscri|confidencia|destinatari|
    ha recibido este|prohibid|responsabilidad|libre de virus|medio ?ambiente|remitente externo|
    (?:correo|mensaje|email) externo|fuera de la organi|darse de baja|cancelar (?:la )?suscri|
    recebeu esta|proibid|responsabilidade|meio ambiente|remetente externo|e-?mail externo|
    fora da organi|cancelar (?:a )?(?:inscri|subscri)|riservat|confidenzial|
    ricevuto (?:questo|questa|per errore|il)|vietat|responsabilità|esente da virus|
    privo di virus|ambiente|mittente esterno|(?:mail|messaggio|email) esterna?|all'esterno dell|
    vertrouwelijk|geadresseerde|ten onrechte|onbevoegd|aansprakelijk|virusvrij|op virussen|
    milieu|externe (?:afzender|e-?mail)|van buiten|afmelden|uitschrijven|konfidentiell|
    avsedd (?:endast )?för|mottagare|miljön|virusfri|extern avsändare|externt (?:mejl|mail)|
    utanför organisationen|avprenumerera|fortrolig|tiltenkt|adressat|miljøet|
    ekstern (?:afsender|avsender|e-?post|mail)|uden for organi|utenfor organi|afmeld|avmeld|
    ansvar|luottamuksellinen|vastaanottaj|ympäristö|ulkopuolinen|organisaation ulkopuolelta|
    poufn|adresat|środowisk|wolna od wirus|z zewnątrz|zewnętrzn|wypisać się|odpowiedzialności|
    důvěrn|adresát|životní(?:ho)? prostředí|bez virů|mimo organizaci|externí|odhlásit|dôvern|
    životné prostredie|externý|bizalmas|címzett|környezet|vírusmentes|külső feladó|leiratkoz|
    confidențial|destinatar|mediul|expeditor extern|dezabon|gizli(?:dir)?|alıcı|çevreyi|virüs|
    kurum dışı|abonelikten|εμπιστευτικ|παραλήπτη|περιβάλλον|ιούς|εξωτερικ|povjerljiv|primatelj|
    okoliš|vanjsk|zaupn|naslovnik|конфиденциал|адресат|предназначен|окружающ|вирус|
    внешн(?:ее|ий|его|яя)|отписаться|ответственност|конфіденційн|призначен|довкілля|зовнішн|
    відписатися|поверителн|предназначено|околната среда|външен|سري|سرية|المرسل إليه|محظور|البيئة|
    خالية من الفيروسات|خارج المؤسسة|مرسل خارجي|إلغاء الاشتراك|محرمانه|گیرنده|محیط زیست|לנמען|
    סודי|חסוי|איכות הסביבה|שולח חיצוני|מחוץ לארגון|הסר|गोपनीय|पर्यावरण|rahasia|penerima|
    lingkungan|bebas virus|pengirim eksternal|berhenti berlangganan|bảo mật|người nhận|
    môi trường|bên ngoài|ความลับ|ผู้รับ|สิ่งแวดล้อม|ภายนอก|保密|机密|機密|禁止任何|收件人|收件者|法律责任|
    法律責任|病毒|爱护环境|保护环境|考虑环境|環境に配慮|環境保護|环保|
    外部(?:邮件|郵件|发件人|寄件者)|来自外部|組織外|社外|退订|退訂|取消订阅|机构外部|内部使用|
    受信者|宛先|守秘|誤って受信|ウイルス|外部(?:メール|から|送信者)|配信停止|購読|기밀|수신인|
    수신자|바이러스|환경을|외부 (?:메일|발신|이메일)|조직 외부|수신거부|구독
    """
)

# What footers speak of, besides.
_SUBJECT = Turns(
    r"""
    confiden|privileg|communicat|recipient|addressee|message|e-?mail|mail\b|attach|sender|delet|destroy|
    cop(?:y|ies)|disclos|distribut|disseminat|forward|prohibit|unauthor|unlawful|liab|responsib|
    warrant|virus|scan|malware|content|information|legal|law\b|view|opinion|compan|entit|
    individual|person|addressed|use\b|loss|damage|arising|behalf|notif|immediately|permission|
    consent|error|contact|interfer|tamper|monitor|record|organi[sz]|link|safe|external|notice|
    disclaimer|print|paper|environment|subscri|group|list|archive|http|www\.|antivirus|avast|
    avg\b|nachricht|inhalt|anhang|anhäng|absender|empfäng|löschen|vernicht|kopie|weiterleit|
    weitergab|verbreit|gesellschaft|hinweis|drucken|ausdruck|papier|öffnen|klicken|virenschutz|
    courrier|courriel|pièce|expéditeur|détru|supprim|copi|diffus|contenu|interdit|établi|imprim|avis\b|lien|
    correo|mensaje|adjunt|remitente|elimin|destru|conteni|papel|aviso|enlace|mensagem|anexo|
    remetente|apagu|conteúdo|messaggio|allegat|mittente|cancell|distru|contenut|stamp|carta|
    avviso|bericht|bijlage|afzender|verwijder|vernietig|inhoud|afdruk|meddelande|bilag|bifog|
    avsändare|radera|innehåll|skriv ut|besked|meddelelse|vedhæft|vedlegg|afsender|avsender|slet|
    slett|indhold|innhold|viesti|liite|lähettäj|poista|sisältö|tulost|wiadomo|załącznik|nadawc|
    usuni|treść|drukow|zpráv|přílo|odesílatel|smaž|obsah|tisk|správ|príloh|odosielateľ|vymaž|
    tlač|üzenet|melléklet|feladó|töröl|tartalom|nyomtat|mesaj|atașament|expeditor|șterge|
    conținut|tipăr|ileti|e-posta|gönderen|silin|içerik|yazdır|μήνυμα|συνημμέν|αποστολ|διαγρά|
    εκτύπ|poruk|privit|pošiljatelj|izbriš|sadržaj|ispis|сообщен|письм|вложен|отправител|удал|
    содержан|печат|распеч|ссылк|повідомлен|лист\b|вкладен|видал|вміст|друк|رسالة|مرفق|المرسل|حذف|
    محتوى|طباعة|پیام|ایمیل|پیوست|فرستنده|چاپ|הודעה|מייל|צרופ|שולח|מחק|תוכן|הדפס|संदेश|ईमेल|pesan|
    email|lampiran|pengirim|hapus|cetak|thư|tin nhắn|đính kèm|người gửi|xóa|邮件|郵件|附件|发件|
    寄件|删除|刪除|信息|資訊|内容|打印|列印|链接|連結|声明|聲明|メール|添付|送信|削除|情報|印刷|
    リンク|메일|첨부|발신|삭제|정보|인쇄|링크|본
    """
)

_TAG = pattern(
    r"""
    [\[(*【\s-]{0,6}(?:external(?: e-?mail| sender| message| mail)?|ext|
    externe? e-?mail|externe|externo|
    esterno|外部邮件|外部郵件|外部|社外|社外メール|외부메일)[\])*】\s:!-]{0,6}
    """
)
_SMALL = words(
    """
    is are be was has been this these ist sind sie est sont es son está è sono é são zijn är jest
    for and the of in a an to at der die das den dem des und im am le la les l de du des et à au aux
    el los las y su a al il lo gli e del della di da do dos das ao een van en til og och z w i и в
    """
)
_WRAPPED = 50
_HEADING = re.compile(
    r"^\W{0,4}(?:caution|warning|attention|important(?: notice)?|notice|disclaimer|achtung|vorsicht"
    r"|wichtig|hinweis|atención|atenção|aviso|attenzione|avviso|let op|внимание"
    r"|увага|注意|주의|تنبيه)\W{0,3}[:：!-]\s*",
    re.IGNORECASE,
)
_WHOLE = pattern(
    r"""
    version: [\d.]+ / virus database: [\d/.]+ - release date: [\d/.]+|
    you don'?t often get e-?mail from \S{3,100}?\.?|learn why this is important(?: at \S+)?\.?|
    [\w.-]{1,40} mailing list|\[(?:cid:[^\]\s]{1,80}|image|image: ?[^\]]{0,60}|logo)\]|
    on the (?:go|move)|你通常不会收到来自 \S{3,100} 的电子邮件。?|
    sie erhalten nicht oft eine e-mail von \S{3,100}|
    think before you print[.!]?|(?:please )?(?:do not|don't) print this (?:e-?mail|message)
    (?: (?:unless|when|if) (?:you )?(?:(?:really|absolutely) )?
    (?:need to|necessary|required))?[.!]?|
    (?:classification|sensitivity|klassifizierung): [\w/ -]{1,30}|
    privileged (?:&|and) confidential\.?|
    (?:this e-?mail (?:was|has been) )?scanned by [\w-]{2,30}\.?|
    keine haftung für diese nachricht\.?|keine haftung wird übernommen\.?|
    es wird keine haftung übernommen\.?|
    no trees were (?:harmed|killed|destroyed) in the
    [ ](?:sending|making|creation|production|transmission) of this (?:e-?mail|message)\.?|
    _{0,12} ?information from eset
    [ ](?:(?:mail|smart|internet|file|server|endpoint) security|(?:nod32|endpoint) antivirus),
    [ ]version of (?:virus signature|detection engine|antivirus) database
    [ ][\d.]{1,12}(?: \(\d{8}\))? ?_{0,12}|
    the (?:message|e-?mail) was checked by eset
    [ ](?:(?:mail|smart|internet|file|server|endpoint) security|(?:nod32|endpoint) antivirus)\.?|
    (?:https?://)?www\.(?:eset|avast|avg)\.com/?|
    (?:dit bericht|deze e-?mail) kan vertrouwelijke informatie bevatten en is
    [ ](?:uitsluitend|alleen) bestemd voor de geadresseerde\.?|
    de informatie in (?:dit bericht|deze e-?mail) is vertrouwelijk en (?:is )?
    (?:uitsluitend|alleen) bestemd voor de geadresseerde\.?|
    (?:это|данное|настоящее) (?:сообщение|письмо) предназначено
    [ ](?:только|исключительно) для адресата
    [ ]и может содержать конфиденциальную информацию\.?|
    esta mensagem é confidencial e (?:destina-se|é destinada) (?:exclusivamente|apenas|unicamente)
    [ ]ao (?:seu )?destinatário\.?|
    (?:niniejsza|ta) wiadomość jest przeznaczona wyłącznie dla adresata
    (?: i może zawierać informacje poufne)?\.?
    """
)
_LINK = re.compile(r"\W*(?:https?://\S+|www\.\S+|[\w.-]+\.(?:com|org|net))\W*")
_SENTENCE = re.compile(r"(?<=[.!。！])\s+|(?<=[。！])|\n")
_CLAUSE = re.compile(r"[,;:()。，；：、–—]|\s-\s|(?<=[\u3000-\ud7af])\s|\s(?=[\u3000-\ud7af])")


def is_footer(paragraph: str) -> bool:
    """Whether each sentence of `paragraph` is one that a company, a list or a scanner adds."""
    paragraph = paragraph.strip().strip("*_")
    if _TAG.fullmatch(paragraph):
        return True
    lines = [" ".join(line.split()) for line in paragraph.splitlines()]
    # Programs wrap late: a short line ends a sentence even without a full stop.
    if all(_WHOLE.fullmatch(part) for part in re.split(r"(?<=\.) ", " ".join(lines))):
        return True
    text = "".join(f"{line} " if len(line) > _WRAPPED else f"{line}\n" for line in lines)
    sentences = [part for part in _SENTENCE.split(text) if part.strip()]
    # What stands on a line above a footer belongs to it only if it speaks of the same.
    if not lines or not _speaks_of_mail(lines[0]):
        return False
    return any(map(_MARK.count, sentences)) and all(map(_is_legal, sentences))


def _speaks_of_mail(text: str) -> bool:
    return bool(_MARK.count(text) or _SUBJECT.count(text))


def _is_legal(sentence: str) -> bool:
    if _LINK.fullmatch(sentence):
        return True
    sentence = _HEADING.sub("", sentence)
    if not _MARK.count(sentence) and _SUBJECT.count(sentence, 3) < 3:
        return False
    sentence = _HARMLESS.sub("e-mail", sentence.replace("(s)", ""))
    clauses = [part for part in _CLAUSE.split(sentence) if re.search(r"\w", part)]
    return not acts(sentence) and all(map(_speaks_of_mail, clauses)) and _is_covered(sentence)


def _is_covered(sentence: str) -> bool:
    """Whether enough words belong to what footers speak of. It does not end in "not"."""
    said = words_of(sentence)
    other = [word for word in words_of(_SUBJECT.without(_MARK.without(sentence))) if word in said]
    if other and said[-1] in GRAMMAR and said[-1] == other[-1]:
        return False
    if len(said) <= 7:
        return sum(word not in _SMALL for word in other) <= (len(said) > 4)
    meant = sum(word not in GRAMMAR and word not in _SMALL for word in other)
    return meant <= len(said) * 0.6 and len(other) <= len(said) * 0.75
