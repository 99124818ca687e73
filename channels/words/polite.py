"""Politeness that changes no answer, by language. Pure data."""

from __future__ import annotations

from ponderd.channels.words.base import phrases

POLITE = phrases(
    """
    please|pls|plz|thanks|thx|tks|ty|thank you|many thanks|thanks a lot|thanks so much|
    thank you so much|thank you very much|thanks very much|much appreciated|appreciated|
    appreciate it|i appreciate it|thanks in advance|thank you in advance|thanks again|
    thank you again|thanks for asking|thank you for asking|thanks for checking|
    thank you for checking|thanks for the heads up|thanks for letting me know|
    thank you for letting me know|thanks for your help|thanks for the help|
    thank you for your help|thanks for your work|thanks for the update|thank you for the update|
    thanks for the info|thanks for your message|thank you for your message|thanks for your email|
    thank you for your email|thanks for reaching out|thanks for the reminder|thanks all|
    thanks everyone|thanks team|great|perfect|excellent|awesome|cool|nice|wonderful|lovely|
    brilliant|super|superb|fantastic|good|very good|great work|good work|good job|great job|
    well done|nice work|nice job|cheers|now|right away|right now|immediately|asap|straight away|
    at once|have a nice day|have a great day|have a good day|have a good one|have a nice evening|
    have a nice weekend|have a great weekend|have a good weekend|have a lovely day|
    enjoy your day|happy monday|sir|madam|hope you are well|hope you're well|i hope you are well|
    i hope you're well|hope all is well|i hope this finds you well|
    i hope this email finds you well|hope this finds you well|hope you are doing well|mate|folks|
    all|team|everyone|sorry for the delay|sorry for the late reply|apologies for the delay|
    my pleasure|you're welcome
    """,
    """
    bitte|bitte schön|bitte sehr|danke|dank|danke dir|danke ihnen|danke euch|danke schön|
    dankeschön|danke sehr|vielen dank|besten dank|herzlichen dank|tausend dank|danke vielmals|
    lieben dank|danke im voraus|vielen dank im voraus|danke für die info|danke für die nachfrage|
    danke fürs nachfragen|danke fürs fragen|danke für die nachricht|danke für die rückfrage|
    vielen dank für die nachricht|vielen dank für die info|perfekt|toll|klasse|sehr gut|sofort|
    jetzt|schönen tag|schönen tag noch|einen schönen tag|einen schönen tag noch|
    schönes wochenende|schönen abend|schönen abend noch|schönen feierabend|merci vielmal|
    wunderbar|hervorragend|ausgezeichnet|spitze|prima danke|entschuldige die späte antwort|
    entschuldigung für die späte antwort
    """,
    """
    merci|merci beaucoup|merci bien|un grand merci|mille mercis|merci d'avance|merci à vous|
    merci à toi|s'il vous plaît|s'il vous plait|s'il te plaît|s'il te plait|svp|stp|parfait|
    super|génial|très bien|excellent|bonne journée|bonne soirée|bon week-end|bon weekend|
    maintenant|tout de suite|je vous remercie|je te remercie|merci pour votre message|
    merci pour l'info|merci de votre retour|impeccable|nickel
    """,
    """
    gracias|muchas gracias|mil gracias|gracias de antemano|por favor|porfa|perfecto|genial|
    excelente|estupendo|muy bien|ahora|ya mismo|buen día|que tengas un buen día|
    que tenga un buen día|buen fin de semana|gràcies|si us plau|obrigado|obrigada|muito obrigado|
    muito obrigada|obrigado desde já|perfeito|ótimo|muito bem|agora|bom dia|boa tarde|
    bom fim de semana|tenha um bom dia|valeu|grazie|grazie mille|molte grazie|mille grazie|
    per favore|per piacere|perfetto|ottimo|eccellente|benissimo|adesso|subito|buona giornata|
    buona serata|buon lavoro|buon weekend|grazie in anticipo
    """,
    """
    dank je|dank je wel|dankjewel|dank u|dank u wel|bedankt|alvast bedankt|hartelijk dank|
    alsjeblieft|alstublieft|aub|a.u.b|perfect|mooi|top|geweldig|uitstekend|fijne dag|
    fijne dag nog|fijn weekend|tack|tack så mycket|tusen tack|tack på förhand|snälla|perfekt|
    utmärkt|bra|toppen|ha en bra dag|trevlig helg|mange tak|tusind tak|på forhånd tak|takk|
    tusen takk|mange takk|vær så snill|venligst|vennligst|flott|fantastisk|god dag|ha en god dag|
    ha en fin dag|god weekend|god helg|takk fyrir|kiitos|kiitoksia|paljon kiitoksia|
    kiitos paljon|kiitos etukäteen|hienoa|loistavaa|hyvä|hyvää päivänjatkoa|hyvää viikonloppua|
    aitäh|tänan|palun|suurepärane|paldies|lūdzu|ačiū|prašau|köszönöm|köszi|kösz|köszönöm szépen|
    előre is köszönöm|kérem|tökéletes|remek|szuper|szép napot
    """,
    """
    dziękuję|dzięki|dziękuje|bardzo dziękuję|wielkie dzięki|z góry dziękuję|proszę|świetnie|
    super|doskonale|bardzo dobrze|miłego dnia|miłego weekendu|teraz|děkuji|díky|děkuju|
    moc děkuji|předem děkuji|prosím|výborně|skvělé|hezký den|pěkný den|ďakujem|vďaka|
    ďakujem pekne|vopred ďakujem|výborne|pekný deň|hvala|hvala vam|hvala ti|hvala lijepa|
    hvala lepa|najlepša hvala|hvala unaprijed|molim|prosim|odlično|ugodan dan|lep dan|mulțumesc|
    multumesc|mersi|mulțumesc anticipat|vă rog|te rog|perfect|excelent|o zi bună|o zi frumoasă|
    faleminderit|ju lutem|ευχαριστώ|ευχαριστώ πολύ|ευχαριστώ εκ των προτέρων|παρακαλώ|τέλεια|
    πολύ καλά|καλή σας μέρα|καλή συνέχεια|teşekkürler|teşekkür ederim|teşekkür ederiz|
    çok teşekkürler|sağ ol|sağol|sağolun|lütfen|harika|mükemmel|süper|iyi günler|iyi çalışmalar|
    kolay gelsin|təşəkkür edirəm
    """,
    """
    спасибо|большое спасибо|спасибо большое|благодарю|благодарю вас|заранее спасибо|спс|
    пожалуйста|отлично|прекрасно|замечательно|супер|хорошего дня|всего доброго|прямо сейчас|
    дякую|дуже дякую|щиро дякую|будь ласка|чудово|відмінно|гарного дня|благодаря|много благодаря|
    благодаря ви|моля|чудесно|хубав ден|хвала|молим|дзякуй|дзякую
    """,
    """
    شكرا|شكرًا|شكراً|شكرا جزيلا|شكرًا جزيلًا|شكراً جزيلاً|شكرا لك|شكرا لكم|من فضلك|لو سمحت|رجاء|
    رجاءً|ممتاز|رائع|مشكور|جزاك الله خيرا|ممنون|ممنونم|متشکرم|مرسی|سپاس|سپاسگزارم|با تشکر|لطفا|
    لطفاً|عالی|عالیه|شکریہ|براہ کرم|תודה|תודה רבה|המון תודה|תודה מראש|בבקשה|מצוין|מעולה|יופי|
    נהדר|יום טוב|יום נעים|धन्यवाद|शुक्रिया|कृपया|बहुत धन्यवाद|बहुत अच्छा|dhanyavaad|ধন্যবাদ|
    நன்றி|தயவுசெய்து|ขอบคุณ|ขอบคุณมาก|ครับ|ค่ะ|คะ|นะครับ|นะคะ|cảm ơn|cám ơn|xin cảm ơn|
    cảm ơn bạn|cảm ơn nhiều|ạ|nhé|vui lòng|tuyệt vời|tốt|terima kasih|terimakasih|makasih|tolong|
    mohon|bagus|mantap|salamat|salamat po|po|asante|asante sana|tafadhali|მადლობა|გმადლობთ|
    շնորհակալություն
    """,
    """
    🙏|🙂|😀|😃|😄|😁|😊|☺|😎|🎉|🚀|❤|♥|👏|💪|🤝|🥳|😍|🤩|✨|🙌|🔥|🌞|☀|💚|:pray:|:tada:|
    :rocket:|:slightly_smiling_face:|:smile:|:smiley:|:grinning:|:blush:|:heart:|:clap:|:muscle:|
    :raised_hands:|:fire:|:sparkles:|:handshake:|:partying_face:
    """,
)

EAST_POLITE = phrases(
    """
    谢谢|謝謝|谢谢你|谢谢您|謝謝您|多谢|多謝|非常感谢|非常感謝|感谢|感謝|辛苦了|辛苦|请|請|
    麻烦了|麻烦你了|麻烦您了|拜托了|太好了|很好|非常好|不错|完美|马上|立即|立刻|现在|各位|大家|
    ありがとう|ありがとうございます|ありがとうございました|どうもありがとうございます|どうも|
    お願いします|お願いいたします|お願い致します|よろしくお願いします|よろしくお願いいたします|
    よろしくお願い致します|宜しくお願いします|宜しくお願いいたします|宜しくお願い致します|
    お疲れ様です|お疲れさまです|お疲れ様でした|お世話になっております|お世話になります|以上です|
    以上|今すぐ|すぐに|素晴らしい|完璧です|감사합니다|감사해요|고맙습니다|고마워요|고마워|감사|
    부탁드립니다|부탁 드립니다|부탁합니다|부탁해요|수고하세요|수고하십시오|수고하셨습니다|
    수고 많으십니다|안녕하세요|지금|바로|좋은 하루 되세요|훌륭합니다|완벽합니다
    """,
)
