"""The words that mail programs of many languages put around the mails they quote. Pure.

They are the second proof only: history.py looks at the structure first, so that a language that
is missing here works as well.
"""

from __future__ import annotations

import re


def _any_of(words: str) -> str:
    return "|".join(re.escape(word.strip()) for word in words.split(","))


_WROTE = _any_of(
    "wrote,writes,schrieb,geschrieben,a écrit,escribió,ha escrito,escribio,ha scritto,scrive,"
    "escreveu,schreef,heeft geschreven,skrev,kirjoitti,napisał,napisała,napisał(a),pisze,napsal,"
    "napsala,napsal(a),píše,napísal,napísala,napísal(a),írta,a scris,napisao,napisala,"
    "napisao/la,je napisal,napisal,написао,написала,написал,написал(а),пишет,писал,писал(а),"
    "написав,пише,написа,έγραψε,yazdı,şunu yazdı,şunları yazdı,đã viết,viết,menulis,เขียน,"
    "เขียนว่า,"
    "書きました,書き込みました,写道,寫道,写到,님이 작성,작성:,كتب,كتبت,تمت كتابة,כתב,כתבה,כתב/ה,"
    "מאת,نوشت,نوشته,rašė,rakstīja,kirjutas,va escriure,escribiu,idatzi,ने लिखा,schrijft,skriver"
)
WROTE = re.compile(rf"(?<![^\W_])(?:{_WROTE})(?![^\W_]{{3}})", re.IGNORECASE)
"""The verb of an attribution line."""

YOU_WROTE = re.compile(
    r"(?:on|am|le|el|il|em|op|den)\b.{4,60}\b(?:you wrote|schrieben sie|schriebst du|"
    r"vous avez écrit|tu as écrit|escribiste|hai scritto|ha scritto lei|você escreveu|schreef je|"
    r"schreef u|skrev du)\s?[:：]",
    re.IGNORECASE,
)
"""An attribution to whom the mail is for, who may stand there without an address."""

OPENING = re.compile(
    r"(?:on|am|le|el|il|in data|il giorno|em|op|den|dnia|w dniu|dne|dňa|på|pada|vào|στις|la data|"
    r"dana|בתאריך|ב-|في|بتاريخ|در|ใน|于|在)\s|\d{4}\s?[年년]|\d{1,2}[./]\d{1,2}[./]\d{2}",
    re.IGNORECASE,
)
"""How attribution lines of common programs begin."""

