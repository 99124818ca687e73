"""Pages the person on call, waits for an acknowledgement, and pages the next one if none comes.

Shows: a run that waits without a worker (`WaitFor`) until a program posts the event `ack`:
`ponderd runs event ID ack '"bob"'`.
"""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import Field

from ponderd import Agent, Example, Limits, ToolContext, WaitFor, tool

ROTA = ("ann", "bob", "chief")
"""Who is paged, in this order."""


@tool()
def page(level: Annotated[int, Field(ge=1, le=len(ROTA))], text: str, context: ToolContext) -> str:
    """page the person of a level: 1 first, then 2, then 3"""
    call = {"key": context.idempotency_key, "to": ROTA[level - 1], "text": text}
    with (context.data_dir / "pages.jsonl").open("a") as file:
        file.write(json.dumps(call) + "\n")  # put your pager's API here, with the key
    return f"paged {ROTA[level - 1]}"


@tool(idempotent=True)
def wait_for_ack(minutes: Annotated[float, Field(gt=0, le=120)]) -> WaitFor:
    """wait until somebody acknowledges, but no longer than so many minutes"""
    return WaitFor(minutes * 60, "ack", f"waiting {minutes:g} minutes for an acknowledgement")


agent = Agent(
    name="oncall",
    description="Pages who is on call until somebody acknowledges.",
    prompt="""
You look after one alert. The first rule that fits decides what you do:
1. After [tool] paged: wait_for_ack with 10 minutes.
2. After [tool] event ack: the time is over: page the next level. After level 3: reply that nobody
   answered.
3. After any other [tool] event ack: reply who took it.
4. An alert comes in: page level 1 with one short sentence.
5. Everything else: reply that you only look after alerts.
""",
    tools=[page, wait_for_ack],
    examples=[
        Example(
            "CRITICAL disk of db1 is 98 % full",
            {"action": "page", "level": 1, "text": "The disk of db1 is 98 % full."},
        ),
        Example("[tool] page: paged ann", {"action": "wait_for_ack", "minutes": 10}),
        Example(
            "[tool] event ack: the time is over.",
            {"action": "page", "level": 2, "text": "The disk of db1 is 98 % full."},
        ),
        Example("[tool] page: paged bob", {"action": "wait_for_ack", "minutes": 10}),
        Example('[tool] event ack: "bob"', {"action": "reply", "text": "bob took it."}),
        Example("Good morning", {"action": "reply", "text": "I only look after alerts."}),
    ],
    thinking="never",
    limits=Limits(model_calls=20),
)
