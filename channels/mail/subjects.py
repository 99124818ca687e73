"""The marks that mail programs put before a subject. Pure."""

from __future__ import annotations

import re

_FORWARD = re.compile(r"(?:fwd?|wg|tr|rv|i)\s*:", re.IGNORECASE)


def is_forward(subject: str) -> bool:
    """Whether the outermost mark says that a mail was forwarded."""
    return _FORWARD.match(subject) is not None