FROM = frozenset(
    "from,von,de,da,van,från,fra,lähettäjä,od,odesílatel,feladó,от,від,από,kimden,gönderen,dari,"
    "từ,người gửi,จาก,发件人,寄件者,寄件人,發件人,差出人,送信者,보낸 사람,보낸사람,발신,"
    "من,מאת,"
    "از,nuo,no,kellelt,saatja,expéditeur,remitente,mittente,remetente,absender,afzender,"
    "avsändare,"
    "afsender,nadawca,expeditor,expeditorul,отправитель,відправник,подател,poslao,pošiljatelj,"
    "šalje,sender,de la,der,desde".split(",")
)
SENT = frozenset(
    "sent,date,sent on,gesendet,datum,gesendet am,envoyé,envoyé le,date d'envoi,enviado,"
    "enviado el,enviado em,fecha,data,inviato,inviata,verzonden,verzonden op,skickat,skickat den,"
    "sendt,dato,lähetetty,päivämäärä,päiväys,wysłano,wysłane,odesláno,odeslané,odoslané,poslané,"
    "elküldve,dátum,küldve,trimis,data trimiterii,дата,отправлено,надіслано,изпратено,"
    "ημερομηνία,στάλθηκε,εστάλη,tarih,gönderildi,gönderme tarihi,dikirim,terkirim,tanggal,ngày,"
    "đã gửi,วันที่,ส่งเมื่อ,发送时间,发送日期,日期,时间,寄件日期,寄送日期,傳送時間,"
    "發送時間,送信日時,送信日,"
    "日時,日付,보낸 날짜,보낸날짜,날짜,تاريخ,التاريخ,تم الإرسال,تاريخ الإرسال,נשלח,תאריך,ارسال,"
    "išsiųsta,nosūtīts,saadetud,kuupäev,poslano,poslato,message du,time,gestuur".split(",")
)
OTHER = frozenset(
    "to,cc,bcc,subject,reply-to,importance,attachments,an,kopie,betreff,antwort an,à,a,copie à,"
    "objet,sujet,para,asunto,assunto,oggetto,aan,onderwerp,till,kopia,ämne,til,kopi,emne,"
    "vastaanottaja,kopio,aihe,do,dw,udw,temat,komu,kopie:,předmět,predmet,címzett,másolatot kap,"
    "tárgy,către,subiect,subiectul,кому,копия,копія,тема,до,относно,προς,κοιν.,κοινοποίηση,θέμα,"
    "kime,alıcı,bilgi,konu,kepada,ke,perihal,subjek,đến,tới,chủ đề,ถึง,สำเนา,เรื่อง,"
    "หัวเรื่อง,"
    "收件人,抄送,主题,收件者,副本,主旨,主題,宛先,件名,받는 사람,받는사람,참조,제목,إلى,"
    "نسخة,الموضوع,"
    "אל,עותק,נושא,به,موضوع,kam,tēma,temats,kellele,teema,adresatas,tema,za,naslov,zadeva,"
    "priorité,destinatario,destinataire,per,assumpte,cópia".split(",")
)
SUBJECT = frozenset(
    "subject,betreff,objet,sujet,asunto,assunto,oggetto,onderwerp,ämne,emne,aihe,temat,předmět,"
    "predmet,tárgy,subiect,тема,относно,θέμα,konu,perihal,subjek,chủ đề,เรื่อง,หัวเรื่อง,"
    "主题,主旨,"
    "主題,件名,제목,الموضوع,נושא,موضوع,tēma,teema,tema,naslov,zadeva,assumpte".split(",")
)
NEVER_FROM = re.compile(
    r"e-?mails?|mail|contact|kontakt|organi[sz]er|host|user(?:name)?|login|account|customer|client|"
    r"kunde|owner|assignee|website|web|url|phone|tel|courriel|correo|邮箱|メール|이메일|почта|адрес",
    re.IGNORECASE,
)
"""Labels that people write themselves in front of an address."""

