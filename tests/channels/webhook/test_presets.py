"""Each preset, with a payload as the service sends it."""

from __future__ import annotations

import copy
import json
from typing import Any, NamedTuple

import pytest

from ponderd.channels.message import Ignored, Trigger
from ponderd.channels.webhook.body import read_body
from ponderd.channels.webhook.presets import PRESETS
from ponderd.channels.webhook.receive import parse
from ponderd.channels.webhook.rendering import render_all
from ponderd.channels.webhook.route import WebhookRoute

SECRETS = {"gitlab": {"token": "tok"}, "alertmanager": {"token": "tok"}}


class Sample(NamedTuple):
    headers: dict[str, str]
    payload: dict[str, Any]
    contains: tuple[str, ...]
    conversation: str
    has_key: bool
    sender: str = ""
    ignored: tuple[dict[str, Any], ...] = ()
    """Changes, as dotted path -> value, with which it is not wanted."""


ALERTS: dict[str, Any] = {
    "version": "4",
    "groupKey": '{}/{severity="page"}:{alertname="DiskFull"}',
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "agents",
    "groupLabels": {"alertname": "DiskFull"},
    "commonLabels": {"alertname": "DiskFull", "severity": "page"},
    "commonAnnotations": {},
    "externalURL": "http://alerts.example",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "DiskFull", "instance": "db-1", "severity": "page"},
            "annotations": {"summary": "Disk of db-1 is 97% full", "items": "none"},
            "startsAt": "2026-05-05T07:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example/graph?g0.expr=disk",
            "fingerprint": "c0ffee",
        }
    ],
}

