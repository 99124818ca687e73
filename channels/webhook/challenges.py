"""What senders ask before they send: whether somebody here wants their events. Pure.

A test passes only if the events would: where a route proves by tokens, the question needs one, too.
Where it proves by signatures alone, a question that its sender cannot sign is answered.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ponderd.channels.errors import Unauthenticated
from ponderd.channels.webhook.methods import (
    Method,
    detailed,
    is_token,
)
from ponderd.channels.webhook.proof import HookSecrets, authenticate
from ponderd.channels.webhook.signed import HookRequest, is_one_of

_LONGEST = 2_000
"""Most characters of a challenge that are sent back."""


@dataclass(frozen=True, slots=True)
class ChallengeAnswer:
    """What the sender expects. A text goes out as text/plain, anything else as JSON."""

    content: Any
    headers: Mapping[str, str] | None = None
    status: int = 200


def check_unsigned(
    methods: Sequence[Method], secrets: HookSecrets, request: HookRequest, *, now: float
) -> None:
    """Check a request that its sender cannot sign, because it has no body. Raises Unauthenticated.

    Only the tokens of the route count; a route without any lets it pass.
    """
    tokens = [one for method in methods for one in detailed(method) if is_token(one)]
    if tokens:
        authenticate(tokens, secrets, request, now=now)


def asked_by_address(
    query: Mapping[str, str], headers: Mapping[str, str], method: str, secrets: HookSecrets
) -> ChallengeAnswer | None:
    """The answer to a question in the address or the headers of a request without a body. None: it
    asks nothing. Raises Unauthenticated if the question carries a wrong word of proof."""
    if "hub.challenge" in query:  # Meta, and other senders that follow WebSub
        given = query.get("hub.verify_token", "")
        if (given or secrets.tokens) and not is_one_of(
            given, [one for one in secrets.tokens if one]
        ):
            raise Unauthenticated("hub.verify_token is not the token of this source")
        return ChallengeAnswer(query["hub.challenge"][:_LONGEST])
    if method in ("GET", "POST"):
        for name in ("validationToken", "validationtoken", "challenge"):  # Graph, Dropbox
            if query.get(name):
                return ChallengeAnswer(query[name][:_LONGEST])
    if method == "OPTIONS":
        return _options(headers)
    return None


def asked_by_body(
    payload: Any, headers: Mapping[str, str], secret: Callable[[], str]
) -> ChallengeAnswer | None:
    """The answer to a question in a proven body. None: it is an event. `secret` finds the one that
    proved it."""
    if headers.get("x-github-event") == "ping" or headers.get("x-event-key") == "diagnostics:ping":
        return ChallengeAnswer({"pong": True})
    validation = _event_grid(payload)
    if validation is not None:
        return ChallengeAnswer({"validationResponse": validation})
    if not isinstance(payload, dict):
        return None
    challenge = payload.get("challenge")
    if isinstance(challenge, str) and len(challenge) <= _LONGEST:
        if headers.get("twitch-eventsub-message-type") == "webhook_callback_verification":
            return ChallengeAnswer(challenge)
        # Slack and Lark name it; monday.com sends nothing else.
        if payload.get("type") == "url_verification" or len(payload) == 1:
            return ChallengeAnswer({"challenge": challenge})
    if payload.get("event") == "endpoint.url_validation":
        return _zoom(payload, secret())
    if _is_ping(payload):
        return ChallengeAnswer({"pong": True})
    return None


def _is_ping(payload: dict[str, Any]) -> bool:
    """Whether it is the test of PagerDuty, which says nothing."""
    event = payload.get("event")
    return isinstance(event, dict) and event.get("event_type") == "pagey.ping"


def _options(headers: Mapping[str, str]) -> ChallengeAnswer:
    allow = {"allow": "GET, HEAD, OPTIONS, POST"}
    origin = headers.get("webhook-request-origin", "")
    if not origin or not origin.isprintable():
        return ChallengeAnswer("", allow, 204)
    # CloudEvents: without these, the sender may not send.
    granted = {"webhook-allowed-origin": origin[:_LONGEST], "webhook-allowed-rate": "*"}
    return ChallengeAnswer("", {**allow, **granted})


def _event_grid(payload: Any) -> str | None:
    """The code by which Azure Event Grid knows that its events are wanted."""
    event = payload[0] if isinstance(payload, list) and len(payload) == 1 else None
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        return None
    if event.get("eventType") != "Microsoft.EventGrid.SubscriptionValidationEvent":
        return None
    code = event["data"].get("validationCode")
    return code if isinstance(code, str) and len(code) <= _LONGEST else None


def _zoom(payload: dict[str, Any], secret: str) -> ChallengeAnswer | None:
    inner = payload.get("payload")
    plain = inner.get("plainToken") if isinstance(inner, dict) else None
    if not isinstance(plain, str) or len(plain) > _LONGEST or not secret:
        return None
    key, text = (word.encode("utf-8", "replace") for word in (secret, plain))
    encrypted = hmac.new(key, text, hashlib.sha256).hexdigest()
    return ChallengeAnswer({"plainToken": plain, "encryptedToken": encrypted})
