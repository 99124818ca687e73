from __future__ import annotations

from tests.examples.conftest import Stage
from tests.workers.world import MAILBOX

MAIL = """Subject: Invoice 12

Desk 400.00 EUR
Lamp 35.00 EUR
Total 435.00 EUR, due 1 May 2026. Wood & Co"""

LINES = [{"what": "Desk", "euros": 400.0}, {"what": "Lamp", "euros": 35.0}]


def done(total: float = 435.0, due: str = "2026-05-01") -> dict[str, object]:
    return {
        "action": "done",
        "supplier": "Wood & Co",
        "number": "12",
        "lines": LINES,
        "total": total,
        "due": due,
    }


async def test_reads_an_invoice_from_a_mail(stage: Stage) -> None:
    world = stage("invoices", [done()])
    mail = {"channel": "email", "sender": "ann@example.com", "reply_to": MAILBOX}
    run = await world.advance(await world.write(MAIL, **mail))
    said = "Wood & Co, invoice 12: 435.00 euros for 2 lines, due 2026-05-01."
    assert (run.outbox.reply, world.mail.texts) == (said, [said])
    assert run.outbox.output == {key: value for key, value in done().items() if key != "action"}


async def test_lines_that_do_not_add_up_are_read_again(stage: Stage) -> None:
    world = stage("invoices", [done(total=453.0), done()])
    run = await world.advance(await world.write(MAIL))
    assert run.outbox.output is not None
    assert run.outbox.output["total"] == 435.0
    told = world.model.prompts[1][-1]["content"]
    assert "the lines add up to 435.00, but total says 453.00" in told


async def test_a_date_that_does_not_exist_is_read_again(stage: Stage) -> None:
    world = stage("invoices", [done(due="2026-02-30"), done()])
    run = await world.advance(await world.write(MAIL))
    assert run.outbox.output is not None
    assert (run.outbox.output["due"], len(world.model.prompts)) == ("2026-05-01", 2)
