"""What the text of a question tells about the need to think. Pure, and cheap: it looks for
words.

The four criteria are AdaCoT's (arXiv 2505.11896): complexity of the reasoning, depth of the
knowledge, nature of the solution, hidden intent. AdaCoT has a model label its questions; here
they are rough scores from 0 to 1. The learner finds out what they are worth for each kind of
work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

STORY = 80, 2000
"""Fewest and most characters of a question that may count as having several steps."""

SEEN = 4000
"""Most characters of a text to look at. Its beginning and end tell what is wanted."""


def _words(text: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Split a list into single words and phrases. In the list, phrases have underscores."""
    listed = text.split()
    phrases = tuple(f" {word.replace('_', ' ')} " for word in listed if "_" in word)
    return frozenset(word for word in listed if "_" not in word), phrases


_NUMBERS, _ = _words(
    "half twice double triple dozen two three four five six seven eight nine ten twelve twenty "
    "hundred"
)
_STEPS = _words(
    "how_many how_much how_long how_far how_old how_fast in_total altogether per_day per_hour "
    "per_week per_month per_year each remaining left_over times_as more_than less_than percent "
    "average probability step_by_step prove work_out figure_out puzzle riddle in_which_order who_is"
)
_CAUSES = _words(
    "if because unless suppose assume therefore given_that whenever until after_that then why "
    "compare tradeoff tradeoffs plan plans schedule optimize optimise debug root_cause contradict "
    "contradicts contradiction"
)
_KNOWLEDGE = _words(
    "theorem lemma integral derivative matrix polynomial algorithm complexity regulation statute "
    "liability contract_clause gdpr diagnosis diagnose dosage enzyme molecule molecular quantum "
    "thermodynamics thermodynamic kernel deadlock race_condition idempotent idempotency "
    "transaction cryptography cryptographic regression bayes bayesian variance amortised "
    "amortized depreciation"
)
_OPEN = _words(
    "design write draft propose suggest recommend discuss explain argue evaluate review should_we "
    "should_i what_would pros_and_cons best_way strategy"
)
_HIDDEN = _words(
    "really actually in_fact trick careful carefully exactly except but_not without despite "
    "although however neither nor only supposed_to not_sure not_clear what_do_you_think"
)
_LOOKUP = re.compile(
    r"\W*(?:what is|what's|who (?:wrote|is|was)|when (?:is|was|did)|where (?:is|was)|"
    r"which (?:country|city|planet|language|colou?r)|translate|convert|define)\b"
)
_CODE = re.compile(
    r"```|\bdef \w+\(|\bclass \w+[(:]|[{};]\s*$|^\s*(?:import|from) \w+|Traceback", re.M
)
_WORD = re.compile(r"\d[\d,.]*|\w+")


@dataclass(frozen=True, slots=True)
class Criteria:
    """AdaCoT's four scores, from 0 to 1, and what they were read from."""

    reasoning: float
    knowledge: float
    solution: float
    intent: float
    numbers: int
    questions: int
    code: bool
    several_steps: bool
    chars: int


def read(text: str) -> Criteria:
    seen = text if len(text) <= SEEN else f"{text[: SEEN // 2]}\n{text[-SEEN // 2 :]}"
    lower = seen.lower()
    words = _WORD.findall(lower)
    spaced = f" {' '.join(words)} "
    numbers = sum(word[0].isdigit() or word in _NUMBERS for word in words)
    steps = _count(_STEPS, set(words), spaced)
    causes = _count(_CAUSES, words, spaced)
    story = STORY[0] <= len(text) <= STORY[1]
    lookup = _LOOKUP.match(lower) is not None
    return Criteria(
        reasoning=_share(numbers / 2 + steps + causes / 2, 5),
        knowledge=_share(_count(_KNOWLEDGE, words, spaced), 3),
        solution=0.0 if lookup else _share(_count(_OPEN, words, spaced) + causes / 2, 3),
        intent=_share(_count(_HIDDEN, words, spaced), 4),
        numbers=numbers,
        questions=seen.count("?"),
        code=_CODE.search(seen) is not None,
        several_steps=story and numbers >= 2 and steps >= 1 and numbers + steps >= 4,
        chars=len(text),
    )


def frame(criteria: Criteria) -> str:
    """One sentence on what makes the question hard, for a thought to begin with (AdaCoT's
    meta-reasoning). Empty if nothing does."""
    reasons = [
        (criteria.reasoning, "it takes several steps that build on each other"),
        (criteria.knowledge, "it needs special knowledge"),
        (criteria.solution, "there is no single right answer, so I must weigh options"),
        (criteria.intent, "the wording has a catch, so I must read it exactly"),
    ]
    strongest, why = max(reasons)
    return f"This needs care: {why}." if strongest >= 0.4 else ""


def _count(
    wanted: tuple[frozenset[str], tuple[str, ...]], words: Iterable[str], spaced: str
) -> int:
    singles, phrases = wanted
    return sum(word in singles for word in words) + sum(phrase in spaced for phrase in phrases)


def _share(amount: float, much: float) -> float:
    return min(1.0, amount / much)
