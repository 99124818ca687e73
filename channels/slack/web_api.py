"""Slack's Web API: clients for one or several workspaces, and what its errors mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import SecretStr
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from ponderd.channels.errors import DeliveryError
from ponderd.channels.settings import ChannelSettings

TIMEOUT = 15
"""Seconds that one call may take."""

# What passes by itself. Slack will refuse any other request again.
TRANSIENT = frozenset(
    "ratelimited rate_limited message_limit_exceeded internal_error fatal_error server_error "
    "service_unavailable request_timeout team_added_to_org".split()
)
# What is wrong with the message or its place for good. Every other error, known or not, is one that
# an operator can mend: a token, a scope, a membership, a preference of the workspace.
HOPELESS = frozenset(
    "is_archived no_text msg_too_long msg_blocks_too_long invalid_blocks invalid_blocks_format "
    "attachment_payload_limit_exceeded too_many_attachments too_many_contact_cards "
    "invalid_arguments invalid_arg_name invalid_array_arg invalid_charset invalid_form_data "
    "invalid_json json_not_object invalid_post_type missing_post_type missing_charset "
    "invalid_metadata_format invalid_metadata_schema metadata_too_large markdown_text_conflict "
    "as_user_not_supported deprecated_endpoint method_deprecated unknown_method".split()
)
ErrorKind = Literal["passes", "mendable", "never"]

_FILE_LIMIT = 100_000
_LINE = re.compile(r"(?:([TE][A-Z0-9]{1,30})[ \t]*[=:][ \t]*)?([!-<>-~]{6,500})")
_VARIABLE = "PONDERD_SLACK_BOT_TOKEN"

_HINTS = {
    "not_in_channel": "invite the bot to {channel}: write /invite @ponderd there",
    "channel_not_found": "{channel} does not exist, or the bot does not see it: invite the bot "
    "there (/invite @ponderd), or mend the id",
    "no_permission": "invite the bot to {channel}",
    "restricted_action": "the workspace does not let the bot post in {channel}: an admin can",
    "restricted_action_read_only_channel": "{channel} is read-only for the bot: an admin can let "
    "it post there",
    "restricted_action_thread_only_channel": "only replies are allowed in {channel}: an admin can "
    "let the bot post there",
    "messages_tab_disabled": "turn the Messages tab on under App Home",
    "missing_scope": "add the scope {needed} to the app and install it again",
    "ekm_access_denied": "an admin has suspended posting with Enterprise Key Management",
    "team_access_not_granted": "install the app in the workspace of {channel}, too",
    "user_not_found": "{channel} is nobody whom the bot sees: mend the id",
    "is_archived": "{channel} is archived",
}
_TOKEN_ERRORS = frozenset(
    "invalid_auth not_authed account_inactive token_revoked token_expired "
    "not_allowed_token_type two_factor_setup_required".split()
)


class Workspaces:
    """The bot tokens, one for each workspace or organisation, and clients that use them.

    PONDERD_SLACK_BOT_TOKEN_FILE is read anew for every client, so that a new token is used at once
    and by every process; it comes before PONDERD_SLACK_BOT_TOKEN, which is read at the start.
    """

    def __init__(self, settings: ChannelSettings) -> None:
        self.settings = settings

    def client(self, team: str = "", enterprise: str = "") -> AsyncWebClient:
        """A client for the workspace `team` of the organisation `enterprise`, as far as they are
        known. Raises DeliveryError (mendable) if there is no token for it."""
        return web_client(self.settings, self.token(team, enterprise))

    def clients(self, team: str = "", enterprise: str = "") -> list[AsyncWebClient]:
        """The client for that workspace; those of all, if there are several and none is named.
        Raises DeliveryError (mendable) if there is no token for it."""
        tokens = self.tokens()
        if team or enterprise or "" in tokens or len(tokens) == 1:
            return [self.client(team, enterprise)]
        return [web_client(self.settings, token) for token in tokens.values()]

    def token(self, team: str = "", enterprise: str = "") -> str:
        """Raises DeliveryError (mendable) if there is none, or if the file cannot be read."""
        tokens = self.tokens()
        for place in (team, enterprise, ""):
            if place in tokens:
                return tokens[place]
        organisations = [place for place in tokens if place.startswith("E")]
        if len(organisations) == 1 and not enterprise:  # of all its workspaces
            return tokens[organisations[0]]
        if len(tokens) == 1 and not team and not enterprise:
            return next(iter(tokens.values()))
        path = self.settings.slack_bot_token_file
        if place := team or enterprise:
            raise _unusable(
                f"no token for the Slack workspace {place}: add a line {place}=xoxb-… to {path}"
            )
        raise _unusable(f"{path} has several workspaces, and it is not known which one is meant")

    def tokens(self) -> Mapping[str, str]:
        """All of them by team or organisation; "" is the one for all others. Raises DeliveryError
        (mendable) if there is none."""
        path, token = self.settings.slack_bot_token_file, self.settings.slack_bot_token
        if path is not None:
            return read_tokens(_content(path), str(path))
        if token is not None and (found := token.get_secret_value().strip()):
            return {"": found}
        raise _unusable(f"{_VARIABLE} is not set")


def is_configured(settings: ChannelSettings) -> bool:
    """Whether a bot token is named at all."""
    token: SecretStr | None = settings.slack_bot_token
    return token is not None or settings.slack_bot_token_file is not None


def read_tokens(text: str, name: str) -> dict[str, str]:
    """The tokens in the file `name`: one alone, or lines T0123=xoxb-…, E0123=xoxb-….

    Blank lines and those that begin with # do not count. Raises DeliveryError (mendable), which
    never shows a token.
    """
    tokens: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise _unusable(f"{name}, line {number}: expected xoxb-… or T0123=xoxb-…")
        place = found[1] or ""
        if place in tokens:
            raise _unusable(f"{name}, line {number}: a second token for {place or 'all the rest'}")
        tokens[place] = found[2]
    if not tokens:
        raise _unusable(f"{name} holds no token")
    return tokens


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_FILE_LIMIT).decode("utf-8", "replace")
    except OSError as error:
        raise _unusable(f"{path}: {error.strerror or error}") from error


def _unusable(why: str) -> DeliveryError:
    return DeliveryError(f"Slack: {why}", mendable=True)


def web_client(settings: ChannelSettings, token: str | None) -> AsyncWebClient:
    """A client of the Web API."""
    # No retries by the SDK: if only the response was lost, they would post twice.
    return AsyncWebClient(
        token=token, base_url=settings.slack_api_url, timeout=TIMEOUT, retry_handlers=[]
    )


def reason_of(error: SlackApiError) -> str:
    """Slack's error code, such as "channel_not_found", or else the HTTP status."""
    data = getattr(error.response, "data", None)
    status = getattr(error.response, "status_code", None)
    reason = data.get("error") if isinstance(data, dict) else None
    return str(reason or f"HTTP {status}")


def kind_of(reason: str) -> ErrorKind:
    """Whether an error passes by itself, can be mended by an operator, or never."""
    if reason.startswith("HTTP ") or reason in TRANSIENT:
        return "passes"
    return "never" if reason in HOPELESS else "mendable"


def delivery_error(error: SlackApiError, channel: str) -> DeliveryError:
    """What it means for a reply to `channel`, and what to do."""
    reason = reason_of(error)
    kind = kind_of(reason)
    data = getattr(error.response, "data", None)
    needed = data.get("needed") if isinstance(data, dict) else None
    hint = _HINTS.get(reason, "")
    if reason in _TOKEN_ERRORS:
        hint = f"Slack does not take the bot token: put a new one into {_VARIABLE}_FILE"
    elif hint:
        hint = hint.format(channel=channel, needed=needed or "that it lacks")
    # Slack's rate limit (HTTP 429) says in seconds when to try again.
    wait = str(getattr(error.response, "headers", {}).get("Retry-After", ""))
    return DeliveryError(
        f"Slack: {reason} ({hint})" if hint else f"Slack: {reason}",
        permanent=kind == "never",
        mendable=kind == "mendable",
        retry_after=float(wait) if wait.isdecimal() else None,
    )
