"""Decide which agent answers a trigger. The routes come from ponderd.toml.

`load_routes` reads the file. `route_to` makes what every channel calls with its triggers.
workers/agents/config.py reads the tables `[agents]` and `[thinking]`.

[slack]
agent = "assistant"                  # app mentions and direct messages
channels = { C0123456789 = "deployer" } # but this agent in this channel
alerts = { C0222222222 = "triage" }  # each post of a bot here, if PONDERD_SLACK_BOTS lists it

[mail.mailboxes]
ops = "deployer"                     # ops@ too; an agent always has the mailbox of its name

[webhooks.github]                    # POST /webhooks/github
agent = "triage"
verify = ["github"]                  # standard, github, bearer; the header that is sent decides
secret_env = "GITHUB_WEBHOOK_SECRET" # or secret = "…"; bearer: token, token_env
text = "{{ issue.title }}\\n{{ issue.body }}"
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog
from pydantic import Field, ValidationError, field_validator

from ponderd.channels.channel import Accept
from ponderd.channels.errors import NotFound, StartupError
from ponderd.channels.message import Accepted, Frozen, Trigger
from ponderd.channels.text import one_line
from ponderd.channels.webhook.route import WebhookRoute
from ponderd.channels.webhook.template import is_template
from ponderd.workers.agents.config import read_toml, wrong_entry
from ponderd.workers.control.runs import Runs

log = structlog.get_logger(__name__)

DEFAULT_AGENT = "assistant"
DEFAULT_SOURCE = WebhookRoute(
    agent=DEFAULT_AGENT, agent_from_payload=True, verify=("standard", "bearer")
)


class SlackRoutes(Frozen):
    agent: str = DEFAULT_AGENT
    channels: dict[str, str] = Field(default_factory=dict)
    alerts: dict[str, str] = Field(default_factory=dict)

    @field_validator("channels", "alerts")
    @classmethod
    def _are_ids(cls, value: dict[str, str]) -> dict[str, str]:
        for channel in value:
            if not re.fullmatch("[CGD][A-Z0-9]+", channel):
                raise ValueError(
                    f"{channel!r} is no id of a channel: write C0123, which stands at the end of "
                    "its details in Slack"
                )
        return value


class MailRoutes(Frozen):
    mailboxes: dict[str, str] = Field(default_factory=dict)

    @field_validator("mailboxes")
    @classmethod
    def _lower_case(cls, value: dict[str, str]) -> dict[str, str]:
        return {mailbox.lower(): agent for mailbox, agent in value.items()}


class Routes(Frozen):
    slack: SlackRoutes = SlackRoutes()
    mail: MailRoutes = MailRoutes()
    webhooks: dict[str, WebhookRoute] = Field(default_factory=dict)

    @field_validator("webhooks")
    @classmethod
    def _with_default(cls, value: dict[str, WebhookRoute]) -> dict[str, WebhookRoute]:
        return {"default": DEFAULT_SOURCE, **value}

    def agent_for(self, trigger: Trigger) -> str:
        match trigger.channel:
            case "slack":
                _, channel, _ = trigger.conversation.split(":", 2)
                return trigger.agent or self.slack.channels.get(channel, self.slack.agent)
            case "email":
                mailbox = trigger.agent or DEFAULT_AGENT
                return self.mail.mailboxes.get(mailbox, mailbox)
            case _:
                return trigger.agent or DEFAULT_AGENT

    def mailboxes(self, agents: Collection[str]) -> set[str]:
        return {*agents, *self.mail.mailboxes}

    def webhook(self, source: str) -> WebhookRoute:
        """The route of `source`. Raises `NotFound`, which tells strangers no names."""
        route = self.webhooks.get(source)
        if route is None:
            raise NotFound(_unknown(source))
        return route

    def secrets(self) -> Iterator[str]:
        """The values of all secrets of the routes."""
        for route in self.webhooks.values():
            for secret in (*route.secret, *route.token):
                yield secret.get_secret_value()

    def known_instead(self, source: str) -> NotFound:
        """As `webhook` raises, for whoever proved to be one of ours: it names the sources."""
        known = ", ".join(sorted(self.webhooks))
        return NotFound(f"{_unknown(source)}; there are: {known}")

    def named_agents(self) -> Iterator[tuple[str, str]]:
        """(entry, agent) for each entry of the file that names an agent."""
        yield "slack.agent", self.slack.agent
        yield from ((f"slack.channels.{key}", name) for key, name in self.slack.channels.items())
        yield from ((f"slack.alerts.{key}", name) for key, name in self.slack.alerts.items())
        yield from ((f"mail.mailboxes.{key}", name) for key, name in self.mail.mailboxes.items())
        for source, route in self.webhooks.items():
            if route.agent and not is_template(route.agent):
                yield f"webhooks.{source}.agent", route.agent


def _unknown(source: str) -> str:
    return f"there is no [webhooks.{one_line(source, 40)}] in ponderd.toml"


def route_to(runs: Runs, routes: Routes) -> Accept:
    """Make the `Accept` that all channels call: it finds the agent and stores the trigger."""

    async def accept(trigger: Trigger) -> Accepted:
        accepted = await runs.accept(routes.agent_for(trigger), trigger)
        log.info(
            "duplicate trigger" if accepted.duplicate else "trigger accepted",
            run=accepted.run_id,
            channel=trigger.channel,
            sender=trigger.sender,
        )
        return accepted

    return accept


def load_routes(
    path: Path | None, agents: Collection[str], environ: Mapping[str, str] = os.environ
) -> Routes:
    """The routes in the file `path`; the default routes if it is None. Raises `StartupError`."""
    if path is None:
        return Routes.model_validate({"webhooks": {}})
    data = read_toml(path)
    for table in ("agents", "thinking", "schedules"):  # others read these
        data.pop(table, None)
    try:
        routes = Routes.model_validate({"webhooks": {}, **_with_secrets(data, path, environ)})
    except ValidationError as error:
        raise wrong_entry(path, error) from error
    for where, agent in routes.named_agents():
        if agent not in agents:
            known = ", ".join(sorted(agents))
            raise StartupError(
                f"{path}: {where} names the agent {agent!r}; known agents: {known}", exit_code=2
            )
    return routes


def _with_secrets(data: dict[str, Any], path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """Replace secret_env and token_env by the values of the variables that they name."""
    webhooks = data.get("webhooks")
    if not isinstance(webhooks, dict):
        return data
    for source, route in webhooks.items():
        for name in ("secret", "token"):
            if not isinstance(route, dict) or f"{name}_env" not in route:
                continue
            named = route.pop(f"{name}_env")
            variables = [str(one) for one in (named if isinstance(named, list) else [named])]
            for variable in variables:
                if not environ.get(variable):
                    raise StartupError(
                        f"{path}: webhooks.{source}.{name}_env: {variable} is not set", exit_code=2
                    )
            route[name] = [environ[variable] for variable in variables]
    return data
