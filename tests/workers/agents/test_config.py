"""`[agents.NAME]` in ponderd.toml goes before what the agent's file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ponderd.channels.errors import StartupError
from ponderd.daemon.routing import load_routes
from ponderd.workers.agents.agent import Agent
from ponderd.workers.agents.arms import Arm
from ponderd.workers.agents.config import check_arms, configured, load_family
from ponderd.workers.agents.policies import (
    Approvals,
    Budget,
    Budgets,
    Busy,
    Thinking,
    ThoughtBudget,
)

OF_THE_FILE = Agent(
    name="deployer",
    description="",
    prompt="Deploy.",
    approvals=Approvals(approvers=("slack:U1",), timeout=60),
    busy={"email": Busy(policy="reject")},
    budgets=Budgets(run=Budget(steps=5), day=Budget(tokens=7)),
)
AGENTS = {"deployer": OF_THE_FILE, "assistant": Agent(name="assistant", description="", prompt="")}

COMPLETE = """
[slack]
agent = "assistant"

[agents.deployer.approvals]
approvers = ["slack:U0123", "Email:*@Example.com"]
ask = ["slack:C0OPS"]
remind_every = "1h"
timeout = "8h"
on_timeout = "escalate"
escalate_to = ["email:boss@example.com"]

[agents.deployer.busy]
default = "queue"
slack = {policy = "collect", silence = "5s"}

[agents.deployer.budgets.sender]
tokens = 200000
"""


def over(text: str, folder: Path) -> Agent:
    file = folder / "ponderd.toml"
    file.write_text(text)
    return configured(AGENTS, file)["deployer"]


def test_every_policy_can_be_set(tmp_path: Path) -> None:
    agent = over(COMPLETE, tmp_path)
    assert agent.approvals == Approvals(
        approvers=("slack:U0123", "email:*@example.com"),
        ask=("slack:C0OPS",),
        remind_every=3600,
        timeout=8 * 3600,
        on_timeout="escalate",
        escalate_to=("email:boss@example.com",),
    )
    assert agent.busy_in("slack") == Busy(policy="collect", silence=5)
    assert agent.busy_in("api") == Busy(policy="queue")
    assert agent.budgets.sender == Budget(tokens=200_000)
    assert load_routes(tmp_path / "ponderd.toml", AGENTS).slack.agent == "assistant"


def test_what_is_not_set_stays_as_the_file_says(tmp_path: Path) -> None:
    agent = over(
        '[agents.deployer]\napprovals.timeout = "1h"\nbudgets.run.tokens = 9\n'
        'busy.slack = "reject"',
        tmp_path,
    )
    assert agent.approvals == Approvals(approvers=("slack:U1",), timeout=3600)
    assert agent.budgets == Budgets(run=Budget(steps=5, tokens=9), day=Budget(tokens=7))
    assert (agent.busy_in("email").policy, agent.busy_in("slack").policy) == ("reject", "reject")
    assert agent.version == OF_THE_FILE.version


def test_false_takes_a_limit_or_a_time_away(tmp_path: Path) -> None:
    text = "[agents.deployer]\napprovals = {timeout = false, remind_every = false}\n"
    agent = over(text + "budgets.run.steps = false", tmp_path)
    assert (agent.approvals.timeout, agent.approvals.remind_every) == (None, None)
    assert agent.budgets.run == Budget()


def test_thinking_can_be_set_whole_or_in_a_word(tmp_path: Path) -> None:
    text = """[agents.deployer.thinking]
