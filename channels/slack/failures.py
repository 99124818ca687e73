"""Why a call that only reads, or shows a sign, gave nothing. Whoever made it goes on without."""

from __future__ import annotations

from typing import NamedTuple

import aiohttp
from slack_sdk.errors import SlackApiError

from ponderd.channels.errors import DeliveryError
from ponderd.channels.slack.web_api import TRANSIENT, reason_of

CALL_ERRORS = (SlackApiError, aiohttp.ClientError, TimeoutError, OSError, DeliveryError)
"""What a call of the Web API raises."""


# The token is wrong: another one is used once it is there.
_NO_TOKEN = frozenset(
    "invalid_auth not_authed account_inactive token_revoked token_expired org_login_required"
    " ekm_access_denied".split()
)


class Failure(NamedTuple):
    """Why a call failed."""

    reason: str
    """Slack's own code, or what went wrong on the way."""
    passes: bool
    """The same call may soon succeed, with no change to the app or the conversation."""
    wait: float | None
    """The seconds that Slack asked to wait."""


def failure_of(error: Exception) -> Failure:
    """What one of `CALL_ERRORS` means."""
    if isinstance(error, SlackApiError):
        reason = reason_of(error)
        wait = str(getattr(error.response, "headers", {}).get("Retry-After", ""))
        passes = reason.startswith("HTTP ") or reason in _NO_TOKEN or reason in TRANSIENT
        return Failure(reason, passes, float(wait) if wait.isdecimal() else None)
    return Failure(str(error) or type(error).__name__, True, None)
