"""Slack's ids, as they stand in events. Pure."""

from __future__ import annotations

import re
from typing import Any

from ponderd.channels.errors import Malformed


def id_field(fields: dict[str, Any], name: str) -> str:
    """The id or timestamp in the field `name`. Raises Malformed."""
    value = fields.get(name)
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z0-9._-]{1,80}", value):
        raise Malformed(f"{name}: expected one of Slack's ids")
    return value
