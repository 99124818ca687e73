"""Settings of the channels, and the base class that the other two floors build on."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

# NoDecode: pydantic-settings would otherwise read the variable as JSON.
CommaList = Annotated[tuple[str, ...], NoDecode]


class PonderdSettings(BaseSettings):
    """Reads `PONDERD_*` from the environment. An empty variable counts as not set."""

    model_config = SettingsConfigDict(
        env_prefix="PONDERD_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    data_dir: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("ponderd"),
        description="folder for state, secrets, logs and outgoing mail",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _split_commas(cls, value: object, info: object) -> object:
        name = getattr(info, "field_name", "")
        if isinstance(value, str) and cls.model_fields[name].annotation == tuple[str, ...]:
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("*")
    @classmethod
    def _absolute(cls, value: object) -> object:
        """A path means the same file also after a tool changed the folder of its worker."""
        return value.absolute() if isinstance(value, Path) else value


class ChannelSettings(PonderdSettings):
    webhook_secret: SecretStr | None = Field(
        None,
        description="Standard Webhooks secret (whsec_…): checks inbound webhooks and signs "
        "outbound ones",
    )
    signing_secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="signs approval links and the marks in our mails; without it there are no "
        "links, and no mail can prove who wrote it",
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s]+$",
        description="URL at which people reach this daemon, the base of approval links; "
        "`ponderd up` uses its own address if this is not set",
    )
    callback_allow: CommaList = Field(
        (),
        description="hosts that reply_to may name although they are not public addresses, or have "
        "another port than 80, 443, 8080 or 8443; comma-separated, host or host:port",
    )
    slack_bot_token: SecretStr | None = Field(None, description="Slack bot token (xoxb-…)")
    slack_bot_token_file: Path | None = Field(
        None,
        description="file with the Slack bot token, read again when it changes; for several "
        "workspaces a line T0123=xoxb-… each (E0123=… for an organisation)",
    )
    slack_app_token: SecretStr | None = Field(
        None, description="Slack app-level token (xapp-…): turns Socket Mode on"
    )
    slack_signing_secret: SecretStr | None = Field(
        None, description="Slack signing secret: turns POST /slack/events on"
    )
    slack_config_token: SecretStr | None = Field(
        None,
        description="Slack configuration token (xoxe.xoxp-…, it lives for 12 hours): only "
        "`ponderd doctor` uses it, to compare the app's events with the manifest",
    )
    slack_api_url: str = Field("https://slack.com/api/", description="base of the Slack Web API")
    slack_allow: CommaList = Field(
        (),
        description="who may write to agents in Slack besides the members of the own workspace; "
        "comma-separated: guests, a team T…, a person U…, everybody in a channel C…",
    )
    slack_bots: CommaList = Field(
        (),
        description="bots and programs that may start agents in Slack; comma-separated: a bot B…, "
        "an app A…, a person U… whose own programs write for them, or workflows",
    )
    slack_bot_hourly: int = Field(
        20, ge=1, description="messages that are taken from one bot in one channel within an hour"
    )
    slack_silence_hours: float = Field(
        12,
        gt=0,
        description="silence after which a direct message in Slack begins a new conversation",
    )
    slack_file_size: int = Field(
        25 * 1024 * 1024,
        ge=64 * 1024,
        description="most bytes of all files of one Slack message that are fetched; larger ones "
        "are named",
    )
    notify_allow: CommaList = Field(
        (),
        description="where agents may write with the tool notify; comma-separated: slack:C0123, "
        "email:ops@example.com, email:@example.com, sms:+15550100, https://hooks.example.com",
    )
    twilio_account_sid: str | None = Field(
        None,
        pattern=r"^AC\w+$",
        description="SID of the Twilio account (AC…) that sends our text messages",
    )
    twilio_auth_token: SecretStr | None = Field(
        None,
        description="its auth token: sends text messages, and checks those of webhooks with "
        'preset = "twilio" or verify = "twilio"',
    )
    twilio_from: str | None = Field(
        None,
        pattern=r"^(\+[1-9][0-9]{4,14}|[0-9]{3,8}|MG\w+|whatsapp:\+[1-9][0-9]{4,14})$",
        description="the number that our text messages come from (+15550100), or a messaging "
        "service (MG…); an answer comes from the number that was written to",
    )
    twilio_api_url: str = Field(
        "https://api.twilio.com",
        pattern=r"^https?://[^\s]+$",
        description="base of Twilio's API; the data of some accounts stay in a region "
        "(https://api.dublin.ie1.twilio.com)",
    )
    smtp_relay: str | None = Field(
        None,
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^:\s\[\]]+):\d{1,5}$",
        description="host:port of the server that sends our mail on; on port 465 TLS begins at "
        "once; without it, mail is written to the folder outbox in the data folder",
    )
    smtp_relay_tls: Literal["auto", "verify", "opportunistic", "off"] = Field(
        "auto",
        description="TLS to the relay: verify (always, with a certificate for its name; a CA of "
        "your own goes into SSL_CERT_FILE), opportunistic (if it is offered, whatever the "
        "certificate), off, or auto: opportunistic on this machine, otherwise verify",
    )
    smtp_relay_user: str | None = Field(None, description="name for the login at the relay")
    smtp_relay_password: SecretStr | None = Field(
        None, description="password for the login at the relay"
    )
    mail_domain: str = Field(
        "ponderd.localhost",
        pattern=r"^[^@\s,;:/*]+$",
        description="mail domain: each agent has a mailbox there",
    )
    mail_allow: CommaList = Field(
        (),
        description="senders whom agents answer; comma-separated, address or @domain; "
        "default: anyone at PONDERD_MAIL_DOMAIN",
    )
    mail_size: int = Field(
        25 * 1024 * 1024,
        ge=64 * 1024,
        description="most bytes of one mail that is taken, its attachments as they travel",
    )
    blobs: str | None = Field(
        None,
        description="where the contents of attachments are kept: a folder or s3://bucket/prefix; "
        "the same for the daemon and all workers; default: the folder blobs in the data folder",
    )
    mail_from_name: str = Field(
        "{agent}",
        description="display name of our mails; {agent} stands for the agent's name",
    )
    mail_signature: str = Field(
        "", description=r"text below each of our mails; \n in it begins a new line"
    )
    mail_quote: bool = Field(False, description="quote the mail that is answered below the answer")
    mail_reply_all: bool = Field(
        False, description="send an answer to the other recipients of the mail, too"
    )
    mail_hourly: int = Field(
        300,
        ge=1,
        description="mails that are taken from one sender within an hour; the sender of more is "
        "told so",
    )
    mail_authentication: str = Field(
        "off",
        pattern=r"^(off|dkim|relay:[^\s;]+)$",
        description="what proves that a mail comes from the address in From: `relay:ID` (the "
        "Authentication-Results of your mail server with that authserv-id; `relay:microsoft365` "
        "for Microsoft 365), `dkim` (signatures verified here), or `off` (a reply to our own mail "
        "is proof enough)",
    )
    mail_require_proof: bool = Field(
        False,
        description="refuse all mail of which PONDERD_MAIL_AUTHENTICATION does not prove that it "
        "comes from the address in From",
    )

    @field_validator("notify_allow")
    @classmethod
    def _allowed_are_destinations(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        from ponderd.channels.destination import check_rule
        from ponderd.channels.errors import Malformed

        try:
            return tuple(map(check_rule, value))
        except Malformed as error:
            raise ValueError(str(error)) from error

    @field_validator("slack_allow")
    @classmethod
    def _allowed_are_ids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _ids(value, r"guests|[TEUWCGD][A-Z0-9]+", "guests, T0123, U0123 or C0123")

    @field_validator("slack_bots")
    @classmethod
    def _bots_are_ids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _ids(value, r"workflows|[BAUW][A-Z0-9]+", "B0123, A0123, U0123 or workflows")

    @field_validator("smtp_relay")
    @classmethod
    def _relay_has_a_port(cls, value: str | None) -> str | None:
        if value is not None and not 0 < int(value.rpartition(":")[2]) < 2**16:
            raise ValueError("there is no such port")
        return value

    @field_validator("smtp_relay_password")
    @classmethod
    def _password_has_a_name(
        cls, value: SecretStr | None, others: ValidationInfo
    ) -> SecretStr | None:
        if value is not None and others.data.get("smtp_relay_user") is None:
            raise ValueError("needs PONDERD_SMTP_RELAY_USER, without which nobody logs in")
        return value

    @field_validator("mail_allow")
    @classmethod
    def _allowed_are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            if "@" not in entry[:-1] or re.search(r"[*\s<>]", entry):
                domain = entry.rpartition("@")[2].strip("*.<> ") or "example.com"
                raise ValueError(f"{entry!r} is no address; for a whole domain write @{domain}")
        return value

    @field_validator("mail_authentication")
    @classmethod
    def _dkim_is_installed(cls, value: str) -> str:
        if value == "dkim" and not (find_spec("dkim") and find_spec("dns")):
            raise ValueError("to verify signatures here, install ponderd[dkim]")
        return value

    @field_validator("mail_signature")
    @classmethod
    def _signature_has_lines(cls, value: str) -> str:
        return value.replace(r"\n", "\n")

    @field_validator("mail_require_proof")
    @classmethod
    def _proof_is_possible(cls, value: bool, others: ValidationInfo) -> bool:
        if value and others.data.get("mail_authentication") == "off":
            raise ValueError("needs PONDERD_MAIL_AUTHENTICATION, without which nothing is proven")
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _webhook_secret_is_standard(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            from ponderd.channels.signature import standard_key

            standard_key(value.get_secret_value())
        return value

    @property
    def signing_key(self) -> bytes:
        """The key for marks and links. Empty if PONDERD_SIGNING_SECRET is not set."""
        secret = self.signing_secret
        return secret.get_secret_value().encode() if secret else b""

    @property
    def outbox(self) -> Path:
        """The folder for outgoing mail if no relay is configured."""
        return self.data_dir / "outbox"


def _ids(entries: tuple[str, ...], pattern: str, examples: str) -> tuple[str, ...]:
    """Raises ValueError for a name where Slack's events have an id: it would match nothing."""
    for entry in entries:
        if not re.fullmatch(pattern, entry):
            raise ValueError(f"{entry!r} is no id of Slack; write {examples}")
    return entries
