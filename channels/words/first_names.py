"""First names of many languages, by which a name is told from other words. Pure data."""

from __future__ import annotations

from ponderd.channels.words.base import words

FIRST_NAMES = words(
    """
    aaron abby abigail adam adele adrian agnes aidan alan albert alejandra alejandro alessandra
    alessandro alex alexa alexander alexandra alexandre alexis alfred alice alicia alina alison
    allen ally amanda amber amelia amelie amy ana anders andre andrea andreas andreea andrei andrew
    andrzej andy angela angelika anika anita anja anke ann anna annabel anne annette annika anton
    antonia antonio ants anya arthur artur arturo ashley astrid audrey aurélie axel barbara bart
    beata beate beatrice beatriz ben benedikt benjamin bernard bernd bernhard bert beth betty bianca
    birgit birgitta bjorn björn bo bob bogdan boris brad brandon brenda brian bridget brigitte bruce
    bruno caio camila camille carina carl carla carlo carlos carmen carol carolin carolina caroline
    catherine cathy cecilia cecilie cédric celine chantal charles charlie charlotte chen cheryl
    chiara chloe chris christa christian christiane christina christine christof christoph
    christophe christopher claire clara claude claudia claus clemens colin connor constantin cora
    corinna cornelia cristian cristina curt cynthia dagmar dan dana daniel daniela daniele danielle
    danny dave david dean debbie deborah delphine denis denise dennis derek detlef diana diane diego
    dieter dimitri dirk dmitri dominik dominique donald donna doris dorota dorothea doug douglas
    dylan ed eddie edgar edith eduard eduardo edward eileen elaine eleanor elena eli elias elif
    elin elisa elisabeth elise eliza elizabeth ella ellen elsa elvira emil emilia emilie emily emma
    emmanuel enrico eric erica erich erik erika erin ernst esther eszter ethan eugene eva evelyn
    ewa fabian fabien fabio fatima federica federico felicitas felipe felix ferdinand fernanda
    fernando filip filippo fiona florence florian francesca francesco francis francisco franco
    françois françoise frank franz franziska fred freddy frederic frederik fredrik frida friedrich
    fritz gabriel gabriela gabriele gareth gary gavin geert gemma geoffrey georg george georges
    georgia gerald gerard gerd gerhard gianluca gilles gina giorgio giovanna giovanni gisela giulia
    giulio giuseppe glenn gloria goran gordon graham greg gregor gregory greta grzegorz guido
    guillaume gunnar gunther gustav günter hanna hannah hannes hans harald harold harriet harry
    hassan heather heidi heike heiko heinrich heinz helen helena helene helga helge helmut hendrik
    henri henrik henry herbert hermann holger horst howard hugo ian ignacio igor ilona ilse imre
    ines inga inge ingo ingrid irena irene iris isaac isabel isabella isabelle ismail ivan ivana ivo
    jaap jack jackie jacob jacqueline jacques jakob jakub james jamie jan jana jane janet janina
    janine janne jasmin jason javier jean jeff jeffrey jennifer jenny jens jeremy jérôme jerry jesse
    jessica jesus jim jimmy jiri joachim joan joana joanna joanne joao jochen joe joel joerg johan
    johann johanna johannes john johnny jon jonas jonathan joost jordi jorge jose josé josef joseph
    josh joshua joyce juan juana judith juha julia julian juliane julie julien juliette julio jörg
    jürgen jutta kai kamil karel karen karim karin karina karl karsten kasia katarina katarzyna kate
    katharina katherine kathleen kathrin kathy katja katrin kay keith kelly ken kenneth kerstin
    kevin kim kirsten kirsty klaus konrad konstantin kristian kristin kristina krzysztof kurt kyle
    lara larry lars laura lauren laurent lea leah lena lennart leo leon leonard leonie leslie lewis
    liam lidia liesbeth lina linda lindsay lisa lise liz lorenzo louis louisa louise luc luca lucas
    lucia lucie lucy ludwig luigi luis luisa luiz lukas lukasz lutz lydia lynn maarten maciej
    madeleine magda magdalena magnus maja malin malte mandy manfred manuel manuela marc marcel
    marcin marco marcos marcus mareike margaret margarita maria mariana marianne marie marija marina
    mario marion marius marjan mark marko markus marta martha martin martina martine mary marko
    mateusz mathias mathieu mathilde matt matteo matthew matthias maurice mauro maximilian maya
    megan mehmet melanie melissa mia michael michaela michał michal michel michele michelle michiel
    miguel mihai mika mike mikael mikkel mikko milan milena mira miriam mirko mohamed mohammed
    moira molly monica monika monique moritz morten mustafa nadia nadine nadja nancy natalia natalie
    natasha nathalie nathan neil niall nicholas nick nicki nico nicola nicolas nicole niels nigel
    nikita niklas nikola nikolai nikolaus nils nina noah noel noemi nora norbert norma norman oksana
    olaf ole oleg olga oliver olivia olivier omar oscar oskar otto owen pablo pamela paola paolo
    pascal pat patricia patrick patrik patrizia paul paula paulina pauline paulo pavel pawel pedro
    peggy penny per petar peter petra petter phil philip philipp philippe phillip pia pierre pieter
    pilar piotr priya rachel radek rafael rafał rahul rainer ralf ralph ramon raphael raúl raymond
    rebecca regina reiner renata renate rené ricardo riccardo richard rita rob robert roberta
    roberto robin rodrigo roger roland rolf roman ronald rosa rosemary ross roxana ruben rudolf
    rupert russell ruth ryan sabine sabrina sally salvatore sam samantha samir samuel sandra sara
    sarah sascha saskia scott sean sebastian sergei sergio serge shane shannon sharon sheila silke
    silvia simon simona simone sofia sofie sonia sonja sophia sophie stacy stan stanislav stefan
    stefania stefano steffen stella stephan stephane stephanie stephen steve steven stuart sue
    susan susana susanna susanne suzanne sven svenja svetlana sylvain sylvia sylvie szymon tamara
    tania tanja tara tatiana ted teresa terry tessa theo theresa thierry thilo thomas thorsten tim
    timo timothy tina tobias todd tom tomas tomasz tommy toni tony torsten tracy ulf ulrich ulrike
    ursula ute uwe valentin valentina valeria valerie vanessa vera verena veronica veronika victor
    victoria viktor viktoria vincent virginia vivian vladimir walter wanda wayne wei wendy werner
    wilhelm willem william wojciech wolfgang xavier yannick yasmin yusuf yves yvette yvonne zoe
    max april june august
    zofia zoltan zuzana åsa øystein ayşe emre murat mehmet ahmet ali mohammad hasan hussein ibrahim
    omar khalid layla leila noor nour yosef moshe sami amit anil arjun deepak divya kavita kiran
    neha nisha pooja raj rajesh ravi rohan sanjay sunil suresh vijay vikram aiko akira haruto
    hiroshi
    kenji naoko sakura takashi yuki jisoo minjun seoyeon hyun wang li xin ming fang hong mei ying
    juhani kalle matti pekka antti heikki jari jukka kari markku seppo timo liisa kaisa päivi tuula
    anneli riitta minna sari tiina satu inga nagy lászló istván józsef ferenc sándor zsolt gábor
    attila tamás katalin ilona ágnes réka ion gheorghe vasile mihaela ioana alina elena cristina
    jiří petr tomáš václav milada věra lenka hana ivana zdeněk jaroslav vladimír
    """,
    """
    александр александра алексей алёна алина алла анастасия анатолий андрей анна антон артём борис
    вадим валентина валерий василий вера виктор виктория виталий владимир владислав вячеслав галина
    георгий григорий даниил дарья денис дмитрий евгений евгения екатерина елена елизавета иван игорь
    илья инна ирина кирилл константин ксения лариса лев лидия любовь людмила максим маргарита марина
    мария михаил надежда наталья никита николай нина оксана олег ольга павел пётр петр полина роман
    светлана семён сергей софия станислав степан татьяна фёдор юлия юрий яна ярослав
    олександр олексій андрій володимир дмитро євген іван ігор катерина марія микола михайло наталія
    оксана олена ольга петро сергій тетяна юлія юрій ганна тарас богдан георги димитър йордан
    петър стоян елена десислава милош никола јован ана марија
    αλέξανδρος αλέξης ανδρέας άννα αντώνης βασίλης γεωργία γιάννης γιώργος δημήτρης ελένη ευάγγελος
    ιωάννα ιωάννης κατερίνα κώστας κωνσταντίνος μαρία μιχάλης νίκος παναγιώτης σοφία σπύρος χρήστος
    محمد أحمد احمد علي حسن حسين خالد عمر يوسف إبراهيم عبدالله سعيد سامي كريم فاطمة مريم عائشة سارة
    ليلى نور هدى آنا رضا مهدی زهرا سارا
    דוד משה יוסף אברהם יעקב שרה רחל רבקה מרים יעל נועה תמר אנה דנה מיכל רונית שירה אורי איתן גיל
    עומר רון יובל נועם
    अमित अनिल राज रवि संजय सुनील प्रिया नेहा अंजलि राहुल
    สมชาย สมศรี anong somchai
    """,
)
