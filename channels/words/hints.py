"""Single words that take back, limit or delay a yes, and look like a name or a motto. Pure data.

They may stand in a lawyer's footer (`doubts.acts`), but in no signature.
"""

from __future__ import annotations

from ponderd.channels.words.base import words

HINTS = words(
    # It is no decision, or only one in form.
    """
    draft drafts void invalid tentative tentatively trial demo sandbox simulation provisional
    preliminary awaiting unclear risky danger dangerous beware expired excluded excluding minus
    prejudice unwillingly reluctant reluctantly kinda sorta ish meh depends decides undecided
    joke joking lol haha irony sarcasm psych forgery fake hacked stolen typo autocorrect price costs
    nonprod preprod suspended closed halted paused ended unavailable recalled decision vote freeze
    objects disagrees agreed partial yeah shortly midday easter christmas vacation holiday
    holidays leave absent away
    january february march april june july august september october november december sprint
    o'clock oclock sandboxed dictated typed null zero false refused declined declines rejection
    disagree disapprove disapproved backout ten five twenty percent budget maximum euro euros eur
    usd gbp chf dollar dollars tue thu fri sat mon wed sun fyi btw imo imho afaik iirc jk ooo
    cob eta
    n/a tba utc cet cest pst est old previous legacy server zone sort kind sent says said told
    decided gesendet geschickt envoyé enviado inviato verzonden
    verstuurd skickat sendt wysłane tonite oh well ugh huh eh
    """,
    """
    vorläufig entwurf provisorisch ausstehend probelauf simulation vorproduktion vorversion
    rücksprache ostern weihnachten urlaub abwesend vertretung auftrag scherz ironie unklar riskant
    gefahr achtung bald kürze spaeter fast beinahe widerwillig ungern kommt storniert abgelaufen
    dagegen ablehnung fälschung falscher tippfehler mittags mittag nachts nacht abend januar februar
    märz juni juli oktober dezember erste ersten zweite charge schritt ausgenommen entscheidet
    prozent uhr alte alter kosten preis abgelehnt
    """,
    """
    provisoire brouillon attente bientôt presque dépend annulé contre refus noël midi nuit soir
    janvier février mars avril mai juin juillet août septembre octobre novembre décembre ancienne
    provisional borrador pendiente pronto casi depende anulado contra rechazo navidad noche tarde
    enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
    attesa bozza presto quasi dipende annullato contro rifiuto natale stasera notte sera gennaio
    febbraio aprile maggio giugno luglio settembre ottobre novembre dicembre rascunho breve quase
    recusa natal noite janeiro fevereiro setembro outubro dezembro
    """,
    """
    binnenkort bijna geannuleerd tegen vanavond voorlopig concept snart nästan næsten nesten
    annulleret kansellert avbruten emot imod imot avslag ikväll kväll aften kveld utkast kladde
    beror
    kommer pian melkein hylätty illalla luonnos riippuu peruttu vastaan
    """,
    """
    wkrótce prawie zależy anulowane przeciw odmowa wieczorem projekt roboczy brzy skoro záleží
    zrušeno zrušené proti zamítnuto večer návrh uskoro gotovo ovisi otkazano protiv odbijeno curând
    aproape depinde anulat împotrivă refuz diseară seara hamarosan majdnem függ törölve ellene
    elutasítva este vázlat yakında neredeyse iptal karşı ret akşam taslak bağlı
    """,
    """
    скоро почти зависит отменено против отказ вечером вечер черновик январь февраль март апрель
    незабаром майже залежить скасовано проти відмова ввечері чернетка σύντομα σχεδόν εξαρτάται
    ακυρώθηκε κατά απόρριψη απόψε βράδυ πρόχειρο قريبا تقريبا ملغى ضد رفض الليلة مساء مسودة בקרוב
    כמעט תלוי בוטל נגד סירוב הלילה הערב טיוטה
    """,
)
