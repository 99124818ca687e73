"""Reads an invoice out of a mail: supplier, number, lines, total and due date, as data.

Shows: typed output from plain text, and an agent's own `check`, which makes the model think harder
when the lines do not add up. ponderd hands over the text of a mail; attached files are only named.
"""

from __future__ import annotations

import datetime

from pydantic import BaseModel, Field

from ponderd import Agent, Answer, Example, Question, Thinking, ToolCall


class Line(BaseModel):
    what: str = Field(min_length=1)
    euros: float


class Invoice(BaseModel):
    supplier: str = Field(min_length=1)
    number: str = Field(min_length=1)
    lines: list[Line] = Field(min_length=1)
    total: float
    due: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")


def adds_up(choice: ToolCall | Answer | Question) -> None:
    """Raises ValueError for what cannot be right; the model is told why, and tries again."""
    if not isinstance(choice, Answer) or choice.output is None:
        return
    invoice = Invoice.model_validate(choice.output)
    found = sum(line.euros for line in invoice.lines)
    if abs(found - invoice.total) >= 0.005:
        raise ValueError(f"the lines add up to {found:.2f}, but total says {invoice.total:.2f}")
    datetime.date.fromisoformat(invoice.due)


def describe(invoice: Invoice) -> str:
    return (
        f"{invoice.supplier}, invoice {invoice.number}: {invoice.total:.2f} euros "
        f"for {len(invoice.lines)} lines, due {invoice.due}."
    )


def _example(said: str, supplier: str, number: str, due: str, **lines: float) -> Example:
    return Example(
        said,
        {
            "action": "done",
            "supplier": supplier,
            "number": number,
            "lines": [{"what": what, "euros": euros} for what, euros in lines.items()],
            "total": sum(lines.values()),
            "due": due,
        },
    )


agent = Agent(
    name="invoices",
    description="Reads invoices out of mails.",
    prompt="""
You read invoices. Answer with done: supplier, number, one line for each thing that is charged, tax
too, the total, and the due date as YYYY-MM-DD. Copy figures, never guess them. If it is not an
invoice, or one of these is missing, ask_human.
""",
    examples=[
        _example(
            "Subject: Invoice 77\n\nPaper 20.00 EUR\nInk 35.50 EUR\nTotal 55.50 EUR\n"
            "Please pay by 1 March 2026.\nOffice Ltd",
            "Office Ltd",
            "77",
            "2026-03-01",
            Paper=20.0,
            Ink=35.5,
        ),
        _example(
            "Bill no. B-9 of Water Co: water 12,40 EUR, tax 0,87 EUR, total 13,27, due 2026-04-15",
            "Water Co",
            "B-9",
            "2026-04-15",
            water=12.4,
            tax=0.87,
        ),
        Example(
            "Can you send me the invoice again?",
            {"action": "ask_human", "text": "There is no invoice in this mail. Can you paste it?"},
        ),
    ],
    output=Invoice,
    describe=describe,
    check=adds_up,
    thinking=Thinking(mode="auto", kind="extract", greatest=1024),
)
