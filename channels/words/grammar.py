"""Words that sentences need and signatures do not, by language. Pure data."""

from __future__ import annotations

from ponderd.channels.words.base import words

PLAIN = words(
    """
    with within under upon per by from into on off over up down out against among between during
    through towards nearly almost quite principle principles basically essentially theory
    mit bei nach seit vor gegen unter avec sous par pour dans sur entre vers chez con por para según
    sobre com sob per tra fra met bij op voor onder med på för vid ved przy dla с в на под при для о
    по к з у від
    """,
    # What sentences need and signatures do not. A lawyer's footer does.
    """
    no not if any please is are was were be been being am can could may might must shall should
    will would have has had you your we us our it its this that these those there here as so than
    too very even about until whether or to
    """,
    """
    nicht kein keine keinen keiner wenn falls sofern bitte ist sind war sein wird werden wurde
    hat haben habe du dich dir euch wir uns unser es das dies diese dieser so zu sehr auch oder
    nichts ohne
    """,
    """
    ne pas non si s'il est sont était sera avez avons ai vous tu te toi nous ce cela ça c'est
    cette que qui trop aussi ou sans point aucun aucune
    """,
    """
    no sí si sin es está son fue será hay tiene usted ustedes tú nosotros esto eso que muy
    también ni não sem é são foi há tem você vocês nós isto isso esse muito também nem se non
    senza è sono era sarà ha hai abbiamo voi noi questo quello che molto né
    """,
    """
    niet geen als indien is zijn was wordt heeft hebben u jij je wij ons het dit dat zo te zeer
    ook zonder inte ej icke om är var blir har du ni vi oss det detta den mycket också utan ikke
    nej nei hvis er bliver i os dette meget også uden uten ei eivät älä jos on ovat oli jo se
    tämä sinä me myös ilman
    """,
    """
    nie jeśli jeżeli jest są był będzie ma pan pani wy my to tego bardzo też bez ne není jestli
    pokud je jsou byl bude má vy toho velmi také ak ani nije ako jesu bio biti ima ti vi mi vrlo
    če ni nu dacă este sunt era va are tu voi noi asta foarte fără nem ha vannak volt lesz ez az
    nagyon is nélkül değil yok eğer ise var siz biz bu şu çok olmadan δεν μην όχι αν εάν είναι
    ήταν θα έχει εσείς εμείς αυτό πολύ χωρίς tidak bukan jangan jika kalau bila ini itu anda kami
    kita sangat tanpa không đừng nếu là thì này kia rất
    """,
    """
    не нет если есть был будет вы мы это этого очень тоже без бы ли ні немає якщо є був буде ви
    ми це дуже няма ако е са беше ще вие ние това много
    """,
    """
    لا لم لن غير إذا اذا إن كان هذا هذه ذلك جدا نه نیست اگر است این آن خیلی לא אין אם זה זאת הוא
    היא מאוד नहीं मत अगर यदि है हैं था यह वह बहुत
    """,
)

MILD = words(
    """
    i ce co mes min po pre jak ako
    only without part use does do did done make made makes they them he she who which however
    cannot take taken keep some where er sie ihn soll sollen sollte sollten darf dürfen kann
    können könnte nur uniquement seulement il elle solo sólo solamente únicamente somente apenas
    alleen slechts endast bara kun bare vain tylko pouze jen iba numai doar csak только лишь лише
    тільки само partie parte parti porque lui lei hij zij hon han hun on ona он она
    """,
)

SCOPE = words(
    # What can be meant by a yes that stands for a part. Titles hold them, too: "Release Manager".
    """
    eu emea apac staging stage production prod canary test testing tests dev development qa uat
    sandbox preview beta alpha build builds release deployment deployments rollout environment
    cluster node region branch main master version ticket window backup migration step phase
    batch dry-run dryrun approval testsystem produktion produktiv umgebung recette préproduction
    pruebas producción teste produção collaudo produzione acceptatie productie testmiljö
    produktionen testmiljø produkcja produkce тест тесте прод продакшн стейджинг продакшен
    """,
)
