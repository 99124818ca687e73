"""The secrets of this process: all that it logs, stores of a tool or answers goes by `hide`."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ponderd.channels.redaction import Redactor, secrets_in

_redactor = Redactor(secrets_in(os.environ))


def remember_secrets(values: Iterable[str] = ()) -> None:
    """Hide these values, too, and those that the environment holds by now."""
    global _redactor
    _redactor = Redactor({*_redactor.known, *values, *secrets_in(os.environ)})


def hide(text: str) -> str:
    """`text` without secrets. Cut it afterwards, or half a secret may be left at its end."""
    return _redactor(text)


def hide_and_cut(text: str, limit: int) -> str:
    """The first `limit` characters of `text` without secrets."""
    return hide(text[: limit + _MARGIN])[:limit]


_MARGIN = 4096
"""Characters after the limit that are looked at, too: a secret may begin before it."""
