"""Greetings and closings, by language. Pure data."""

from __future__ import annotations

from ponderd.channels.words.base import pattern, phrases

GREETINGS = phrases(
    """
    hi|hello|hey|hiya|hallo|dear|greetings|good morning|good afternoon|good evening|good day|
    morning|hi there|hello there|hey there|howdy|to whom it may concern|guten tag|guten morgen|
    guten abend|grüß gott|grüezi|servus|moin|moin moin|liebe|lieber|liebes|sehr geehrte|
    sehr geehrter|sehr geehrtes|sehr geehrte damen und herren|hallöchen|tach|bonjour|bonsoir|
    salut|coucou|cher|chère|chers|chères|madame|monsieur|madame monsieur|hola|buenos días|
    buenas tardes|buenas noches|buenas|buen día|querido|querida|estimado|estimada|estimados|
    estimadas|estimado señor|estimada señora|olá|ola|oi|bom dia|boa tarde|boa noite|caro|cara|
    caros|prezado|prezada|prezados|ciao|salve|buongiorno|buonasera|buon giorno|gentile|gentili|
    egregio|cari|care|carissimi|spettabile|bon dia|beste|geachte|goedemorgen|goedemiddag|
    goedenavond|goedendag|dag|hoi|hej|hejsan|hallå|tjena|god morgon|god morgen|god dag|god kväll|
    god aften|god ettermiddag|kära|bästa|kære|kjære|hei|heisann|moi|terve|hyvää päivää|
    hyvää huomenta|huomenta|hyvä|tere|tere päevast|labdien|sveiki|laba diena|labas|halló|
    góðan daginn|cześć|witam|witaj|dzień dobry|dobry wieczór|szanowni państwo|szanowny panie|
    szanowna pani|drogi|droga|ahoj|dobrý den|dobré ráno|vážený|vážená|vážení|milý|milá|dobrý deň|
    bok|dobar dan|zdravo|pozdrav|poštovani|poštovana|dragi|draga|živjo|živijo|spoštovani|bună|
    buna|bună ziua|bună dimineața|salutare|stimate|stimată|dragă|szia|sziasztok|üdv|helló|
    jó napot|jó reggelt|kedves|tisztelt|përshëndetje|γεια|γεια σας|γεια σου|καλημέρα|καλησπέρα|
    αγαπητέ|αγαπητή|αγαπητοί|merhaba|merhabalar|selam|günaydın|iyi akşamlar|sayın|değerli|salam|
    привет|здравствуйте|здравствуй|добрый день|доброе утро|добрый вечер|приветствую|уважаемый|
    уважаемая|уважаемые|дорогой|дорогая|всем привет|коллеги|привіт|вітаю|добрий день|доброго дня|
    доброго ранку|шановний|шановна|шановні|здравей|здравейте|добър ден|здраво|добар дан|
    поштовани|مرحبا|مرحبًا|مرحباً|أهلا|أهلاً|اهلا|السلام عليكم|السلام عليكم ورحمة الله وبركاته|
    صباح الخير|مساء الخير|عزيزي|عزيزتي|الأخ|تحية طيبة|تحية طيبة وبعد|سلام|درود|با سلام|
    سلام علیکم|وعلیکم السلام|שלום|היי|הי|בוקר טוב|ערב טוב|צהריים טובים|שלום רב|שלום לכולם|नमस्ते|
    नमस्कार|प्रिय|सुप्रभात|हैलो|namaste|নমস্কার|வணக்கம்|สวัสดี|สวัสดีครับ|สวัสดีค่ะ|เรียน|
    xin chào|chào|chào bạn|chào anh|chào chị|kính gửi|thân gửi|halo|hai|selamat pagi|
    selamat siang|selamat sore|selamat malam|kepada|yth|kamusta|magandang umaga|habari|jambo|
    გამარჯობა|բարև
    """,
)

GREETED = phrases(
    """
    all|everyone|everybody|team|folks|guys|friends|colleagues|there|assistant|agent|bot|ponderd|
    support|sir|madam|sirs|sir or madam|again|both|zusammen|alle|miteinander|in die runde|
    assistent|kollegen|liebe kollegen|leute|damen|herren|damen und herren|à tous|
    à toutes et à tous|tous|tout le monde|l'équipe|équipe|collègues|a todos|todos|equipo|equipe|
    a tutti|tutti|pessoal|allemaal|allen|alla|alle sammen|kaikki|wszystkim|państwu|všem|všichni|
    svima|tuturor|mindenkinek|σε όλους|herkese|ekip|всем|коллеги|команда|усім|всички|للجميع|
    الجميع|לכולם|सभी|semua|tim|mọi người|anh chị|bạn|assistente|asistente|tekoäly|ассистент|бот|
    mr|mrs|ms|herr|frau
    """,
)

