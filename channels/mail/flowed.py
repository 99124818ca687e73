"""Plain text with format=flowed (RFC 3676). Pure."""

from __future__ import annotations


def unflow(text: str, *, delsp: bool) -> str:
    return text
