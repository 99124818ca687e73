"""Who takes part in a run by mail."""

from __future__ import annotations

from typing import Any

import pytest

from ponderd.channels.message import Address
from ponderd.workers.run import events as e
from ponderd.workers.run.participants import takes_part
from ponderd.workers.run.reduce import fold
from ponderd.workers.run.state import Run

LAUNCHED = e.RunLaunched(
    at=0, run_id="00-a", agent="a", agent_version="1", channel="email", conversation="c"
)


def mail(sender: str, *people: str, **fields: Any) -> e.MessageReceived:
    return e.MessageReceived(
        at=0, text="hello", sender=sender, via="email", people=people, **fields
    )


def after(*events: e.Event) -> Run:
    return fold((LAUNCHED, *events))


def test_whoever_wrote_or_was_written_to_takes_part() -> None:
    run = after(mail("Ann@team.test", "Bob@Team.test"), mail("cat@team.test"))
    assert run.people == {"ann@team.test", "bob@team.test", "cat@team.test"}
    assert takes_part(run, "ANN@team.test")
    assert not takes_part(run, "eve@team.test")
    assert not takes_part(run, "")


def test_a_mail_of_which_nothing_proves_the_sender_invites_nobody() -> None:
    run = after(mail("ann@team.test", "eve@team.test", people_proven=False))
    assert run.people == {"ann@team.test"}


@pytest.mark.parametrize("via", ["slack", "webhook", "api", ""])
def test_only_mail_makes_a_participant(via: str) -> None:
    message = mail("ann@team.test", "bob@team.test").model_copy(update={"via": via})
    assert after(message).people == frozenset()


def test_whoever_gets_a_mail_of_ours_takes_part() -> None:
    def sent(to: Address | None) -> Run:
        started = e.ReplyStarted(at=0, key="00-a:3", kind="answer", text="hi", to=to)
        asked = mail("ann@team.test", reply_to=Address(channel="email", to="ann@team.test"))
        return after(asked, e.QuestionAsked(at=0, text="hi"), started)

    copied = Address(channel="email", to="Boss@x.test", headers={"cc": "c@x.test, D@x.test"})
    assert sent(copied).people == {"ann@team.test", "boss@x.test", "c@x.test", "d@x.test"}
    for to in (None, Address(channel="slack", to="eve@team.test")):
        assert sent(to).people == {"ann@team.test"}
