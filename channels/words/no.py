"""Phrases of a no, by language. Pure data."""

from __future__ import annotations

from ponderd.channels.words.base import phrases

NO = phrases(
    """
    no|n|nope|nah|nay|no no|no way|no thanks|no thank you|no please|no please don't|not approved|
    i do not approve|i don't approve|not accepted|not ok|not okay|disapprove|disapproved|deny|
    denied|i deny|reject|rejected|i reject|refuse|refused|i refuse|decline|declined|i decline|
    veto|vetoed|stop|please stop|stop it|stop that|cancel|cancel it|cancel that|cancel this|
    please cancel|abort|abort it|don't|dont|do not|please don't|please do not|don't do it|
    do not do it|don't do that|do not do that|don't proceed|do not proceed|never|forbidden|
    absolutely not|definitely not|certainly not|of course not|negative|thumbs down|i disagree|
    disagree|i object|no go|no-go|i say no|not allowed|do not deploy|don't deploy|
    please do not deploy|please don't deploy|do not deploy it|don't deploy it|not now|please not now
    """,
    """
    nein|ne|nee|nö|nein danke|nein bitte nicht|bitte nicht|auf keinen fall|keinesfalls|niemals|
    abgelehnt|ich lehne ab|ich lehne das ab|lehne ich ab|nicht genehmigt|nicht freigegeben|
    nicht einverstanden|ich bin nicht einverstanden|verweigert|stopp|abbrechen|bitte abbrechen|
    abbruch|lass das|lass es|nicht machen|bitte nicht machen|nicht ausführen
    """,
    """
    non|non merci|refusé|refusée|je refuse|rejeté|rejetée|je rejette|pas d'accord|
    je ne suis pas d'accord|pas question|hors de question|arrête|arrêtez|annule|annulez|annulé|
    surtout pas|jamais
    """,
    """
    no gracias|rechazado|rechazada|rechazo|denegado|denegada|no apruebo|no lo apruebo|
    no aprobado|no estoy de acuerdo|no lo hagas|no lo haga|cancela|cancelar|cancele|detente|
    nunca|ni hablar|não|nao|não obrigado|não obrigada|recusado|recusada|recuso|rejeitado|
    rejeitada|rejeito|não aprovo|não aprovado|não concordo|não autorizo|não faça|cancela isso|
    pare|no grazie|rifiutato|rifiutata|rifiuto|respinto|respinta|non approvo|non approvato|
    non autorizzo|non sono d'accordo|non farlo|annulla|annullare|ferma|fermati|mai|
    assolutamente no
    """,
    """
    nee bedankt|nee dank je|afgewezen|afgekeurd|geweigerd|niet akkoord|niet goedgekeurd|
    niet doen|liever niet|annuleer|annuleren|nooit|nej|nej tack|nej tak|nei|nei takk|avslaget|
    avslås|avvisat|avvist|afvist|ej godkänt|inte godkänt|godkänns inte|ikke godkendt|
    ikke godkjent|avbryt|afbryd|aldrig|aldri|nope tack|ei|ei kiitos|hylätty|hylkään|en hyväksy|
    ei hyväksytä|peruuta|keskeytä|ära tee|tagasi lükatud|nē|noraidīts|nepiekrītu|nepritariu|
    atmesta|nesutinku|nem|elutasítva|elutasítom|nem fogadom el|nem hagyom jóvá|nem értek egyet|
    mégse|soha
    """,
    """
    nie|nie dziękuję|odrzucam|odrzucone|nie zgadzam się|nie zatwierdzam|nie akceptuję|anuluj|
    odmowa|nigdy|ne děkuji|zamítám|zamítnuto|nesouhlasím|neschvaluji|neschváleno|zrušit|zruš|
    nie ďakujem|zamietam|zamietnuté|nesúhlasím|neschvaľujem|nikdy|ne hvala|odbijam|odbijeno|
    ne slažem se|ne odobravam|zavrnjeno|zavračam|ne strinjam se|nu|nu mulțumesc|respins|respinsă|
    refuz|nu aprob|nu sunt de acord|anulează|jo faleminderit|refuzuar|όχι|οχι|όχι ευχαριστώ|
    απορρίπτω|απορρίπτεται|δεν εγκρίνω|δεν συμφωνώ|ακύρωση|hayır|hayir|hayır teşekkürler|
    reddedildi|reddediyorum|onaylamıyorum|kabul etmiyorum|olmaz|iptal|iptal et|dur|yapma|asla|
    xeyr|yox
    """,
    """
    нет|нет спасибо|не надо|ненадо|не нужно|отклоняю|отклонено|отклонить|не согласен|не согласна|
    не одобряю|не одобрено|запрещаю|запрещено|отказ|отказано|отмена|отмени|отмените|отменить|
    стоп|нельзя|ни в коем случае|никогда|не делай|не делайте|ні|ні дякую|відхиляю|відхилено|
    не згоден|не згодна|не схвалюю|скасувати|скасуй|не треба|не можна|не|не благодаря|отхвърлям|
    отхвърлено|не съм съгласен|не одобрявам|одбијам|не слажем се
    """,
    """
    لا|كلا|لا شكرا|لا شكرًا|لا شكراً|مرفوض|ارفض|أرفض|غير موافق|لست موافقا|لا اوافق|لا أوافق|
    الغاء|إلغاء|توقف|ابدا|أبدا|نه|خیر|نه ممنون|رد شد|مخالفم|موافق نیستم|لغو|لغو کن|نہیں|جی نہیں|
    לא|לא תודה|לא מאשר|לא מאשרת|לא מסכים|לא מסכימה|נדחה|דוחה|בטל|תבטל|לבטל|עצור|אסור|אל תעשה|
    बिल्कुल नहीं|नहीं|जी नहीं|ना|अस्वीकृत|रद्द|मत करो|না|இல்லை|ไม่|ไม่ใช่|ไม่อนุมัติ|ไม่ได้|
    ไม่ตกลง|ไม่เห็นด้วย|ปฏิเสธ|ยกเลิก|không|không đồng ý|không duyệt|từ chối|hủy|đừng|tidak|
    tidak setuju|ditolak|tolak|saya menolak|jangan|batal|batalkan|enggak|hindi|huwag|hapana|არა|
    ոչ
    """,
    """
    -1|👎|❌|✖|❎|🚫|⛔|🛑|🙅|:-1:|:thumbsdown:|:x:|:no_entry:|:no_entry_sign:|:octagonal_sign:|
    :no_good:|:negative_squared_cross_mark:|:heavy_multiplication_x:|:no:
    """,
)

EAST_NO = phrases(
    """
    不|否|不同意|我不同意|不行|不可以|不可|不批准|不予批准|不要|不用|不必|不用了|不通过|不允许|
    不是|不好|拒绝|拒絕|我拒绝|驳回|反对|反對|我反对|取消|停|停止|别|別|别做|不可行|没门|禁止|
    不准|不许
    """,
    """
    いいえ|いや|いえ|だめ|ダメ|駄目|だめです|ダメです|却下|却下します|拒否|拒否します|
    承認しません|承認できません|許可しません|反対|反対です|やめて|やめてください|やめて下さい|
    中止|中止してください|キャンセル|キャンセルしてください|ノー|不可です|同意しません|
    同意できません
    """,
    """
    아니|아니요|아니오|아뇨|안돼|안 돼|안돼요|안 돼요|안됩니다|안 됩니다|거절|거절합니다|거부|
    거부합니다|반려|반려합니다|반대|반대합니다|승인하지 않습니다|승인 불가|불가|불가합니다|취소|
    취소해주세요|취소해 주세요|중지|하지마|하지 마|하지 마세요|하지마세요|동의하지 않습니다|ㄴㄴ
    """,
)
