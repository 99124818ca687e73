import pytest

from ponderd.workers.agents.actions import Rejected, interpret
from ponderd.workers.agents.discovery import discover

SHIPPED = discover([])


def test_three_agents_are_shipped():
    assert set(SHIPPED) == {"assistant", "triage", "deployer"}


@pytest.mark.parametrize("agent", SHIPPED.values(), ids=SHIPPED)
def test_every_worked_example_is_an_answer_that_would_be_accepted(agent):
    import json

    for example in agent.examples:
        assert not isinstance(interpret(json.dumps(dict(example.did)), agent), Rejected)


@pytest.mark.parametrize("agent", SHIPPED.values(), ids=SHIPPED)
def test_a_prompt_is_short_enough_for_a_slow_machine(agent):
    from ponderd.workers.context.render import render

    characters = sum(len(message["content"]) for message in render([], agent, limit_chars=1000))
    assert characters < 4000
