"""How a sender proves itself: the methods, and those of well-known senders by name. Pure.

Each method is data that an operator may write in ponderd.toml; proof.py checks it.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from ponderd.channels.message import Frozen
from ponderd.channels.signature import WINDOW

PIECE = re.compile(r"\{([A-Za-z0-9_-]{1,100})\}")
"""A piece of what is signed: body, timestamp, url, method, or the name of a header."""

_HEADER = r"^[A-Za-z0-9_-]{1,100}$"


class Hmac(Frozen):
    """A keyed hash of the body, in a header."""

    type: Literal["hmac"]
    header: str = Field(pattern=_HEADER, description="header of the signature")
    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64", "base64url"] = "hex"
    prefix: str = Field("", description="what stands before the signature: sha256=, v1=")
    separator: str = Field(
        "", max_length=1, description="what stands between several entries of the header"
    )
    signed: str = Field(
        "{body}",
        description="what is signed; {body}, {timestamp}, {url}, {method} and {name-of-a-header} "
        "stand for themselves",
    )
    timestamp: str = Field(
        "", description="header of the time; with = at its end, an entry of the signature's header"
    )
    tolerance: float = Field(
        WINDOW, gt=0, description="seconds by which the time may differ from ours"
    )
    key: Literal["text", "hex", "base64"] = Field("text", description="how the secret is written")

    @field_validator("signed")
    @classmethod
    def _body_is_signed(cls, value: str) -> str:
        if "{body}" not in value:
            raise ValueError("signed must hold {body}, or the body could be any other")
        return value

    @model_validator(mode="after")
    def _time_is_signed(self) -> Self:
        if bool(self.timestamp) != ("{timestamp}" in self.signed):
            raise ValueError("timestamp and the piece {timestamp} of signed need each other")
        return self


class StandardWebhooks(Frozen):
    """Standard Webhooks: PREFIX-id, PREFIX-timestamp and PREFIX-signature."""

    type: Literal["standard"]
    prefix: str = Field("webhook", pattern=_HEADER, description="how the three headers begin")


class TwilioSignature(Frozen):
    """X-Twilio-Signature, over the public URL and the fields of the form."""

    type: Literal["twilio"]


class TokenHeader(Frozen):
    """A secret word in a header."""

    type: Literal["header"]
    header: str = Field(pattern=_HEADER)
    prefix: str = Field("", description="what stands before the token")


class TokenQuery(Frozen):
    """A secret word in the address. Addresses are logged in many places: only for senders that can
    do nothing else."""

    type: Literal["query"]
    name: str = Field("token", min_length=1, max_length=100)


class Bearer(Frozen):
    """Authorization: Bearer TOKEN."""

    type: Literal["bearer"]


class Basic(Frozen):
    """Authorization: Basic. The secret is user:password, or the password if `user` is given."""

    type: Literal["basic"]
    user: str | None = None


Detailed = Annotated[
    Hmac | StandardWebhooks | TwilioSignature | TokenHeader | TokenQuery | Bearer | Basic,
    Field(discriminator="type"),
]

Sender = Literal[
    "basic",
    "bearer",
    "bitbucket",
    "circleci",
    "dropbox",
    "gitea",
    "github",
    "gitlab",
    "grafana",
    "intercom",
    "jira",
    "linear",
    "meta",
    "pagerduty",
    "sentry",
    "shopify",
    "slack",
    "standard",
    "stripe",
    "svix",
    "teams",
    "twilio",
    "twitch",
    "typeform",
    "zendesk",
    "zoom",
]

Method = Sender | Detailed
"""What may stand in `verify`: the name of a sender, or a table with `type`."""

_STANDARD = (
    StandardWebhooks(type="standard"),
    StandardWebhooks(type="standard", prefix="svix"),
)
# WebSub, and what goes back to it. Never with sha1 unless an operator writes that down.
_HUB = Hmac(type="hmac", header="x-hub-signature", prefix="sha256=")
_GITHUB = Hmac(type="hmac", header="x-hub-signature-256", prefix="sha256=")

_BY_NAME: dict[str, tuple[Detailed, ...]] = {
    "basic": (Basic(type="basic"),),
    "bearer": (Bearer(type="bearer"),),
    "bitbucket": (_HUB,),
    "circleci": (Hmac(type="hmac", header="circleci-signature", separator=",", prefix="v1="),),
    "dropbox": (Hmac(type="hmac", header="x-dropbox-signature"),),
    "gitea": (
        _GITHUB,
        Hmac(type="hmac", header="x-forgejo-signature"),
        Hmac(type="hmac", header="x-gitea-signature"),
    ),
    "github": (_GITHUB, _HUB),
    "gitlab": (_STANDARD[0], TokenHeader(type="header", header="x-gitlab-token")),
    "grafana": (Hmac(type="hmac", header="x-grafana-alerting-signature"),),
    "intercom": (Hmac(type="hmac", header="x-hub-signature", algorithm="sha1", prefix="sha1="),),
    "jira": (_HUB,),
    "linear": (Hmac(type="hmac", header="linear-signature"),),
    "meta": (_GITHUB,),
    "pagerduty": (Hmac(type="hmac", header="x-pagerduty-signature", separator=",", prefix="v1="),),
    "sentry": (Hmac(type="hmac", header="sentry-hook-signature"),),
    "shopify": (Hmac(type="hmac", header="x-shopify-hmac-sha256", encoding="base64"),),
    "slack": (
        Hmac(
            type="hmac",
            header="x-slack-signature",
            prefix="v0=",
            signed="v0:{timestamp}:{body}",
            timestamp="x-slack-request-timestamp",
        ),
    ),
    "standard": _STANDARD,
    "stripe": (
        Hmac(
            type="hmac",
            header="stripe-signature",
            separator=",",
            prefix="v1=",
            signed="{timestamp}.{body}",
            timestamp="t=",
        ),
    ),
    "svix": _STANDARD,
    "teams": (
        Hmac(type="hmac", header="authorization", prefix="HMAC ", encoding="base64", key="base64"),
    ),
    "twilio": (TwilioSignature(type="twilio"),),
    "twitch": (
        Hmac(
            type="hmac",
            header="twitch-eventsub-message-signature",
            prefix="sha256=",
            signed="{twitch-eventsub-message-id}{timestamp}{body}",
            timestamp="twitch-eventsub-message-timestamp",
            tolerance=600,
        ),
    ),
    "typeform": (
        Hmac(type="hmac", header="typeform-signature", prefix="sha256=", encoding="base64"),
    ),
    "zendesk": (
        Hmac(
            type="hmac",
            header="x-zendesk-webhook-signature",
            encoding="base64",
            signed="{timestamp}{body}",
            timestamp="x-zendesk-webhook-signature-timestamp",
        ),
    ),
    "zoom": (
        Hmac(
            type="hmac",
            header="x-zm-signature",
            prefix="v0=",
            signed="v0:{timestamp}:{body}",
            timestamp="x-zm-request-timestamp",
        ),
    ),
}
SENDERS: tuple[str, ...] = get_args(Sender)


def is_token(method: Detailed) -> bool:
    """Whether what proves a sender travels in clear, and no signature."""
    return isinstance(method, Bearer | Basic | TokenHeader | TokenQuery)


def detailed(method: Method) -> tuple[Detailed, ...]:
    """The methods that a name stands for; a table stands for itself."""
    return _BY_NAME[method] if isinstance(method, str) else (method,)
