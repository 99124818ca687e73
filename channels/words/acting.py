"""Words of doubts, conditions, delays and orders, by language. Pure data.

Neither signatures nor lawyers' footers need them.
"""

from __future__ import annotations

from ponderd.channels.words.base import words

FIRM = words(
    # When, under which condition, how sure, what to do: no lawyer's footer needs these.
    """
    caution cautiously mostly essentially generally technically theoretically temporarily
    eventually hopefully gradually slowly manually quietly caveat caveats reservation
    reservations vorbehalt vorbehalte vorbehaltlich réserve reserve reserva riserva voorbehoud
    förbehåll forbehold zastrzeżeniem zastrzeżeniami výhradou rezerve rezervă lunch kidding
    approve approved approves approval deny denied denies reject rejected yes nope ok okay wait
    waits hold stop stops stopped cancel cancels cancelled canceled abort pause resume postpone
    postponed delay delayed defer deferred later until till yet once tomorrow today tonight
    yesterday morning afternoon evening noon midnight monday tuesday wednesday thursday friday
    saturday sunday weekend week weeks month hour hours minute minutes second soon never ever
    first before after afterwards then when whenever while because although though but however
    instead rather except unless only just still maybe perhaps probably possibly doubt doubts
    doubtful unsure uncertain think thought guess believe wonder hope worry worried concern
    concerned concerns careful carefully mistake mistaken wrong changed change revert rollback
    roll undo redo back retract retracted withdraw withdrawn take taken mind nevermind scratch
    disregard ignore forget actually sorry oops ps p.s nb question why what how where who which
    whether verify verified check checks checking confirm confirmed review reviewed ask asks
    asked tell call ping wanted want wants need needs needed require required requires
    requirement condition conditions conditional conditionally provided providing assuming
    subject limit limited excluding without part partly partially half some none nothing nobody i
    me my mine im i'm i'd i'll i've he she him her they them let let's dont don't doesn't didn't
    won't can't cannot shouldn't isn't aren't wasn't wouldn't couldn't doesnt wont cant shouldnt
    isnt arent nah hm hmm hmmm er uh um leave keep use try start begin go goes going run runs
    running push pull deploy deploys deployed rebuild restart reboot remove drop add fix fixed
    skip do does did done doing make makes finish finished pass passes passed fail fails failed
    failing broken green red ready approve? againt again twice otherwise pending hands proceed
    continue discuss talk meeting objection object veto nothing's dare merge hotfix pr mr eod eob
    asap tbd tbc wip lgtm +1 -1
    """,
    # German
    """
    genehmigt freigegeben ja nein nee nö warte warten wartet abwarten halt stopp stoppen
    abbrechen abbruch pausieren verschieben verschoben später morgen heute gestern übermorgen
    montag dienstag mittwoch donnerstag freitag samstag sonntag wochenende woche wochen monat
    stunde stunden minute minuten erst erstmal zuerst vorher nachher danach dann bis noch sobald
    solange bevor nachdem während weil obwohl aber jedoch allerdings sondern stattdessen lieber
    doch außer ausser nur bloß vielleicht eventuell evtl womöglich wahrscheinlich vermutlich
    zweifel unsicher glaube denke vermute hoffe sorge vorsicht fehler falsch irrtum ändern
    geändert rückgängig zurück zurückgezogen zurücknehmen widerrufe widerruf vergiss vergessen
    eigentlich moment frage fragen warum wieso was wie wo wer welche ob prüfe prüfen teste testen
    tests frag fragt gefragt rückfrage brauche brauchen will möchte muss müssen bedingung
    vorausgesetzt teilweise nichts niemand ich mich mir mein meine er sie ihn lass lasst lassen
    mach macht machen nimm nehmen starte starten ausrollen deployen einspielen nochmal erneut
    wieder sonst soll sollen sollte darf dürfen kann könnte würde hätte wäre keinesfalls niemals
    nie einwand bedenken
    """,
    # French
    """
    oui attends attendez attendre arrête arrêtez stop annule annulez reporter reporté plus tard
    demain aujourd'hui hier lundi mardi mercredi jeudi vendredi samedi dimanche semaine mois
    heure heures minutes d'abord avant après ensuite puis jusqu jusqu'à quand lorsque dès tant
    mais cependant toutefois plutôt sauf seulement uniquement peut-être probablement doute hésite
    crois pense espère attention erreur faux finalement oublie oubliez question pourquoi quoi
    comment vérifie vérifiez vérifier teste testez demande demandez besoin veux voudrais faut
    condition partie rien jamais je j'ai moi mon mes il elle fais faites laisse laissez change
    changez encore pourtant en-dehors désolé
    """,
    # Spanish, Portuguese, Italian
    """
    espera espere esperar esperen para detén cancela cancele anula pospón posponer después luego
    mañana hoy ayer lunes martes miércoles jueves viernes sábado domingo semana mes hora horas
    minutos primero antes hasta cuando mientras siempre pero aunque excepto salvo menos solo sólo
    solamente únicamente quizá quizás tal vez acaso probablemente duda dudo creo pienso espero
    cuidado error equivocado mejor olvida olvide pregunta porque qué cómo verifica verifique
    prueba pruebe pruebas pregunte necesito quiero debe falta condición parte nada nunca yo mi él
    ella haz haga deja deje cambia cambie todavía aún
    """,
    """
    espere aguarde aguardar pare cancele adiar adiado depois amanhã hoje ontem segunda terça
    quarta quinta sexta sábado semana mês primeiro antes até quando enquanto mas porém embora
    exceto somente apenas só talvez provavelmente dúvida duvido acho penso cuidado erro errado
    melhor esqueça pergunta porque como verifique teste testes pergunte preciso quero deve falta
    condição nada nunca eu meu minha ele ela faça deixe mude ainda caso
    """,
    """
    aspetta aspetti aspettare attendi attenda ferma fermati annulla rimanda dopo poi domani oggi
    ieri lunedì martedì mercoledì giovedì venerdì sabato domenica settimana mese ora ore minuti
    prima finché quando mentre ma però tuttavia anche eccetto tranne salvo solo soltanto
    solamente forse probabilmente dubbio credo penso spero attenzione errore sbagliato meglio
    dimentica domanda perché cosa come verifica verificare controlla testa chiedi bisogno voglio
    deve manca condizione purché parte niente nulla mai io mio lui lei fai lascia cambia ancora
    invece
    """,
    # Dutch, Scandinavian, Finnish
    """
    wacht wachten stop annuleer uitstellen later morgen vandaag gisteren maandag dinsdag woensdag
    donderdag vrijdag zaterdag zondag week maand uur minuten eerst voordat nadat daarna totdat
    zodra wanneer maar echter behalve tenzij alleen slechts misschien wellicht waarschijnlijk
    twijfel denk geloof hoop voorzichtig fout verkeerd toch vergeet vraag waarom wat hoe
    controleer test vraagt nodig wil moet voorwaarde mits niets nooit ik mij mijn hij zij doe
    laat verander nog pas liever
    """,
    """
    vänta väntar stopp avbryt skjut senare imorgon idag igår måndag tisdag onsdag torsdag fredag
    lördag söndag vecka månad timme först innan efter sedan tills när medan men dock utom endast
    bara kanske förmodligen tvekar tror tänker hoppas försiktigt fel glöm fråga varför vad hur
    kontrollera testa behöver vill måste villkor inget aldrig jag mig min han hon gör låt ändra
    ännu än hellre vent vente venter stop udsæt utsett afbryd imorgen mandag tirsdag lørdag
    søndag uge uke måned time først inden før etter derefter indtil når mens dog undtagen unntatt
    kun bare måske kanskje tvivl tviler håber håper forsigtig fejl feil glem spørg spør hvorfor
    hvad hva hvordan tjek sjekk test skal må vil betingelse intet aldri jeg meg hun gør gjør lad
    ændre endre endnu ennå
    """,
    """
    odota odottakaa seis peruuta keskeytä siirrä myöhemmin huomenna tänään eilen maanantai
    maanantaina tiistai tiistaina keskiviikko keskiviikkona torstai torstaina perjantai
    perjantaina lauantai lauantaina sunnuntai sunnuntaina viikko kuukausi tunti ensin ennen
    jälkeen sitten kunnes kun mutta paitsi vain ehkä luulen varo virhe väärin unohda kysy kysymys
    miksi mitä miten tarkista testaa pitää ehto en minä minun hän tee muuta vielä
    """,
    # Polish, Czech, Slovak, South Slavic, Romanian, Hungarian
    """
    czekaj poczekaj czekać zaczekaj stop anuluj wstrzymaj przełóż później jutro dzisiaj dziś
    wczoraj poniedziałek poniedziałku wtorek wtorku środa środy czwartek czwartku piątek piątku
    piątkiem sobota soboty niedziela tydzień miesiąc godzina najpierw przed po potem dopiero aż
    kiedy gdy jak ale jednak tylko jedynie chyba może prawdopodobnie wątpię myślę ostrożnie błąd
    zapomnij pytanie dlaczego co sprawdź przetestuj zapytaj trzeba chcę musi warunek pod nic
    nigdy ja mnie mój on ona zrób zmień jeszcze oprócz
    """,
    """
    počkej počkejte čekej stop zruš zrušte odlož později zítra dnes včera pondělí úterý středa
    středy středu čtvrtek pátek pátku pátkem sobota neděle týden měsíc hodina nejdřív nejprve
    před po potom až když dokud ale však pouze jen jenom možná asi pochybuji myslím pozor chyba
    zapomeň otázka proč co jak zkontroluj otestuj zeptej musí podmínka nic nikdy já mě můj on ona
    udělej změň ještě kromě počkaj počkajte zajtra pondelok utorok streda štvrtok piatok piatku
    nedeľa najprv pred keď kým iba len možno zabudni prečo čo skontroluj čekaj sačekaj stani
    otkaži odgodi kasnije sutra danas jučer juče ponedjeljak ponedeljak utorak srijeda sreda
    četvrtak petak petka subota nedjelja nedelja prvo prije pre poslije posle nakon dok kad kada
    ali samo možda mislim pazi greška zaboravi zašto provjeri proveri testiraj pitaj mora uvjet
    uslov ništa nikad ja moj uradi promijeni još osim počakaj jutri danes petek najprej preden
    potem ko vendar morda așteaptă așteptați oprește anulează amână târziu mâine azi astăzi ieri
    luni marți miercuri joi vineri sâmbătă duminică săptămână întâi înainte după până când dar
    însă doar numai poate cred atenție greșeală uită întrebare ce cum verifică testează întreabă
    trebuie vreau condiție nimic niciodată eu meu fă lasă schimbă încă várj várjon várjunk állj
    mégse később holnap ma tegnap hétfő hétfőn kedd kedden szerda szerdán csütörtök csütörtökön
    péntek pénteken péntekig szombat vasárnap hét hónap óra először előbb előtt után aztán amíg
    amikor majd azonban csak kivéve talán lehet gondolom vigyázz hiba felejtsd kérdés miért mit
    hogyan ellenőrizd teszteld kérdezd kell akarom feltétel semmi soha én nekem még
    """,
    # Turkish, Greek, Indonesian, Vietnamese
    """
    bekle bekleyin dur durun iptal ertele sonra yarın bugün dün pazartesi salı çarşamba perşembe
    cuma cumartesi pazar hafta ay saat önce ilk kadar zaman iken ama fakat ancak sadece yalnızca
    hariç belki galiba sanırım dikkat hata unut soru neden ne nasıl kontrol test sor gerek lazım
    şart hiçbir asla ben benim yap değiştir henüz daha περίμενε περιμένετε σταμάτα ακύρωσε
    αργότερα αύριο σήμερα χθες δευτέρα τρίτη τετάρτη πέμπτη παρασκευή σάββατο κυριακή εβδομάδα
    πρώτα πριν μετά μέχρι όταν αλλά όμως μόνο εκτός ίσως νομίζω προσοχή λάθος ξέχνα γιατί τι πώς
    έλεγξε ρώτα πρέπει θέλω τίποτα ποτέ εγώ ακόμα tunggu berhenti batal batalkan tunda nanti
    besok hari kemarin senin selasa rabu kamis jumat sabtu minggu dulu sebelum setelah sesudah
    sampai ketika tapi tetapi namun hanya kecuali mungkin ragu kira hati-hati salah lupakan tanya
    kenapa apa bagaimana periksa cek uji perlu harus syarat asalkan asal saya aku belum lagi chờ
    đợi dừng hủy hoãn sau mai nay qua trước khi đến nhưng chỉ trừ có lẽ nghĩ cẩn thận sai hỏi sao
    gì kiểm tra thử cần phải điều kiện tôi chưa
    """,
    # Russian, Ukrainian, Bulgarian
    """
    подожди подождите погоди погодите жди ждите стоп отмени отмените отложи отложите потом позже
    завтра сегодня вчера понедельник понедельника вторник вторника среда среды среду четверг
    четверга пятница пятницы пятницу суббота субботы воскресенье неделя неделю месяц час часа
    сначала сперва раньше перед до после пока когда затем но однако хотя кроме только лишь может
    возможно наверное наверно сомневаюсь думаю надеюсь осторожно ошибка забудь забудьте вопрос
    почему что как проверь проверьте проверить протестируй спроси спросите нужно надо хочу должен
    условие условии ничего никогда я мне меня мой он она сделай сделайте измени ещё еще лучше
    тесты зачекай зачекайте чекай скасуй пізніше сьогодні вчора понеділок вівторок середа четвер
    п'ятниця п'ятниці субота неділя спочатку після поки коли але проте лише тільки мабуть можливо
    помилка чому що як перевір запитай треба потрібно умова нічого ніколи мені ще чакай изчакай
    спри по-късно утре днес сряда четвъртък петък събота първо преди след докато когато обаче
    само може би мисля грешка защо какво провери попитай трябва нищо никога аз още
    """,
    # Arabic, Persian, Hebrew, Hindi
    """
    انتظر انتظري انتظروا قف توقف ألغ الغ ألغي لاحقا لاحقًا بعدين غدا غدًا غداً اليوم أمس الاثنين
    الإثنين الثلاثاء الأربعاء الخميس الجمعة السبت الأحد أولا أولاً قبل بعد حتى عندما لكن ولكن إلا
    باستثناء فقط ربما أظن أعتقد احذر خطأ انس سؤال لماذا ماذا كيف تحقق اختبر اسأل يجب أريد شرط
    بشرط أنا بعدئذ ليس صبر بایست لغو بعدا بعداً فردا امروز دیروز شنبه دوشنبه جمعه پنجشنبه اول تا
    وقتی اما ولی جز شاید فکر مراقب اشتباه چرا چه چطور بررسی بپرس باید من هنوز חכה חכי רגע עצור
    תעצור תבטל בטל אחרי מחר היום אתמול ראשון שני שלישי רביעי חמישי שישי שבת קודם לפני עד כאשר כש
    אבל אולם רק חוץ אולי כנראה חושב חושבת זהירות טעות תשכח שאלה למה מה איך תבדוק בדוק תשאל צריך
    רוצה תנאי בתנאי אני עדיין עוד रुको रुकिए ठहरो बाद कल आज सोमवार मंगलवार बुधवार गुरुवार
    शुक्रवार शनिवार रविवार पहले तक जब लेकिन मगर सिर्फ केवल शायद गलत क्यों क्या कैसे जाँच पूछो
    चाहिए शर्त मैं अभी
    """,
)
