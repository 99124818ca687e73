"""Pieces of letters in many languages, to be mixed: a yes, a doubt, and what is around it."""

from __future__ import annotations

APPROVALS = """
yes
Yes, please.
ok, go ahead
approved, thank you
Looks good to me
+1
👍
✅
ja
Ja, gerne
genehmigt
einverstanden
oui
d'accord
c'est bon
sí, adelante
de acuerdo
sim, pode prosseguir
va bene
akkoord
godkänt
godkendt
kyllä
tak, zatwierdzam
ano
igen
da
ναι
evet
да
одобряю
так, схвалюю
نعم
כן
हाँ
ตกลง
đồng ý
setuju
同意
好的，谢谢
可以
はい、承認します
네, 승인합니다
""".strip().splitlines()

DOUBTS = """
but only on staging
but not before Friday
only if all tests pass
unless Bob objects
if the build is green
once the backup is done
as soon as QA has signed off
after lunch
not yet
not today
wait
please wait for me
hold on
hold off for now
actually no
on second thought, no
I changed my mind
let me check first
let me think about it
tomorrow
next week
in an hour
later
later today
maybe
perhaps
I guess
I am not sure
are you sure?
what does it cost?
what about the backup?
why?
is it tested
except for production
without the migration
with version 1.4.1 instead
use staging instead
ask me again then
in principle
mostly
with reservations
pending review
with caution
EU only
call me
ask Bob first
check with legal
subject to review
provided that it is reversible
assuming it is safe
do not deploy
don't do it today
stop
cancel that
please ignore my last mail
scratch that
just kidding
by mistake, disregard
no
nope
never
half of it
the first one only
up to 20 euros
for the test system
at 18:00
on 12.12.2026
until Monday
from Monday on
aber nur auf Staging
aber erst morgen
erst nach dem Test
nur wenn alle Tests grün sind
sofern Bob zustimmt
falls es getestet ist
außer freitags
noch nicht
doch nicht
lieber nicht
bitte warten
warte noch
Moment
später
nächste Woche
vielleicht
ich bin mir nicht sicher
nicht in Produktion
was kostet das?
bitte erst Bob fragen
unter Vorbehalt
mais seulement demain
si les tests passent
à condition que Bob valide
sauf en production
pas encore
pas aujourd'hui
attendez
plutôt lundi
peut-être
après la réunion
finalement non
à vérifier avant
pero solo mañana
si pasan las pruebas
siempre que esté probado
excepto en producción
todavía no
mejor el lunes
espera
quizás
después de la reunión
mas só amanhã
se os testes passarem
exceto em produção
ainda não
espere um pouco
talvez
depois do almoço
ma solo domani
se i test passano
tranne in produzione
non ancora
aspetta
forse
dopo la riunione
maar pas morgen
als de tests slagen
nog niet
wacht even
misschien
behalve op vrijdag
men inte idag
om testerna går igenom
vänta lite
kanske senare
men ikke i dag
hvis testene er grønne
vent litt
ikke ennå
mutta vasta huomenna
jos testit menevät läpi
odota vielä
ehkä
ale dopiero jutro
jeśli testy przejdą
jeszcze nie
poczekaj
może później
ale až zítra
pokud projdou testy
ještě ne
počkej
možná
de csak holnap
ha a tesztek sikeresek
még nem
várj
dar numai mâine
dacă trec testele
încă nu
ali tek sutra
ako testovi prođu
još ne
αλλά μόνο αύριο
αν περάσουν τα τεστ
όχι ακόμα
ama yarın
testler geçerse
henüz değil
bekle
но только завтра
если тесты пройдут
при условии, что всё проверено
ещё не
подожди
не сегодня
может быть
после обеда
але тільки завтра
якщо тести пройдуть
ще не
зачекай
ولكن غدا
إذا نجحت الاختبارات
ليس بعد
انتظر
אבל רק מחר
אם הבדיקות עוברות
עדיין לא
חכה
लेकिन कल
अगर टेस्ट पास हों
अभी नहीं
แต่พรุ่งนี้
ถ้าทดสอบผ่าน
ยังไม่
รอก่อน
nhưng ngày mai
nếu kiểm thử đạt
chưa được
tapi besok
kalau tes lulus
belum
tunggu dulu
但是明天再说
如果测试通过
等测试通过之后
先别
等一下
暂时不要
小心
谨慎
延期
推迟到月底
仅限测试环境
除了生产环境
明天
周五之后
还没
不是现在
我再想想
但是要先备份
ただし明日
テストが通ったら
まだです
待ってください
かもしれない
本番以外で
慎重に
夜間に
ストップ
明日にしてください
하지만 내일
테스트가 통과하면
아직 안 됩니다
기다려 주세요
내일 해 주세요
운영은 빼고
주의
연기
""".strip().splitlines()

