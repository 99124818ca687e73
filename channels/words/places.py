"""Towns and countries, as they stand in signatures and behind greetings. Pure data."""

from __future__ import annotations

from ponderd.channels.words.base import words

PLACES = words(
    """
    aachen amsterdam ankara antwerp athens athen austin austria bangalore barcelona basel beijing
    belgium belgrade bengaluru bergen berlin bern bielefeld bilbao birmingham bochum bonn bordeaux
    boston bratislava bremen brno bristol brussels bruxelles brüssel bucharest budapest bucurești
    cambridge canada chemnitz chicago china cologne copenhagen dallas deutschland denmark denver
    dortmund dresden dublin duisburg düsseldorf edinburgh england erfurt espoo essen españa finland
    firenze france frankfurt freiburg geneva genève genf genova gent germany glasgow göteborg graz
    greece göttingen haifa hamburg hannover heidelberg helsinki houston hungary india innsbruck
    ireland israel istanbul italia italien italy izmir japan jena karlsruhe kassel kiel kiew köln
    københavn konstanz korea kraków kyiv köpenhamn lausanne leeds leipzig leuven lille linz lisboa
    lisbon ljubljana london lübeck luxembourg luxemburg luzern lyon madrid magdeburg mainz málaga
    malmö manchester mannheim marseille melbourne milan milano montréal moscow münchen munich
    münster nantes napoli netherlands nederland nice norway nürnberg odense oslo osaka österreich
    ottawa oxford padova palermo paris poland polska porto portugal potsdam poznań prag praha prague
    regensburg rennes riga roma rome romania rostock rotterdam salzburg schweiz seattle seoul
    sevilla shanghai singapore sofia spain stavanger stockholm strasbourg stuttgart suisse sverige
    sweden switzerland sydney tallinn tampere tokyo torino toronto toulouse trieste trondheim turin
    turku uk ukraine ulm uppsala usa utrecht valencia vancouver venezia vienna vilnius warsaw
    warszawa wien wiesbaden wrocław würzburg zagreb zürich zurich århus москва киев київ минск
    """
)