mode = "always"
greatest = false
deadline = "30s"
probe = false
drafts = true
frame = false
tokens = {day = 1000, sender = false}
"""
    found = over(text, tmp_path).thinks
    assert found == Thinking(
        mode="always", deadline=30, probe=False, drafts=True, tokens=ThoughtBudget(day=1000)
    )
    assert over('[agents.deployer]\nthinking = "never"', tmp_path).thinks.mode == "never"


def test_the_family_is_read_in_its_order(tmp_path: Path) -> None:
    file = tmp_path / "ponderd.toml"
    file.write_text(
        '[thinking.arms.large]\nmodel = "m-32b"\nurl = "http://large:8000/v1"\n'
        'mode = "short"\napi_key_env = "LARGE_KEY"\n[thinking.arms.mid]\nmode = "short"\n'
        "budget = 2048\n"
    )
    assert load_family(file) == (
        Arm("large", "short", 0, "m-32b", "http://large:8000/v1", "LARGE_KEY"),
        Arm("mid", "short", 2048),
    )
    assert load_family(None) == ()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[thinking.arms.large]\nurl = "large:8000"', "thinking.arms.large.url: String should"),
        ("[thinking.arms.Large]", "thinking.arms.Large: String should match pattern"),
        ("[thinking.arms]\nlarge = 3", "thinking.arms.large: Input should be a valid dictionary"),
        ("thinking = 3", "thinking: expected a table"),
    ],
)
def test_a_wrong_member_stops_the_start(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "ponderd.toml").write_text(text)
    with pytest.raises(StartupError) as caught:
        load_family(tmp_path / "ponderd.toml")
    assert complaint in str(caught.value)


def test_an_agent_may_only_use_arms_that_there_are(tmp_path: Path) -> None:
    file = tmp_path / "ponderd.toml"
    file.write_text('[agents.deployer.thinking]\narms = ["nonee", "long"]')
    with pytest.raises(StartupError, match="no arm nonee; known: long, none, short"):
        check_arms(configured(AGENTS, file), file)


def test_an_agent_that_is_not_named_stays(tmp_path: Path) -> None:
    over(COMPLETE, tmp_path)
    assert configured(AGENTS, tmp_path / "ponderd.toml")["assistant"] is AGENTS["assistant"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[agents.butler]", "agents.butler: no agent has this name; known agents: assistant, dep"),
        (
            '[agents.deployer.approvals]\ntimeout = "soon"',
            "agents.deployer.approvals.timeout: 'soon' is not a duration: write 90, 30s, 10m, 4h",
        ),
        (
            "[agents.deployer.approvals]\ntimeout = inf",
            "agents.deployer.approvals.timeout: Input should be less than or equal to",
        ),
        (
            '[agents.deployer.approvals]\napprovers = ["ann"]',
            "agents.deployer.approvals.approvers.0: 'ann' names nobody: write slack:U0123, ",
        ),
        (
            '[agents.deployer.approvals]\nask = ["api:ann"]',
            "agents.deployer.approvals.ask: 'api:ann' cannot be asked",
        ),
        (
            '[agents.deployer.approvals]\nescalate_to = ["email:*@example.com"]',
            "agents.deployer.approvals.escalate_to: 'email:*@example.com' cannot be asked",
        ),
        (
            '[agents.deployer.approvals]\non_timeout = "escalate"',
            "agents.deployer.approvals.on_timeout: escalate needs somebody",
        ),
        ("[agents.deployer.approvals]\ntimeout = 0", "timeout: Input should be greater than 0"),
        ('[agents.deployer.busy]\nslak = "queue"', "agents.deployer.busy.slak: Input should be"),
        ('[agents.deployer.busy]\nslack = "drop"', "agents.deployer.busy.slack.policy: Input sho"),
        ("[agents.deployer.limits]\nx = 1", "agents.deployer.limits: there is no such entry"),
        ("agents = 3", "agents: Input should be a valid dictionary"),
        ("[agents", "Expected ']'"),
    ],
)
def test_a_wrong_entry_stops_the_start_with_one_line_that_names_it(
    text: str, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(StartupError) as caught:
        over(text, tmp_path)
    assert caught.value.exit_code == 2
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / 'ponderd.toml'}: ") and "\n" not in line
    assert complaint in line


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="No such file"):
        configured(AGENTS, tmp_path / "none.toml")
