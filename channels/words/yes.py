"""Phrases of a yes, by language. Pure data.

Each is a yes however it is combined with others and with politeness. Not here is what can also
mean the opposite (いいです, 괜찮습니다), or only says that something was heard ("noted", 收到).
"""

from __future__ import annotations

from ponderd.channels.words.base import phrases

YES = phrases(
    # English
    """
    yes|y|ye|yep|yup|yeah|yea|ya|yes yes|aye|ok|okay|okey|okeydokey|okie dokie|oki|
    sure|sure thing|for sure|of course|certainly|definitely|absolutely|affirmative|by all means|
    yes i do|yes i can confirm|yes you can|yes you may|yes it is|yes indeed|indeed|ok then|
    okay then|alright|all right|good to go|all clear|clear to go|go|
    go go go|go ahead|please go ahead|you can go ahead|you may go ahead|feel free|
    feel free to go ahead|feel free to proceed|go for it|do it|just do it|do so|please do|
    please do it|please do so|do that|proceed|please proceed|you may proceed|you can proceed|
    you may|you can|continue|please continue|run it|ship it|deploy|deploy it|execute|
    execute it|make it so|let's go|lets go|let's do it|lets do it|let's do this|go ahead with it|
    go ahead with this|go ahead with that|go ahead and do it|go ahead and deploy|
    go ahead and run it|please deploy it|please run it|please execute it
    """,
    """
    approve|approved|approving|i approve|i approve it|i approve this|i approve that|i do approve|
    i hereby approve|hereby approved|i approve this request|i approve the request|
    i approve the deployment|i approve this deployment|i approve this change|
    i approve the change|i approve this action|i approve this call|i have approved|
    i have approved it|it's approved|it is approved|this is approved|that's approved|
    request approved|deployment approved|change approved|approval granted|approval given|
    you have my approval|my approval|you've got my approval|you have my ok|you have my okay|
    you have my go|you have my blessing|consider it approved|happy to approve|confirm|confirmed|
    i confirm|i can confirm|i confirm it|i confirm this|accept|accepted|i accept|agree|agreed|
    i agree|i agree with it|i agree with this|i agree with that|i consent|authorize|authorise|
    authorized|authorised|i authorize|i authorise|i authorize this|i authorise this|granted|
    permission granted|permitted|allowed|allow|i allow it|i allow this|endorsed|signed off|
    green light|you have the green light|green light from me|go from my side|go from me|
    thumbs up|thumbs up from me
    """,
    """
    lgtm|sgtm|wfm|looks good|looks good to me|looks great|looks great to me|looks fine|
    looks fine to me|looks ok|looks ok to me|looks okay to me|look good to me|it looks good|
    it looks good to me|this looks good|this looks good to me|that looks good|
    that looks good to me|sounds good|sounds good to me|sounds great|sounds fine|
    that sounds good|works for me|that works|that works for me|this works for me|fine|fine by me|
    fine with me|fine for me|it's fine|that's fine|that is fine|this is fine|that's fine by me|
    that's fine with me|this is fine by me|this is fine with me|i'm fine with it|
    i'm fine with that|i'm fine with this|i am fine with it|i am fine with that|
    i am fine with this|ok by me|ok with me|ok for me|ok from my side|ok from me|okay by me|
    okay with me|okay for me|okay from my side|that's ok|that's okay|that is ok|that is okay|
    it's ok|it's okay|this is ok|this is okay|that's ok with me|that's okay with me|
    i'm ok with that|i'm ok with it|i'm ok with this|i am ok with that|i am ok with it|
    i am ok with this|good for me|good with me|good by me|no problem|no problem at all|
    no problems|no objection|no objections|no objections from me|no objection from me|
    no objections from my side|no concerns|no concerns from me|no issues|no issue|approved by me|
    approved from my side|approved from my end|yes from me|yes from my side|it's a yes|
    it's a yes from me|that's a yes|that's a yes from me|a yes from me|my answer is yes|
    the answer is yes|i say yes|i said yes|very much so|you bet|why of course|yes of course|
    with pleasure
    """,
    # German, also as Swiss and Austrians write it
    """
    ja|jep|jepp|jup|jawohl|jawoll|jaja klar|ja doch|ja klar|klar|na klar|aber klar|klaro|
    natürlich|selbstverständlich|sicher|gewiss|gern|gerne|sehr gern|sehr gerne|ja gern|ja gerne|
    aber gern|aber gerne|genehmigt|ist genehmigt|hiermit genehmigt|ich genehmige|
    ich genehmige das|ich genehmige es|genehmige ich|genehmige|freigegeben|ist freigegeben|
    hiermit freigegeben|freigabe|freigabe erteilt|freigabe ist erteilt|freigabe hiermit erteilt|
    ich gebe frei|ich gebe es frei|ich gebe das frei|gebe ich frei|zugestimmt|zustimmung|
    ich stimme zu|stimme zu|stimme ich zu|dem stimme ich zu|meine zustimmung|einverstanden|
    bin einverstanden|ich bin einverstanden|damit einverstanden|ich bin damit einverstanden|
    erlaubt|ist erlaubt|bestätigt|ich bestätige|bestätige|hiermit bestätigt|bewilligt|gebilligt|
    abgesegnet|passt|das passt|passt so|passt für mich|das passt für mich|passt mir|in ordnung|
    geht in ordnung|ist in ordnung|das ist in ordnung|für mich in ordnung|geht klar|
    das geht klar|ist ok|das ist ok|ist okay|das ist okay|ok für mich|okay für mich|für mich ok|
    für mich okay|von mir ok|ja von mir|ok von mir|ok von meiner seite|von meiner seite ok|
    ist gut|gut so|sieht gut aus|das sieht gut aus|klingt gut|das klingt gut|kein problem|
    keine einwände|keine einwände von mir|keine bedenken|nichts dagegen|ich habe nichts dagegen|
    mach|mach das|mach es|mach's|machs|mach mal|mach weiter|machen sie|machen sie das|
    bitte machen|bitte mach das|bitte mach es|bitte machen sie das|bitte machen sie weiter|
    weitermachen|bitte weiter|nur zu|los|los geht's|los gehts|leg los|legen sie los|
    kannst du machen|das kannst du machen|können sie machen|darfst du|du darfst|sie dürfen|
    bitte ausführen|ausführen|bitte ausrollen|ausrollen|bitte deployen|bitte durchführen|
    bitte umsetzen|bitte fortfahren|fortfahren|fahre fort|fahren sie fort|ich sage ja|ein ja|
    ein klares ja|meinen segen hast du
    """,
    # French
    """
    oui|ouais|ouaip|mais oui|oui oui|bien sûr|oui bien sûr|bien entendu|évidemment|certainement|
    absolument|tout à fait|volontiers|avec plaisir|d'accord|dac|d'acc|je suis d'accord|
    c'est d'accord|d'accord pour moi|ok pour moi|bon pour moi|ça marche|ça marche pour moi|
    ça me va|cela me va|ça me convient|cela me convient|c'est bon|c'est bon pour moi|c'est ok|
    c'est ok pour moi|tout est bon|bon pour accord|accord|accordé|accord donné|
    vous avez mon accord|tu as mon accord|validé|validée|je valide|validation|je confirme|
    confirmé|confirmée|approuvé|approuvée|j'approuve|autorisé|autorisée|j'autorise|accepté|
    acceptée|j'accepte|permis|feu vert|vous avez mon feu vert|tu as mon feu vert|allez-y|allez y|
    vas-y|vas y|go pour moi|on y va|vous pouvez|tu peux|vous pouvez y aller|tu peux y aller|
    vous pouvez procéder|vous pouvez continuer|procédez|procède|continuez|continue|faites|
    faites-le|faites le|fais-le|fais le|aucun problème|pas de problème|pas de souci|aucun souci|
    aucune objection|pas d'objection|sans problème
    """,
    # Spanish, Catalan
    """
    sí|si|sí sí|sip|claro|claro que sí|claro que si|por supuesto|desde luego|vale|vale sí|
    de acuerdo|estoy de acuerdo|conforme|estoy conforme|está bien|esta bien|me parece bien|
    por mí bien|por mi bien|por mí vale|por mí ok|adelante|dale|venga|hazlo|hágalo|házlo|puedes|
    puede hacerlo|puedes hacerlo|procede|proceda|procedan|puede proceder|puedes proceder|
    continúa|continúe|sigue|siga|aprobado|aprobada|apruebo|lo apruebo|yo apruebo|queda aprobado|
    confirmado|confirmada|confirmo|lo confirmo|autorizado|autorizada|autorizo|lo autorizo|
    aceptado|aceptada|acepto|permitido|sin problema|sin problemas|ningún problema|
    no hay problema|sin objeciones|luz verde|tiene mi aprobación|tienes mi aprobación|d'acord|
    endavant|aprovat|entesos
    """,
    # Portuguese
    """
    sim|sim sim|claro que sim|com certeza|certo|pode|pode sim|podes|pode fazer|podes fazer|
    pode ir|pode prosseguir|podes prosseguir|pode continuar|pode seguir|pode executar|prossiga|
    prossegue|prosseguir|avance|avança|avançar|em frente|siga em frente|vá em frente|
    vai em frente|manda ver|está bem|tá bem|tá bom|está bom|por mim tudo bem|por mim ok|aprovado|
    aprovada|aprovo|eu aprovo|de acordo|estou de acordo|concordo|combinado|fechado|beleza|
    autorizado|autorizada|autorizo|confirmo|confirmado|confirmada|aceito|aceite|permitido|
    sem problema|sem problemas|não há problema|sem objeções
    """,
    # Italian
    """
    sì|sì sì|certo|certo che sì|certamente|sicuro|sicuramente|ovviamente|naturalmente|va bene|
    va bene per me|per me va bene|ok per me|per me ok|va benissimo|d'accordo|sono d'accordo|
    approvato|approvata|approvo|lo approvo|confermo|confermato|confermata|autorizzato|
    autorizzata|autorizzo|accetto|accettato|procedi|procedi pure|proceda|proceda pure|procedete|
    procedete pure|potete procedere|puoi procedere|può procedere|procedere|vai|vai pure|
    vada pure|fallo|fai pure|faccia pure|fate pure|avanti|continua|volentieri|nessun problema|
    nessuna obiezione|via libera
    """,
    # Dutch, Afrikaans
    """
    ja hoor|jawel|jazeker|zeker|zeker weten|natuurlijk|uiteraard|akkoord|ga akkoord|
    ik ga akkoord|ik ben akkoord|akkoord wat mij betreft|prima|is prima|prima wat mij betreft|
    goed|is goed|dat is goed|het is goed|oké|oke|okee|mee eens|ik ben het ermee eens|goedgekeurd|
    ik keur het goed|ik keur dit goed|keur ik goed|bevestigd|ik bevestig|toegestaan|ga je gang|
    ga uw gang|ga maar|ga door|ga maar door|ga verder|doe maar|doe het maar|doe het|graag|
    ja graag|mag|dat mag|het mag|geen probleem|geen bezwaar|lijkt me goed|goed bezig ga door|
    goedgekeur
    """,
    # Swedish, Danish, Norwegian, Icelandic
    """
    japp|jajamän|jajamensan|javisst|ja visst|visst|absolut|självklart|naturligtvis|okej|godkänt|
    godkänd|godkänns|godkänner|jag godkänner|jag godkänner det|kör|kör på|kör igång|kör bara|
    gör det|fortsätt|det är ok|det är okej|det är bra|det går bra|går bra|låter bra|ser bra ut|
    inga problem|inga invändningar|klartecken|bekräftat|bekräftar|jag bekräftar|överens|jodå|
    ja tak|ja takk|ja tack|jatak|godkendt|jeg godkender|godkender|jeg godkender det|godkjent|
    jeg godkjenner|godkjenner|i orden|det er i orden|det er fint|det er ok|det er okay|
    helt i orden|fint|fint med mig|fint for meg|kør|kør bare|kør på|bare kør|kjør|kjør på|
    bare kjør|selvfølgelig|klart|naturligvis|gør det|gjør det|bekræftet|bekreftet|bekræfter|
    bekrefter|enig|jeg er enig|ingen problem|intet problem|ingen indvendinger|ingen innvendinger|
    fortsæt|fortsett|værsgo|jú|já|samþykkt|allt í lagi
    """,
    # Finnish, Estonian, Latvian, Lithuanian, Hungarian
    """
    kyllä|joo|juu|juuri niin|sopii|sopii minulle|selvä juttu|hyväksyn|hyväksytty|hyväksytään|
    totta kai|toki|tottakai|ole hyvä ja jatka|jatka|anna mennä|vahvistan|vahvistettu|se sopii|
    okei|jah|nõus|olen nõus|kinnitan|heaks kiidetud|kiidan heaks|jätka|muidugi|sobib|jā|
    apstiprinu|apstiprināts|piekrītu|labi|protams|taip|pritariu|patvirtinu|patvirtinta|sutinku|
    gerai|žinoma|igen|jóváhagyom|jóváhagyva|elfogadom|elfogadva|rendben|rendben van|egyetértek|
    mehet|természetesen|persze|engedélyezem|engedélyezve|csináld|folytasd|oké mehet
    """,
    # Polish, Czech, Slovak, Slovenian, Croatian, Bosnian, Serbian
    """
    tak|tak tak|zgoda|zgadzam się|zatwierdzam|zatwierdzone|zatwierdzono|zatwierdzony|akceptuję|
    zaakceptowane|akceptuje|potwierdzam|potwierdzone|oczywiście|jasne|dobrze|dobra|
    w porządku|wszystko w porządku|pozwalam|działaj|proszę działać|proszę kontynuować|kontynuuj|
    możesz|może pan|może pani|proszę bardzo|śmiało|nie ma problemu|bez zastrzeżeń|
    nie mam zastrzeżeń|ano|jo jasně|jasně|jistě|samozřejmě|souhlasím|schvaluji|schváleno|
    schvaluju|potvrzuji|potvrzeno|v pořádku|dobře|pokračujte|pokračuj|povoluji|povoleno|
    není problém|bez problému|áno|súhlasím|schvaľujem|schválené|potvrdzujem|potvrdené|iste|
    samozrejme|v poriadku|dobre|pokračujte prosím|povoľujem|žiadny problém|da|da da|odobravam|
    odobreno|slažem se|suglasan sam|suglasna sam|u redu|može|naravno|potvrđujem|potvrđeno|
    samo naprijed|nema problema|v redu|strinjam se|odobrim|odobrena|potrjujem|potrjeno|seveda|
    dovoljujem|saglasan sam|saglasna sam|slobodno
    """,
    # Romanian, Albanian, Greek, Turkish, Azerbaijani
    """
    de acord|sunt de acord|aprob|aprobat|aprobată|confirm|confirmat|sigur|desigur|bineînțeles|
    în regulă|e în regulă|bine|e bine|poți continua|puteți continua|continuă|continuați|
    dă-i drumul|nicio problemă|dakord|miratuar|miratoj|e miratoj|në rregull|pajtohem|ναι|ναί|
    βεβαίως|φυσικά|σύμφωνοι|συμφωνώ|εγκρίνω|το εγκρίνω|εγκρίνεται|εγκρίθηκε|εντάξει|οκ|οκέι|
    προχώρα|προχωρήστε|επιβεβαιώνω|κανένα πρόβλημα|έγινε|evet|evet evet|tabii|tabii ki|tabi|
    elbette|olur|tamam|tamamdır|peki|onaylıyorum|onayliyorum|onaylandı|onaylandi|onay|onaylı|
    onay verildi|onay veriyorum|kabul|kabul ediyorum|kabul edildi|uygundur|uygun|bence uygun|
    devam|devam et|devam edin|devam edebilirsin|devam edebilirsiniz|yap|yapabilirsin|
    yapabilirsiniz|sorun yok|problem yok|bəli|hə|təsdiq edirəm|razıyam|oldu
    """,
    # Russian, Ukrainian, Belarusian, Bulgarian, Serbian in Cyrillic
    """
    да|да да|ага|угу|одобряю|одобрено|одобрен|одобрена|согласен|согласна|согласны|согласовано|
    согласую|подтверждаю|подтверждено|утверждаю|утверждено|утвердил|разрешаю|разрешено|разрешил|
    хорошо|ладно|конечно|разумеется|безусловно|можно|можете|можешь|давай|давайте|делай|делайте|
    вперёд|вперед|ок|окей|окэй|запускай|запускайте|приступай|приступайте|выполняй|выполняйте|
    продолжай|продолжайте|действуй|действуйте|принимаю|добро|даю добро|всё хорошо|
    все хорошо|всё в порядке|все в порядке|всё ок|все ок|без проблем|нет проблем|не возражаю|
    нет возражений|возражений нет|не против|я не против|я за|за|я согласен|я согласна|да конечно|
    плюс|так|так так|схвалюю|схвалено|погоджую|погоджено|погоджуюсь|погоджуюся|згоден|згодна|
    підтверджую|підтверджено|дозволяю|дозволено|добре|гаразд|звичайно|звісно|можна|
    можете виконувати|продовжуй|продовжуйте|не заперечую|так звичайно|одобрявам|съгласен съм|
    съгласна съм|съгласен|съгласна|потвърждавам|разрешавам|разбира се|продължавай|продължете|
    няма проблем|одобравам|слажем се|у реду|наравно|потврђујем|згодны
    """,
    # Arabic, Persian, Urdu, Hebrew
    """
    نعم|اجل|أجل|ايوه|أيوه|ايوا|أيوا|موافق|موافقة|موافقون|انا موافق|أنا موافق|اوافق|أوافق|
    اوافق عليه|أوافق على ذلك|تمام|تمت الموافقة|تمت الموافقه|معتمد|اعتمد|أعتمد|حسنا|حسنًا|حسناً|
    طيب|بالتأكيد|بالتاكيد|طبعا|طبعًا|طبعاً|اكيد|أكيد|تفضل|تفضلوا|نفذ|نفّذ|استمر|تابع|لا مانع|
    لا مشكلة|لا بأس|مسموح|أؤكد|مؤكد|اوكي|أوكي|بله|بلی|آره|اره|باشه|موافقم|تایید|تأیید|
    تایید می کنم|تایید میکنم|تأیید میکنم|تأیید می کنم|تایید شد|تأیید شد|قبول|قبوله|حتما|حتماً|
    البته|مشکلی نیست|ادامه بده|ادامه دهید|انجام بده|انجام دهید|مجاز|اوکی|اوکیه|جی|جی ہاں|ہاں|
    ٹھیک ہے|منظور|منظور ہے|כן|כן כן|בטח|בוודאי|ודאי|כמובן|מאשר|מאשרת|מאושר|מאושרת|אני מאשר|
    אני מאשרת|אישור|אישרתי|אוקיי|אוקי|או קיי|בסדר|בסדר גמור|מסכים|מסכימה|אני מסכים|אני מסכימה|
    סבבה|קדימה|תמשיך|תמשיכי|המשך|אין בעיה|אין התנגדות|מקובל|מקובל עליי|מותר|תבצע|תבצעי|יאללה
    """,
    # Hindi, Bengali, Tamil, Thai, Vietnamese, Indonesian, Malay, Filipino, Swahili
    """
    हाँ|हां|जी|जी हाँ|जी हां|हाँ जी|हां जी|ठीक|ठीक है|स्वीकृत|स्वीकृत है|मंज़ूर|मंजूर|मंज़ूर है|
    मंजूर है|सहमत|मैं सहमत हूँ|मैं सहमत हूं|अनुमोदित|बिल्कुल|ज़रूर|जरूर|आगे बढ़ें|आगे बढ़ो|कर दो|
    कर दीजिए|कोई समस्या नहीं|ओके|haan|haan ji|ji haan|theek hai|thik hai|হ্যাঁ|হ্যা|ঠিক আছে|
    অনুমোদিত|অনুমোদন করছি|আমি রাজি|ஆம்|ஆமாம்|சரி|ஒப்புதல்|ใช่|ตกลง|อนุมัติ|อนุมัติแล้ว|ได้|
    ได้เลย|โอเค|เห็นด้วย|ดำเนินการได้|ดำเนินการได้เลย|ยืนยัน|ไม่มีปัญหา|ทำเลย|เอาเลย|vâng|dạ|
    dạ vâng|đồng ý|tôi đồng ý|được|được rồi|duyệt|đã duyệt|phê duyệt|tôi phê duyệt|đã phê duyệt|
    chấp thuận|chấp nhận|xác nhận|tiến hành|hãy tiến hành|tiếp tục|tất nhiên|không vấn đề|
    không vấn đề gì|ok nhé|có|ya|iya|ya ya|setuju|saya setuju|disetujui|saya menyetujui|boleh|
    silakan|silahkan|lanjut|lanjutkan|silakan lanjut|silakan lanjutkan|baik|oke|tentu|tentu saja|
    konfirmasi|dikonfirmasi|tidak masalah|diizinkan|diluluskan|luluskan|sila teruskan|teruskan|
    oo|opo|sige|sige po|aprubado|ndiyo|sawa|nakubali|imeidhinishwa
    """,
    # Georgian, Armenian
    """
    კი|დიახ|ვეთანხმები|თანახმა ვარ|այո|համաձայն եմ|հաստատում եմ
    """,
    # Signs
    """
    +1|👍|👌|✅|✔|☑|🆗|💯|🙆|🟢|✓|:+1:|:thumbsup:|:thumbsup_all:|:white_check_mark:|
    :heavy_check_mark:|:ballot_box_with_check:|:ok_hand:|:ok:|:100:|:check:|:approved:|:yes:|
    :green_check:|:lgtm:|:shipit:|+1 from me|+1 von mir|👍 from me
    """,
)

