"""Incoming webhooks: what of a delivery becomes a trigger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ponderd.channels.destination import read_destination, split_callback
from ponderd.channels.errors import Malformed, Refused
from ponderd.channels.message import Address, Ignored, Trigger
from ponderd.channels.text import clean, one_line
from ponderd.channels.webhook.body import Body
from ponderd.channels.webhook.callback import is_listed, refuse_literal
from ponderd.channels.webhook.route import WebhookRoute
from ponderd.channels.webhook.template import Rendered, holds, is_template
from ponderd.channels.webhook.values import as_json

# Characters of an id, an agent's name or a conversation's name.
_LIMIT = 200

ID_HEADERS = (
    "webhook-id",  # Standard Webhooks
    "svix-id",
    "idempotency-key",  # GitLab and many others
    "x-github-delivery",
    "x-gitea-delivery",
    "x-forgejo-delivery",
    "x-gogs-delivery",
    "x-request-uuid",  # Bitbucket
    "x-atlassian-webhook-identifier",
    "linear-delivery",
    "x-shopify-webhook-id",
    "i-twilio-idempotency-token",
    "x-zendesk-webhook-invocation-id",
    "twitch-eventsub-message-id",
    "x-amz-sns-message-id",
    "x-pandadoc-webhook-event-id",
)
"""Senders put their id of a delivery into one of these headers. Retries have the same id."""

_SHARED_IDS = ("x-gitlab-event-uuid", "x-gitlab-webhook-uuid")
"""Headers that several events may share: one is the same only if its body is, too. GitLab hands the
id of an event on to those that it caused."""


def keys_of(source: str, headers: Mapping[str, str], body: Body, id: str = "") -> tuple[str, ...]:
    """The keys of a trigger. `id` is what the route says. Each kind of id is a name space."""
    ids = [("id", id)] if id else []
    if body.id:  # a header names the whole request, which may be a batch of events
        ids.append(("ce-id", body.id))
    else:
        ids += [(name, headers[name]) for name in ID_HEADERS if headers.get(name)]
        same = _digest(body.payload)
        ids += [(name, f"{headers[name]}:{same}") for name in _SHARED_IDS if headers.get(name)]
    return tuple(f"webhook:{source}:{name}:{_short(value)}" for name, value in ids)


def parse(
    source: str,
    route: WebhookRoute,
    headers: Mapping[str, str],
    body: Body,
    rendered: Mapping[str, Rendered],
    *,
    new_id: Callable[[], str],
    callback_allow: Collection[str] = (),
) -> Trigger | Ignored:
    """Read one event of an authenticated request. Raises Malformed for a field of ours that is of
    the wrong kind, and for an answer that may not go where the payload wants it.

    `rendered` are the templates of the route. Where a route has `text`, no field of the payload has
    a meaning for us. Without a `conversation` the event opens a new one. It is named after the
    sender's id of the event, so that a repeat lands in it, or else after `new_id()`.
    """
    done = {field: clean(one.text) for field, one in rendered.items()}
    if "when" in done and not holds(done["when"]):
        # Not let in all the same: a stranger could make it fail.
        failed = not done["when"].strip() and rendered["when"].problems
        return Ignored(reason="when_failed" if failed else "when")
    fields = body.payload if isinstance(body.payload, dict) and route.text is None else {}
    text = _text(route, body, fields, rendered.get("text"))
    if not text.strip():
        return Ignored(reason="empty")
    keys = keys_of(source, headers, body, one_line(done.get("id", ""), 10_000))
    if route.conversation is None:
        conversation = _conversation(fields.get("conversation"))
    else:
        given = done.get("conversation", route.conversation)
        conversation = _short(one_line(given, 10_000)) or None
    agent = _agent(fields.get("agent")) if route.agent_from_payload else None
    if agent is None and route.agent:
        agent = one_line(done.get("agent", route.agent)) or None
    reply_to = _reply_to(route, fields, done.get("answer", ""), callback_allow)
    return Trigger(
        channel="webhook",
        keys=keys,
        digest=_digest([text, conversation, agent, reply_to and reply_to.model_dump()]),
        conversation=conversation or (keys[0] if keys else f"webhook:{source}:{new_id()}"),
        source=source,
        text=text,
        sender=f"webhook:{source}",
        name=one_line(done.get("sender", route.sender or "")),
        agent=agent,
        authentic=True,
        reply_to=reply_to,
    )


def _text(
    route: WebhookRoute, body: Body, fields: Mapping[str, Any], rendered: Rendered | None
) -> str:
    if route.text is not None:
        text = clean(rendered.text if rendered else route.text)
        # A template that says nothing wants nothing; one that failed loses no delivery.
        return text if text.strip() or not (rendered and rendered.problems) else _json(body.payload)
    given = fields.get("text")
    text = clean(given) if isinstance(given, str) else ""
    text = text if text.strip() else clean(body.text or "")
    return text if text.strip() else _json(body.payload)


def _json(payload: Any) -> str:
    try:
        return clean(as_json(payload))
    except (ValueError, RecursionError):
        raise Malformed("the JSON is nested too deeply") from None


def _digest(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _short(name: str) -> str:
    """A name of any length and of any characters, as one that fits."""
    if len(name) <= _LIMIT and clean(name) == name:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{clean(name)[: _LIMIT - 33]}:{digest}"


def _conversation(value: object) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Malformed("conversation: expected a string or a number")
    name = str(value)
    if len(name) > _LIMIT or clean(name) != name or not name.strip():
        raise Malformed(f"conversation: at most {_LIMIT} printable characters")
    return name


def _agent(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value or len(value) > _LIMIT or not value.isprintable():
        raise Malformed("agent: expected the name of an agent")
    return value


def _reply_to(
    route: WebhookRoute, fields: Mapping[str, Any], filled: str, callback_allow: Collection[str]
) -> Address | None:
    if route.answer is None:
        given = fields.get("reply_to")
        return (
            None if given is None else Address(channel="webhook", to=_callback("reply_to", given))
        )
    if not is_template(route.answer):
        return read_destination(route.answer)
    if not filled.strip():
        return None
    url = _callback("answer", filled.strip())
    if not url.lower().startswith("https:") and not is_listed(*split_callback(url), callback_allow):
        raise Malformed("answer: expected an https URL; PONDERD_CALLBACK_ALLOW may list its host")
    return Address(channel="webhook", to=url)


def _callback(field: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > 2_000 or not value.isprintable():
        raise Malformed(f"{field}: expected an http or https URL")
    try:
        refuse_literal(value, allow=None)
    except Refused as error:
        raise Malformed(f"{field}: {error}") from None
    return value