SAMPLES = {
    "github": Sample(
        {"x-github-event": "issues", "x-github-delivery": "72d3162e"},
        {
            "action": "opened",
            "issue": {
                "number": 7, "title": "Crash on start", "body": None, "user": {"login": "ann"},
                "html_url": "https://github.com/acme/shop/issues/7",
                "labels": [{"name": "bug"}, {"name": "p1"}],
            },
            "repository": {"full_name": "acme/shop"},
            "sender": {"login": "ann", "type": "User"},
        },
        ("Issue acme/shop#7 by ann: Crash on start", "Labels: bug, p1", "/issues/7"),
        "acme/shop#7", True, "ann",
        ({"action": "labeled"}, {"action": "edited"}, {"action": "closed"}, {"action": "created"},
         {"sender.type": "Bot"}, {"issue": None, "label": {"name": "x"}}),
    ),
    "gitlab": Sample(
        {"x-gitlab-event": "Merge Request Hook", "idempotency-key": "f5e5f430"},
        {
            "object_kind": "merge_request",
            "user": {"name": "Ann Bond", "username": "ann"},
            "project": {"path_with_namespace": "acme/shop"},
            "object_attributes": {
                "iid": 12, "title": "Retry payments", "description": "Three times.",
                "action": "open",
                "url": "https://gitlab.example/acme/shop/-/merge_requests/12",
            },
            "labels": [{"title": "backend"}],
        },
        ("Merge request acme/shop!12 by Ann Bond: Retry payments", "Labels: backend", "Three t"),
        "acme/shop!12", True, "ann",
        ({"object_attributes.action": "update"}, {"object_kind": "note"},
         {"user.username": "project_3_bot_9f"}, {"user.username": "project_3_bot2"},
         {"user.username": "support-bot"}, {"object_kind": "push"}),
    ),
    "stripe": Sample(
        {},
        {
            "id": "evt_1Q", "object": "event", "type": "invoice.payment_failed", "livemode": True,
            "data": {
                "object": {"id": "in_1Q", "object": "invoice", "amount_due": 4900, "paid": False},
                "previous_attributes": {"attempted": False},
            },
        },
        ("Stripe: invoice.payment_failed\n", '"amount_due": 4900', '"paid": false', "attempted"),
        "in_1Q", True,
    ),
    "alertmanager": Sample(
        {}, ALERTS,
        ("[FIRING] DiskFull", "instance=db-1, severity=page", "summary: Disk of db-1 is 97% full",
         "items: none", "since 2026-05-05T07:00:00Z", "g0.expr=disk"),
        ALERTS["groupKey"], False,
    ),
    "grafana": Sample(
        {},
        {
            **ALERTS, "orgId": 1, "title": "[FIRING:1] DiskFull", "state": "alerting",
            "message": "**Firing**",
            "alerts": [
                {
                    **ALERTS["alerts"][0], "values": {"B": 97.25}, "valueString": "[ var='B' ]",
                    "dashboardURL": "https://grafana.example/d/1", "panelURL": "",
                }
            ],
        },
        ("[FIRING:1] DiskFull", "instance=db-1", 'values: {"B":97.25}', "https://grafana.example/d/1"),
        ALERTS["groupKey"], False,
    ),
    "sentry": Sample(
        {"sentry-hook-resource": "event_alert", "request-id": "8b2c"},
        {
            "action": "triggered",
            "actor": {"id": "sentry", "name": "Sentry", "type": "application"},
            "data": {
                "triggered_rule": "Payments",
                "event": {
                    "event_id": "e1", "issue_id": "1170820242", "title": "ValueError: bad amount",
                    "level": "error", "culprit": "shop.pay in charge", "environment": "prod",
                    "web_url": "https://sentry.io/organizations/acme/issues/1170820242/",
                    "exception": {"values": [{
                        "type": "ValueError", "value": "bad amount",
                        "stacktrace": {"frames": [
                            {"filename": "shop/pay.py", "lineno": 42, "function": "charge"}]},
                    }]},
                },
            },
        },
        ("ValueError: bad amount (error)", "Rule: Payments", "In: shop.pay in charge",
         "Environment: prod", "shop/pay.py:42 in charge", "issues/1170820242"),
        "issue 1170820242", True, "",
        ({"headers.sentry-hook-resource": "comment"}, {"headers.sentry-hook-resource": "issue"},
         {"headers.sentry-hook-resource": "installation"}),
    ),
    "pagerduty": Sample(
        {"x-webhook-subscription": "PY1OL64"},
        {
            "event": {
                "id": "5ac64822", "event_type": "incident.triggered", "resource_type": "incident",
                "agent": {"id": "PLH1", "type": "user_reference", "summary": "Ann Bond"},
                "data": {
                    "id": "PGR0VU2", "type": "incident", "number": 2, "status": "triggered",
                    "title": "Queue is stuck", "urgency": "high", "priority": None,
                    "html_url": "https://acme.pagerduty.com/incidents/PGR0VU2",
                    "service": {"id": "PF9", "summary": "API"}, "assignees": [{"summary": "Bob"}],
                },
            }
        },
        ("incident.triggered: Queue is stuck", "Incident 2, status triggered, urgency high\n",
         "Service: API", "Assigned to: Bob"),
        "PGR0VU2", True, "Ann Bond",
        ({"event.event_type": "incident.annotated"}, {"event.event_type": "pagey.ping"}),
    ),
    "jira": Sample(
        {"x-atlassian-webhook-identifier": "a1b2"},
        {
            "webhookEvent": "jira:issue_created",
            "user": {"displayName": "Ann Bond", "accountType": "atlassian"},
            "issue": {
                "key": "OPS-17",
                "fields": {
                    "summary": "Rotate the keys", "description": None, "labels": ["security"],
                    "issuetype": {"name": "Task"}, "priority": {"name": "High"},
                    "reporter": {"displayName": "Ann Bond"},
                },
            },
            "changelog": {"items": [{"field": "status", "fromString": None, "toString": "To Do"}]},
        },
        ("Task OPS-17 by Ann Bond: Rotate the keys", "Priority: High", "Labels: security",
         "status:  -> To Do"),
        "OPS-17", True, "Ann Bond",
        ({"webhookEvent": "jira:issue_updated"}, {"webhookEvent": "comment_created"},
         {"user.accountType": "app"}),
    ),
    "linear": Sample(
        {"linear-delivery": "234d1a4e", "linear-event": "Issue"},
        {
            "action": "create", "type": "Issue", "url": "https://linear.app/acme/issue/ENG-9",
            "actor": {"id": "b5ea", "type": "user", "name": "Ann Bond"},
            "data": {
                "identifier": "ENG-9", "title": "Flaky test", "description": "It fails on Mondays.",
                "priorityLabel": "Urgent", "labels": [{"name": "ci"}],
            },
            "webhookTimestamp": 1676056940508,
        },
        ("ENG-9 by Ann Bond: Flaky test", "Priority: Urgent", "Labels: ci", "on Mondays"),
        "ENG-9", True, "Ann Bond",
        ({"action": "update"}, {"type": "Comment"}, {"actor.type": "oauthClient"}),
    ),
}  # fmt: skip