# Chinese, Japanese and Korean put words together without a space.
EAST_YES = phrases(
    """
    同意|我同意|同意的|同意了|完全同意|我完全同意|同意执行|同意部署|同意发布|好|好的|好的好的|
    好滴|好嘞|好啊|好呀|好哒|好哦|好吧|可以|可以的|可以啊|当然可以|當然可以|可以执行|可以部署|
    可以发布|可以继续|可以上线|可以開始|可以开始|可|行|行的|行啊|批准|我批准|已批准|批准了|准|
    准了|准许|是|是的|是啊|对的|對的|没问题|沒問題|没有问题|沒有問題|我没问题|没意见|沒意見|
    我没意见|没有意见|无异议|無異議|没有异议|确认|確認|我确认|已确认|确认执行|确认部署|核准|
    予以批准|通过|通過|审批通过|审核通过|允许|允許|许可|許可|赞成|贊成|赞同|认可|認可|授权|授權|
    已授权|请执行|請執行|请部署|请继续|請繼續|继续|繼續|继续吧|请开始|开始吧|執行吧|执行吧|
    去做吧|做吧|去吧|来吧|部署吧|上吧|当然|當然|必须的|妥了|嗯好的|嗯可以|没毛病|ok的|ok啊|ok了|
    ok吧|ok好的|yes同意|同意ok
    """,
    """
    はい|ハイ|はいどうぞ|ええ|うん|そうです|承認|承認します|承認しました|承認いたします|
    承認致します|承認する|承認済み|承認です|許可|許可します|許可する|許可しました|許可いたします|
    同意します|同意いたします|賛成|賛成です|いいですよ|
    いいよ|いいね|よろしい|どうぞ|どうぞお願いします|進めてください|
    進めて下さい|進めて|進めてよい|進めていいです|進めていいですよ|実行してください|
    実行して下さい|実行して|やってください|お願いします進めてください|問題ありません|
    問題ないです|問題なし|問題ございません|異議なし|異議ありません|もちろん|もちろんです|
    オッケー|オーケー|おk|okです|ok|okですよ|オッケーです|オーケーです|ゴー|goです|賛同します
    """,
    """
    예|네|넵|넹|네네|옙|응|그래|그래요|그럼요|물론|물론이죠|물론입니다|승인|승인함|승인합니다|
    승인해요|승인할게요|승인하겠습니다|승인했습니다|승인됨|승인드립니다|동의|동의합니다|동의해요|
    동의함|허가합니다|허락합니다|허용합니다|좋아|좋아요|좋습니다|좋네요|오케이|오케|ㅇㅋ|ㅇㅇ|
    ㄱㄱ|진행|진행해|진행해주세요|진행해 주세요|진행하세요|진행하십시오|진행해도 됩니다|
    진행해도 돼요|진행 부탁드립니다|진행 부탁 드립니다|실행해주세요|실행해 주세요|실행하세요|
    하세요|해주세요|해 주세요|문제없습니다|문제 없습니다|문제없어요|문제 없어요|
    확인했습니다 진행해주세요|확인했습니다 진행해 주세요|괜찮아요 진행하세요|이의 없습니다|
    이의없습니다|찬성|찬성합니다|됩니다|돼요
    """,
)

# They look like a yes and are none.
IDIOMS = phrases(
    "да ладно|ja ja|jaja|na ja|ja nun|yeah yeah|yeah right|yeah no|sure sure|joo joo|jo jo",
    "ouais ouais|はいはい",
)
