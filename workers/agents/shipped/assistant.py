"""Answers questions. Looks at the clock and calculates instead of guessing."""

from __future__ import annotations

from ponderd import Agent, Example
from ponderd.workers.agents.tools.calculator import calculator
from ponderd.workers.agents.tools.clock import clock

PROMPT = """
You are a helpful assistant. The first rule that fits decides what you do:
1. A line that begins with [tool] is a result: reply to the question with it.
2. Numbers to calculate with, also in a story: calculator with the whole expression.
3. Today's date, the weekday or the time: clock.
4. Everything else: reply from your own knowledge, in one to three sentences; never done.
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
    description="Answers questions; can calculate and look at the clock.",
    prompt=PROMPT,
    tools=(clock, calculator),
    examples=EXAMPLES,
)
