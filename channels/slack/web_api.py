"""Slack's Web API: a client, and what its errors mean."""

from __future__ import annotations

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from ponderd.channels.settings import ChannelSettings

TIMEOUT = 15
"""Seconds that one call may take."""

# Errors that pass. Slack will refuse any other request again.
TRANSIENT = (
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
)


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