def received(
    preset: str, headers: dict[str, str], payload: object, **fields: Any
) -> Trigger | Ignored:
    secret = SECRETS.get(preset, {"secret": "s3cret"})
    route = WebhookRoute.model_validate({"preset": preset, **secret, **fields})
    [body] = read_body(
        {**headers, "content-type": "application/json"}, json.dumps(payload).encode()
    )
    rendered = render_all(route.templates(), body.payload, route.shown_headers(headers), {})
    assert [(field, one.problems) for field, one in rendered.items() if one.problems] == []
    return parse("it", route, headers, body, rendered, new_id=lambda: "new")


def test_every_preset_has_a_sample() -> None:
    others = {"twilio"}  # read by channels/sms: tests/channels/sms
    assert PRESETS.keys() - others == SAMPLES.keys()


@pytest.mark.parametrize("name", SAMPLES)
def test_what_the_service_sends_becomes_a_message(name: str) -> None:
    sample = SAMPLES[name]
    trigger = received(name, sample.headers, sample.payload)
    assert isinstance(trigger, Trigger)
    assert [part for part in sample.contains if part not in trigger.text] == []
    assert "None" not in trigger.text and "null" not in trigger.text
    assert trigger.conversation == sample.conversation
    assert bool(trigger.keys) == sample.has_key
    assert trigger.name == sample.sender


@pytest.mark.parametrize(
    ("name", "change"),
    [(name, change) for name, sample in SAMPLES.items() for change in sample.ignored],
)
def test_what_nobody_asked_for_or_a_program_did_starts_nothing(
    name: str, change: dict[str, Any]
) -> None:
    sample = SAMPLES[name]
    whole: dict[str, Any] = copy.deepcopy({**sample.payload, "headers": sample.headers})
    for path, value in change.items():
        *parents, last = path.split(".")
        place = whole
        for parent in parents:
            place = place[parent]
        place[last] = value
    headers = whole.pop("headers")
    assert received(name, headers, whole) == Ignored(reason="when")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_payload_that_lacks_everything_is_no_error(name: str) -> None:
    found = received(name, {}, {}, when="")
    assert isinstance(found, Trigger | Ignored)


def test_a_person_whose_name_begins_as_a_bot_s_ends_is_one() -> None:
    sample = SAMPLES["gitlab"]
    person = {**sample.payload, "user": {"name": "Anna Bothe", "username": "anna_bothe"}}
    assert isinstance(received("gitlab", sample.headers, person), Trigger)


def test_a_new_discussion_at_github_is_created_not_opened() -> None:
    payload = copy.deepcopy(SAMPLES["github"].payload)
    payload |= {"action": "created", "discussion": payload.pop("issue")}
    found = received("github", {"x-github-event": "discussion"}, payload)
    assert isinstance(found, Trigger)
    assert found.text.startswith("Discussion acme/shop#7 by ann: Crash on start")
    ignored: tuple[dict[str, Any], ...] = (
        {"comment": {"body": "me, too", "user": {"login": "bob"}}},
        {"sender": {"login": "helper[bot]", "type": "Bot"}},
        {"action": "labeled"},
    )
    for change in ignored:
        assert received("github", {}, {**payload, **change}) == Ignored(reason="when")


@pytest.mark.parametrize("name", ["alertmanager", "grafana"])
def test_firing_and_resolved_are_one_conversation(name: str) -> None:
    sample = SAMPLES[name]
    firing = received(name, {}, sample.payload)
    resolved = copy.deepcopy(sample.payload)
    resolved["status"] = resolved["alerts"][0]["status"] = "resolved"
    resolved["alerts"][0]["endsAt"] = "2026-05-05T08:00:00Z"
    after = received(name, {}, resolved)
    assert isinstance(firing, Trigger) and isinstance(after, Trigger)
    assert firing.conversation == after.conversation
    assert "until 2026-05-05T08:00:00Z" in after.text
    assert firing.keys == after.keys == ()
