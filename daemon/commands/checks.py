"""What one check of `ponderd doctor` found."""

from __future__ import annotations

from typing import Literal

from ponderd.channels.message import Frozen

Severity = Literal["ok", "warn", "fail"]


class Check(Frozen):
    """The result of one check."""

    name: str
    level: Severity
    found: str
    """What doctor saw, good or bad."""
    advice: str = ""
    """What to do about it. Empty: nothing."""
