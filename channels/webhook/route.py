"""What an operator writes under [webhooks.NAME]. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self, cast

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from ponderd.channels.destination import read_destination
from ponderd.channels.errors import Malformed
from ponderd.channels.message import Frozen
from ponderd.channels.webhook.methods import (
    SENDERS,
    Detailed,
    Method,
    TokenHeader,
    TokenQuery,
    detailed,
)
from ponderd.channels.webhook.presets import PRESETS, PresetName
from ponderd.channels.webhook.proof import HookSecrets, check_secrets
from ponderd.channels.webhook.template import as_condition, check_template, is_template

# Methods for which the installation may have a secret, and one that would do for each.
_INSTALLATION = {"standard": ("whsec_AAAA",), "bearer": ("token",), "twilio": ("token",)}
_TEMPLATES = ("when", "text", "conversation", "id", "answer", "agent", "sender")
# What templates do not see: it would reach the model, and from there anybody.
_SECRET_HEADERS = ("authorization", "cookie", "token", "secret", "password", "api-key", "apikey")
_SECRET_PARAMETERS = ("token", "access_token", "secret", "api_key", "apikey", "password")


def _listed(value: object) -> object:
    """One alone stands for a list of one."""
    return value if isinstance(value, list | tuple) else (value,)


def _methods(value: object) -> object:
    """The methods, with words for an operator about one that is wrong."""
    return tuple(_method(one) for one in cast("tuple[object, ...]", _listed(value)))


def _method(value: object) -> object:
    if isinstance(value, str) and value not in SENDERS:
        raise ValueError(f"{value!r} is none of {', '.join(SENDERS)}, nor a table with type = …")
    if not isinstance(value, dict):
        return value
    try:
        return _detailed.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from None


_detailed: TypeAdapter[Detailed] = TypeAdapter(Detailed)

Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(_listed)]
"""One secret, or several while it is changed."""


class WebhookRoute(Frozen):
    """What one source may send, how it proves itself, and what becomes of it."""

    preset: PresetName | None = Field(
        None, description="a service whose fields are taken where the route has none of its own"
    )
    verify: Annotated[tuple[Method, ...], BeforeValidator(_methods)] = Field(
        ("standard",), min_length=1, description="how the sender proves itself"
    )
    secret: Secrets = Field(
        (),
        description="for signatures; default for standard: PONDERD_WEBHOOK_SECRET, for twilio: "
        "PONDERD_TWILIO_AUTH_TOKEN",
    )
    token: Secrets = Field(
        (), description="for what is sent in clear; default for bearer: PONDERD_API_TOKEN"
    )
    agent: str | None = Field("assistant", description="which agent gets it; may be a template")
    agent_from_payload: bool = Field(
        False, description="a field `agent` of the payload overrides `agent`; not with `text`"
    )
    when: str | None = Field(
        None, description="what must hold, or the delivery is ignored: a condition or a template"
    )
    text: str | None = Field(None, description="template of what the agent reads")
    conversation: str | None = Field(
        None, description="template; deliveries with the same belong to one run"
    )
    id: str | None = Field(
        None, description="template of what no other event has, where no header says it"
    )
    answer: str | None = Field(
        None, description="where the answer goes: a destination, or a template of an https URL"
    )
    sender: str | None = Field(None, description="template of the name of who did it, for display")

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, data: Any) -> Any:
        name = str(data.get("preset")) if isinstance(data, dict) else ""
        return {**PRESETS[name], **data} if name in PRESETS else data

    @field_validator(*_TEMPLATES)
    @classmethod
    def _empty_is_none(cls, value: str | None) -> str | None:
        return value or None

    @field_validator("when")
    @classmethod
    def _when_is_a_template(cls, value: str | None) -> str | None:
        if value is None:
            return None
        check_template(as_condition(value))
        return as_condition(value)

    @field_validator("text", "conversation", "id", "agent", "sender")
    @classmethod
    def _is_a_template(cls, value: str | None) -> str | None:
        if value is not None:
            check_template(value)
        return value

    @field_validator("id")
    @classmethod
    def _ids_differ(cls, value: str | None) -> str | None:
        if value is not None and not is_template(value):
            raise ValueError(
                "without a template such as {{ event.id }} all deliveries would be the same one"
            )
        return value

    @field_validator("answer")
    @classmethod
    def _answer_is_a_destination(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if is_template(value):
            check_template(value)
            if not value.lstrip().lower().startswith(("{{", "{%", "https://", "http://")):
                raise ValueError("a template gives an https URL, and no other destination")
            return value
        try:
            read_destination(value)
        except Malformed as error:
            raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _secrets_fit(self) -> Self:
        check_secrets(self.verify, self.secrets(_INSTALLATION))
        return self

    @property
    def is_sms(self) -> bool:
        """Whether people write here, by SMS. Twilio wants TwiML for an answer."""
        return self.preset == "twilio"

    def secrets(self, installation: Mapping[str, tuple[str, ...]]) -> HookSecrets:
        """All that may prove a request; `installation` holds this installation's own secrets by
        type of method, used where the route has none of the kind."""
        return HookSecrets(
            tuple(secret.get_secret_value() for secret in self.secret),
            tuple(token.get_secret_value() for token in self.token),
            installation,
        )

    def templates(self) -> dict[str, str]:
        """Field -> template, of those that have to be filled in."""
        fields = {name: getattr(self, name) for name in _TEMPLATES}
        return {name: value for name, value in fields.items() if value and is_template(value)}

    def shown_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers that templates see, names in lower case: all but those that hold secrets."""
        proofs = {
            one.header.lower()
            for method in self.verify
            for one in detailed(method)
            if isinstance(one, TokenHeader)
        }
        return {
            name.lower(): value
            for name, value in headers.items()
            if name.lower() not in proofs
            and not any(word in name.lower() for word in _SECRET_HEADERS)
        }

    def shown_query(self, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
        """The parameters of the address that templates see, likewise. Of several with one name, the
        first."""
        proofs = {
            one.name
            for method in self.verify
            for one in detailed(method)
            if isinstance(one, TokenQuery)
        }
        shown: dict[str, str] = {}
        for name, value in pairs:
            if name not in proofs and name.lower() not in _SECRET_PARAMETERS:
                shown.setdefault(name, value)
        return shown
