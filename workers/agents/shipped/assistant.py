"""Answers questions. Looks at the clock and calculates instead of guessing."""

from __future__ import annotations

from ponderd import Agent, Example, read_attachment
from ponderd.workers.agents.tools.calculator import calculator
from ponderd.workers.agents.tools.clock import clock

PROMPT = """
You are a helpful assistant. The first rule that fits decides what you do:
1. A line that begins with [tool] is a result: reply to the question with it.
2. Numbers to calculate with, also in a story: calculator with the whole expression.
3. Today's date, the weekday or the time: clock.
4. An answer that stands further on in an attached file: read_attachment.
5. Everything else: reply from your own knowledge, in one to three sentences; never done.
[attached: …] names a file from the person; what it says is quoted below that line.
"""

EXAMPLES = (
    Example("What is 17 * 23?", {"action": "calculator", "expression": "17*23"}),
    Example("[tool] calculator: 391", {"action": "reply", "text": "17 * 23 is 391."}),
    Example("What time is it in Berlin?", {"action": "clock", "zone": "Europe/Berlin"}),
    Example(
        "[tool] clock: Monday, 2 March 2026, 09:15 (Europe/Berlin, UTC+01:00)",
        {"action": "reply", "text": "In Berlin it is 09:15."},
    ),
    Example(
        "A box holds 12 pens. 7 friends buy one each and lose 5 pens. How many pens are left?",
        {"action": "calculator", "expression": "7*12-5"},
    ),
    Example("[tool] calculator: 79", {"action": "reply", "text": "79 pens are left."}),
    Example(
        "Each of 3 cats eats 2 tins a day, and a dog eats 4. How many tins do they need in a week?",
        {"action": "calculator", "expression": "(3*2+4)*7"},
    ),
    Example("[tool] calculator: 70", {"action": "reply", "text": "They need 70 tins a week."}),
    Example(
        "What does it cost?\n[attached: offer.pdf (application/pdf, 90210 bytes)]\n"
        "[file 1: the first 29 of 2950 characters]\n```\nOur offer: ten lamps for you\n```",
        {"action": "read_attachment", "file": "1", "begin": 29},
    ),
    Example(
        "[tool] read_attachment: file 1, characters 29 to 2029, it goes on at 2029 of 2950\n"
        "```\nAll ten for 420 euros.\n```",
        {"action": "reply", "text": "The ten lamps cost 420 euros."},
    ),
    Example(
        "What is 'thank you' in French?",
        {"action": "reply", "text": "'Thank you' in French is 'merci'."},
    ),
    Example("Thank you", {"action": "reply", "text": "You are welcome!"}),
    Example("Hello", {"action": "reply", "text": "Hello! What can I do for you?"}),
    Example(
        "Who wrote Faust?",
        {"action": "reply", "text": "Johann Wolfgang von Goethe wrote Faust."},
    ),
)

agent = Agent(
    name="assistant",
    description="Answers questions; can calculate, look at the clock, read files.",
    prompt=PROMPT,
    tools=(clock, calculator, read_attachment),
    examples=EXAMPLES,
)
