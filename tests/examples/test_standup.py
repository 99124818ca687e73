from __future__ import annotations

from ponderd.workers.steps.limits import accounts
from tests.examples.conftest import Stage
from tests.workers.world import THREAD

BOTH = {
    "action": "done",
    "entries": [
        {"who": "you", "doing": "fixing the login page", "blocked": ""},
        {"who": "U2", "doing": "review", "blocked": "Ann's branch"},
    ],
}


async def test_what_comes_within_a_minute_is_one_summary(stage: Stage) -> None:
    world = stage("standup", [BOTH])
    slack = {"channel": "slack", "reply_to": THREAD}
    run = await world.advance(await world.write("Fixing the login page", sender="U1", **slack))
    await world.later(40)
    await world.write("Review. Waiting for Ann's branch.", sender="U2", **slack)
    await world.advance(run.id)
    await world.later(40)
    assert world.model.prompts == []  # the second message began the minute anew
    await world.later(21)

    asked = world.model.prompts[0][-1]["content"]
    assert "Fixing the login page" in asked
    assert "Review. Waiting for Ann's branch.\n[from U2]" in asked
    assert world.slack.texts == [
        "you: fixing the login page\nU2: review (blocked: Ann's branch)",
    ]
    assert (await world.run(run.id)).outbox.output == {"entries": BOTH["entries"]}


async def test_a_mail_is_answered_at_once(stage: Stage) -> None:
    alone = {"action": "done", "entries": [{"who": "you", "doing": "holiday", "blocked": ""}]}
    world = stage("standup", [alone])
    run = await world.advance(await world.write("Holiday", channel="email"))
    assert run.outbox.reply == "you: holiday"


async def test_who_used_up_the_day_s_tokens_needs_somebody_s_yes(stage: Stage) -> None:
    alone = {"action": "done", "entries": [{"who": "you", "doing": "holiday", "blocked": ""}]}
    world = stage("standup", [alone])
    mail = {"channel": "email", "sender": "ann@example.com"}
    run = await world.advance(await world.write("Holiday", **mail))
    account = accounts(run, world.agent, world.clock.now)["sender"]
    await world.store.spend({account: {"tokens": 20_000}}, 3600)
    run = await world.advance(await world.write("No, the day after tomorrow", **mail))
    assert (run.waits_for, len(world.model.prompts)) == ("approval", 1)