GREETINGS = """
Hi,
Hello,
Hi team,
Hi all,
Hello everyone,
Dear assistant,
Dear Dr. Keller,
Hey Bob!
Good morning,
Hallo,
Hallo zusammen,
Guten Tag Frau Keller,
Sehr geehrte Damen und Herren,
Liebes Team,
Moin,
Bonjour,
Bonjour à tous,
Hola,
Buenos días,
Olá,
Bom dia,
Ciao,
Buongiorno,
Beste Jan,
Hej,
Hei,
Moi,
Cześć,
Dzień dobry,
Dobrý den,
Szia,
Bună ziua,
Καλημέρα,
Merhaba,
Здравствуйте,
Добрый день!
Доброго дня,
مرحبا،
السلام عليكم
שלום,
नमस्ते,
สวัสดีครับ
Xin chào,
Selamat pagi,
你好，
您好：
大家好，
お疲れ様です。
お世話になっております。
안녕하세요,
""".strip().splitlines()

CLOSINGS = """
Best regards,
Best,
Kind regards
Thanks,
Thank you!
Cheers
Viele Grüße
Mit freundlichen Grüßen
Beste Grüße,
LG
Danke und Gruß
Cordialement,
Bien à vous,
Saludos,
Un saludo,
Atenciosamente,
Obrigado,
Cordiali saluti
Met vriendelijke groet,
Vänliga hälsningar
Med venlig hilsen
Ystävällisin terveisin
Pozdrawiam
S pozdravem
Üdvözlettel
Cu stimă,
Με εκτίμηση,
Saygılarımla,
С уважением,
З повагою,
مع أطيب التحيات
בברכה,
धन्यवाद
ขอแสดงความนับถือ
Trân trọng,
Hormat saya,
此致
谢谢！
祝好
よろしくお願いします。
敬具
감사합니다.
""".strip().splitlines()

SIGNATURES = """
Ann
Ann Example
A. Example
Dr. Ann Example
ann
Ann Example, PhD
Ann Example (she/her)
Ann Example|Head of Operations
Ann Example|Head of Operations|Example GmbH|Tel. +49 89 1234567
Ann Example|Release Manager, Example Ltd|M: +44 20 7946 0000 / E: ann@team.test|www.example.com
Ann Example|Teamleiterin Entwicklung|Example AG|Musterstraße 5|80331 München
Ann Example|Directrice technique|Example SA|12 rue de la Paix|75002 Paris
Ann Example|CTO
ANN EXAMPLE|Senior Engineer
*Ann Example*|_Platform Team_
Ann Example - Team Lead - Example Inc.
Ann|+1 (555) 010-0199
""".strip().splitlines()

FOOTERS = """
Sent from my iPhone
Sent from my Galaxy
Sent from Outlook for Android
Get Outlook for iOS
Von meinem iPhone gesendet
Envoyé de mon iPhone
Enviado desde mi iPhone
Inviato da iPhone
Verzonden vanaf mijn iPhone
Отправлено с iPhone
发自我的iPhone
iPhoneから送信
나의 iPhone에서 보냄
No liability is accepted for this message.
This e-mail is confidential and intended solely for the addressee.
If you are not the intended recipient of this message, please delete it.
This email has been scanned for viruses.
No virus found in this message.
Please consider the environment before printing this e-mail.
Registered office: 1 Example Street, London. Registered in England No. 1234567
Example GmbH, Sitz der Gesellschaft: München, Amtsgericht München HRB 12345
Diese E-Mail ist vertraulich. Wenn Sie nicht der Empfänger sind, löschen Sie sie.
Ce message est confidentiel et destiné exclusivement à son destinataire.
Este mensaje es confidencial y va dirigido exclusivamente a su destinatario.
Questo messaggio è confidenziale e destinato esclusivamente al destinatario.
Это сообщение конфиденциально и предназначено только для адресата.
本邮件及附件含有保密信息，仅限收件人使用。
このメールには機密情報が含まれています。
""".strip().splitlines()

BANNERS = """
[EXTERNAL]
CAUTION: This email originated from outside of the organization.
External sender
Do not click links or open attachments unless you recognize the sender of this email.
Achtung: Diese E-Mail stammt von außerhalb der Organisation.
注意：此邮件来自外部发件人
""".strip().splitlines()

UNSEEN = ("", "", "\u200b", "\u200e", "\ufeff", "\u00ad", "\u2060")