EAST_GREETING = pattern(
    r"""
    你们?好|您好|大家好|早上好|下午好|晚上好|早安|午安|嗨|哈[喽啰]|亲爱的[^\s,]{0,8}|
    尊敬的[^\s,]{0,10}|各位[^\s,]{0,6}|[^\s,]{1,8}(?:你好|您好)|
    [^\s,]{1,12}(?:様|さま|さん|御中|各位|님|귀하)|こんにちは|こんばんは|おはようございます|
    おはよう|お疲れ様です|お疲れさまです|お世話になっております|お世話になります|
    いつもお世話になっております|拝啓|안녕하세요|안녕하십니까|안녕|수고하십니다|여러분
    """
)

CLOSINGS = phrases(
    """
    best regards|kind regards|warm regards|kindest regards|warmest regards|regards|best|
    all the best|best wishes|with best regards|with kind regards|many regards|my best|sincerely|
    yours sincerely|yours faithfully|yours truly|sincerely yours|respectfully|cordially|cheers|
    take care|thanks|thanks and regards|thanks & regards|thanks and best regards|
    thank you and best regards|thank you and kind regards|thank you|many thanks|thanks again|
    with thanks|with many thanks|thx|br|b.r|kr|k.r|rgds|brgds|bw|warmly|love|xoxo|yours|ttyl|
    with appreciation|with gratitude|kind wishes|good luck|talk soon|speak soon|see you|
    greetings|have a nice day|have a great day
    """,
    """
    mit freundlichen grüßen|mit freundlichem gruß|mit freundlichen gruessen|freundliche grüße|
    freundlicher gruß|freundliche gruesse|viele grüße|viele gruesse|vielen gruß|
    viele liebe grüße|beste grüße|beste gruesse|besten gruß|herzliche grüße|herzliche gruesse|
    herzlichen gruß|herzlichst|liebe grüße|liebe gruesse|lieben gruß|schöne grüße|schönen gruß|
    grüße|grüsse|gruesse|gruß|gruss|sonnige grüße|hochachtungsvoll|mfg|vg|lg|bg|hg|vlg|danke|
    vielen dank|danke und gruß|danke und grüße|danke und viele grüße|danke & gruß|
    vielen dank und viele grüße|vielen dank und beste grüße|danke im voraus|besten dank|
    herzlichen dank|tschüss|ciao|bis dann|mit bestem gruß|mit besten grüßen|mit besten gruessen|
    mit lieben grüßen|mit herzlichen grüßen|schönen tag|einen schönen tag noch
    """,
    """
    cordialement|bien cordialement|très cordialement|cdt|cdlt|bien à vous|bien à toi|salutations|
    meilleures salutations|salutations distinguées|sincères salutations|sincèrement|amicalement|
    bises|bisous|à bientôt|bonne journée|bonne soirée|bonne fin de journée|merci|merci beaucoup|
    merci d'avance|merci et bonne journée|respectueusement|avec mes meilleures salutations|
    je vous prie d'agréer mes salutations distinguées
    """,
    """
    saludos|un saludo|saludos cordiales|cordiales saludos|cordialmente|atentamente|atte|
    muy atentamente|un abrazo|abrazos|un cordial saludo|reciba un cordial saludo|gracias|
    muchas gracias|gracias y saludos|salutacions|atenciosamente|att|cumprimentos|
    melhores cumprimentos|com os melhores cumprimentos|abraço|abraços|um abraço|obrigado|
    obrigada|muito obrigado|muito obrigada|grato|grata|cordiais saudações|cordiali saluti|
    distinti saluti|saluti|un saluto|un cordiale saluto|tanti saluti|a presto|grazie|
    grazie mille|grazie e saluti|cordialità|buona giornata
    """,
    """
    met vriendelijke groet|met vriendelijke groeten|vriendelijke groet|vriendelijke groeten|mvg|
    hartelijke groet|hartelijke groeten|groet|groeten|groetjes|met hartelijke groet|bedankt|
    dank je wel|dank u wel|alvast bedankt|hoogachtend|vänliga hälsningar|med vänlig hälsning|
    med vänliga hälsningar|vänligen|bästa hälsningar|hälsningar|hälsning|hej då|mvh|tack|
    tack på förhand|tack så mycket|med venlig hilsen|venlig hilsen|venlige hilsner|
    bedste hilsner|de bedste hilsner|kærlig hilsen|hilsen|mange hilsner|mange tak|på forhånd tak|
    tusind tak|vh|kh|dbh|med vennlig hilsen|vennlig hilsen|vennlige hilsener|beste hilsen|
    hilsner|takk|på forhånd takk|tusen takk|ha det|ystävällisin terveisin|parhain terveisin|
    terveisin|terveiset|yt|t|kiitos|kiitoksia|kunnioittavasti|lugupidamisega|parimate soovidega|
    tervitades|ar cieņu|ar sveicieniem|pagarbiai|linkėjimai|su pagarba|kveðja|bestu kveðjur|
    kær kveðja|með kveðju
    """,
    """
    pozdrawiam|pozdrawiam serdecznie|serdecznie pozdrawiam|z poważaniem|z wyrazami szacunku|
    pozdrowienia|dziękuję|dzięki|z góry dziękuję|pozdr|s pozdravem|s úctou|
    s přátelským pozdravem|zdravím|děkuji|díky|s pozdravom|s pozdravem a přáním hezkého dne|
    ďakujem|srdačan pozdrav|lijep pozdrav|lep pozdrav|lp|pozdrav|s poštovanjem|s štovanjem|
    sa poštovanjem|hvala|hvala i pozdrav|lepo pozdravljeni|s spoštovanjem|cu stimă|cu respect|
    toate cele bune|salutări|mulțumesc|üdvözlettel|tisztelettel|üdv|köszönettel|köszönöm|
    szép napot|minden jót|με εκτίμηση|φιλικά|ευχαριστώ|me respekt|me nderime|saygılarımla|
    saygılarımızla|sevgiler|selamlar|iyi çalışmalar|iyi günler|teşekkürler|teşekkür ederim|
    hörmətlə
    """,
    """
    с уважением|с наилучшими пожеланиями|всего доброго|всего хорошего|спасибо|благодарю|
    с приветом|искренне ваш|з повагою|щиро|з найкращими побажаннями|дякую|з павагай|с уважение|
    поздрави|благодаря|с поздрав|поздрав|срдачан поздрав|с поштовањем|со почит|مع تحياتي|
    مع أطيب التحيات|تحياتي|أطيب التحيات|مع خالص التحية|وتفضلوا بقبول فائق الاحترام|مع الشكر|شكرا|
    شكرًا|شكراً|مع التقدير|با احترام|با تشکر|ارادتمند|با سپاس|ממני|בברכה|בכבוד רב|תודה|תודה רבה|
    בתודה|כל טוב|सादर|धन्यवाद|भवदीय|शुभकामनाओं सहित|ধন্যবাদ|நன்றி|ขอแสดงความนับถือ|ด้วยความเคารพ|
    ขอบคุณ|ขอบคุณครับ|ขอบคุณค่ะ|trân trọng|thân mến|trân trọng kính chào|cảm ơn|xin cảm ơn|salam|
    hormat saya|salam hormat|terima kasih|salam hangat|wassalam|lubos na gumagalang|salamat|
    asante|პატივისცემით|հարգանքով
    """,
    """
    此致|此致敬礼|此致敬禮|敬礼|敬禮|祝好|祝您好|祝商祺|顺颂商祺|順頌商祺|顺祝商祺|順祝商祺|
    祝工作顺利|祝您工作顺利|祝你工作顺利|祝一切顺利|祝安好|谢谢|謝謝|多谢|多謝|感谢|感謝|
    谢谢大家|致敬|敬上|谨启|此致 敬礼|best 谢谢|よろしくお願いします|よろしくお願いいたします|
    よろしくお願い致します|宜しくお願いします|宜しくお願いいたします|宜しくお願い致します|以上|
    以上よろしくお願いします|以上よろしくお願いいたします|敬具|草々|ありがとうございます|
    ありがとうございました|감사합니다|고맙습니다|안녕히 계세요|안녕히계세요|드림|올림|
    감사합니다 드림|수고하세요
    """,
)
