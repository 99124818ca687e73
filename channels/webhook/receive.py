"""Incoming webhooks: check who signed the request, and read its JSON as a trigger."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import Field, SecretStr, field_validator, model_validator

from ponderd.channels.errors import Malformed, Refused, Unauthenticated
from ponderd.channels.message import Address, Frozen, Trigger
from ponderd.channels.signature import (
    standard_key,
    verify_bearer,
    verify_github,
    verify_standard,
)
from ponderd.channels.text import clean
from ponderd.channels.webhook.callback import refuse_literal

# Characters of an id, an agent's name or a conversation's name.
_LIMIT = 200
_SIGNED_BY = {
    "standard": "webhook-signature",
    "github": "x-hub-signature-256",
    "bearer": "authorization",
}
# Senders put their id of a delivery into one of these headers. Retries have the same id.
_ID_HEADERS = ("webhook-id", "x-github-delivery", "idempotency-key")

_templates = ImmutableSandboxedEnvironment()


class WebhookRoute(Frozen):
    """What one source may send, and how it proves its identity."""

    agent: str | None = "assistant"
    agent_from_payload: bool = Field(
        False, description="a field `agent` in the payload overrides `agent`"
    )
    verify: tuple[Literal["standard", "github", "bearer"], ...] = Field(("standard",), min_length=1)
    text: str | None = Field(
        None,
        description="Jinja2 template of the text; its variables are the keys of the JSON object, "
        "and `payload`, which is all of it",
    )
    secret: SecretStr | None = Field(
        None, description="for github and standard; default for standard: PONDERD_WEBHOOK_SECRET"
    )
    token: SecretStr | None = Field(None, description="for bearer; default: PONDERD_API_TOKEN")

    @field_validator("text")
    @classmethod
    def _text_is_a_template(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                _templates.parse(value)
            except TemplateError as error:
                raise ValueError(f"not a Jinja2 template: {error}") from error
        return value

    @model_validator(mode="after")
    def _secret_fits(self) -> Self:
        if "github" in self.verify and not (self.secret and self.secret.get_secret_value()):
            raise ValueError("verify = github needs a secret")
        if "standard" in self.verify and self.secret is not None:
            standard_key(self.secret.get_secret_value())
        return self


def authenticate(
    route: WebhookRoute,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    standard: SecretStr | None,
    bearer: SecretStr | None,
) -> None:
    """Check who sent this request. Raises Unauthenticated.

    The first of the route's methods whose header is present decides. `standard` and `bearer` are
    this installation's own secrets, used if the route has none. `now` is in Unix seconds.
    """
    method = next((name for name in route.verify if headers.get(_SIGNED_BY[name])), None)
    secret = (route.token or bearer) if method == "bearer" else (route.secret or standard)
    if method is None or secret is None:
        expected = " or ".join(_SIGNED_BY[name] for name in route.verify)
        raise Unauthenticated(f"no signature or token: expected the header {expected}")
    value = secret.get_secret_value()
    match method:
        case "standard":
            verify_standard(standard_key(value), headers, body, now=now)
        case "github":
            verify_github(value.encode(), headers, body)
        case "bearer":
            verify_bearer(value, headers)


def parse(
    source: str,
    route: WebhookRoute,
    headers: Mapping[str, str],
    body: bytes,
    *,
    new_id: Callable[[], str],
) -> Trigger:
    """Read an authenticated request as a trigger. Raises Malformed.

    A payload without `conversation` opens a new one. It is named after the sender's id of the
    delivery, so that a repeat lands in the same conversation, or else after `new_id()`.
    """
    payload = _load(body)
    fields: dict[str, Any] = payload if isinstance(payload, dict) else {}
    keys = tuple(
        f"webhook:{source}:{_id(name, headers[name])}" for name in _ID_HEADERS if headers.get(name)
    )
    conversation = _conversation(fields.get("conversation"))
    reply_to = fields.get("reply_to")
    agent = _agent(fields.get("agent")) if route.agent_from_payload else None
    return Trigger(
        channel="webhook",
        keys=keys,
        conversation=conversation or (keys[0] if keys else f"webhook:{source}:{new_id()}"),
        source=source,
        text=_text(route, payload, fields),
        sender=f"webhook:{source}",
        agent=agent or route.agent,
        authentic=True,
        reply_to=None if reply_to is None else Address(channel="webhook", to=_callback(reply_to)),
    )


def _load(body: bytes) -> Any:
    try:
        # NaN, Infinity and 1e999: Python reads them, but they are not JSON and cannot be stored.
        return json.loads(
            body.decode("utf-8-sig"), parse_constant=_no_constant, parse_float=_finite
        )
    except RecursionError:
        raise Malformed("the JSON is nested too deeply") from None
    except ValueError as error:
        raise Malformed(f"the body is not JSON: {error}") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _text(route: WebhookRoute, payload: Any, fields: dict[str, Any]) -> str:
    try:
        if route.text is not None:
            text = _templates.from_string(route.text).render({**fields, "payload": payload})
        else:
            given = fields.get("text")
            text = given if isinstance(given, str) else ""
        text = clean(text)
        if not text.strip() and route.text is None:
            text = clean(json.dumps(payload, ensure_ascii=False, separators=(",", ":")))
    except RecursionError:
        raise Malformed("the JSON is nested too deeply") from None
    except (
        TemplateError,
        AttributeError,
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
    ) as error:
        raise Malformed(f"the payload does not fit the route's template: {error}") from None
    if not text.strip():
        raise Malformed("the text is empty")
    return text


def _id(name: str, value: str) -> str:
    if len(value) > _LIMIT or not value.isprintable():
        raise Malformed(f"{name}: at most {_LIMIT} printable characters")
    return value


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


def _callback(value: object) -> str:
    if not isinstance(value, str) or len(value) > 2_000 or not value.isprintable():
        raise Malformed("reply_to: expected an http or https URL")
    try:
        refuse_literal(value, allow=None)
    except Refused as error:
        raise Malformed(f"reply_to: {error}") from None
    return value