_ORIGINAL = _any_of(
    "original message,original,original mail,original email,replied message,reply message,"
    "ursprüngliche nachricht,originalnachricht,original-nachricht,message d'origine,"
    "message d’origine,message original,messaggio originale,mensaje original,mensagem original,"
    "oorspronkelijk bericht,origineel bericht,oprindelig besked,oprindelig meddelelse,"
    "original besked,opprinnelig melding,original melding,ursprungligt meddelande,"
    "originalmeddelande,alkuperäinen viesti,wiadomość oryginalna,oryginalna wiadomość,"
    "původní zpráva,původní e-mail,pôvodná správa,eredeti üzenet,mesaj original,mesajul original,"
    "оригинальное сообщение,исходное сообщение,вихідне повідомлення,оригінальне повідомлення,"
    "оригинално съобщение,originalna poruka,izvorna poruka,izvirno sporočilo,αρχικό μήνυμα,"
    "özgün ileti,özgün mesaj,orijinal mesaj,原始邮件,原始郵件,原邮件,回复的原邮件,回覆的原郵件,"
    "原始信件,元のメッセージ,元のメール,원본 메시지,원본 메일,원본메일,원래 메시지,"
    "thư gốc,tin nhắn gốc,"
    "pesan asli,pesan asal,mesej asal,ข้อความต้นฉบับ,ข้อความเดิม,الرسالة الأصلية,ההודעה המקורית,"
    "הודעה מקורית,پیام اصلی,algne kiri,originalus laiškas,pradinis laiškas,sākotnējais ziņojums,"
    "missatge original,mensaxe orixinal,मूल संदेश"
)
_FORWARDED = _any_of(
    "forwarded message,forwarded mail,forwarded email,forward message,weitergeleitete nachricht,"
    "weitergeleitete mail,message transféré,message réexpédié,messaggio inoltrato,"
    "mensaje reenviado,mensagem encaminhada,mensagem reencaminhada,doorgestuurd bericht,"
    "videresendt besked,videresendt meddelelse,videresendt melding,vidarebefordrat meddelande,"
    "vidarebefordrat brev,välitetty viesti,edelleenlähetetty viesti,wiadomość przekazana,"
    "przekazana wiadomość,treść przekazanej wiadomości,přeposlaná zpráva,preposlaná správa,"
    "továbbított üzenet,továbbított levél,mesaj redirecționat,mesaj redirectionat,"
    "пересланное сообщение,пересылаемое сообщение,перенаправленное сообщение,"
    "переслане повідомлення,препратено съобщение,proslijeđena poruka,prosleđena poruka,"
    "posredovano sporočilo,προωθημένο μήνυμα,iletilmiş mesaj,iletilen mesaj,iletilmiş ileti,"
    "yönlendirilen mesaj,转发的邮件,转发邮件,轉寄的郵件,轉寄郵件,轉發的郵件,転送メッセージ,"
    "転送されたメッセージ,転送メール,전달된 메시지,전달된 메일,전달 메시지,thư được chuyển tiếp,"
    "thư chuyển tiếp,pesan terusan,pesan yang diteruskan,mesej dimajukan,ข้อความที่ส่งต่อ,"
    "رسالة محولة,رسالة معاد توجيهها,الرسالة المعاد توجيهها,رسالة مُعاد توجيهها,הודעה שהועברה,"
    "پیام هدایت شده,edastatud kiri,persiųstas laiškas,pārsūtīts ziņojums,missatge reenviat,"
    "अग्रेषित संदेश"
)
_BEGIN = _any_of(
    "begin forwarded message,begin forwarded mail,anfang der weitergeleiteten nachricht,"
    "anfang der weitergeleiteten e-mail,début du message réexpédié,début du message transféré,"
    "inicio del mensaje reenviado,inizio messaggio inoltrato,inizio del messaggio inoltrato,"
    "início da mensagem encaminhada,início da mensagem reencaminhada,begin doorgestuurd bericht,"
    "start på videresendt besked,starten på videresendt melding,vidarebefordrat brev,"
    "välitetty viesti alkaa,edelleen lähetetty viesti alkaa,początek przekazywanej wiadomości,"
    "začátek přeposílané zprávy,začiatok preposlanej správy,továbbított levél kezdete,"
    "начало переадресованного сообщения,начало пересылаемого сообщения,"
    "початок листа, що пересилається,αρχή προωθημένου μηνύματος,iletilen mesajın başlangıcı,"
    "下面是被转发的邮件,以下是转发的邮件,开始转发的邮件,以下是轉寄的郵件,開始轉寄郵件,"
    "転送されたメッセージ,전달된 메시지,بداية الرسالة المعاد توجيهها,תחילת ההודעה שהועברה"
)
_RULE = r"[-_=—–~─*]"
ORIGINAL = re.compile(rf"{_RULE}{{2,}}\s*(?:{_ORIGINAL})\s*(?:{_RULE}{{2,}}|:)?\s*", re.IGNORECASE)
FORWARDED = re.compile(
    rf"(?:{_RULE}{{2,}}\s*(?:{_FORWARDED})\s*(?:{_RULE}{{2,}}|:)?|(?:{_BEGIN})\s*[:：])\s*",
    re.IGNORECASE,
)
RULED = re.compile(rf"{_RULE}{{4,}}(?:[^-_=]{{1,60}}{_RULE}{{4,}})?")
"""A line across the mail, with or without words in it, in whichever language."""
