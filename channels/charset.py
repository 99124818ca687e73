"""Bytes as the text that their writer typed. Pure."""

from __future__ import annotations

import codecs


def decode(data: bytes, label: str = "") -> str:
    try:
        if codecs.lookup(label).name not in ("punycode", "idna", "ascii"):
            return data.decode(label, "replace")
    except (LookupError, ValueError, TypeError):
        pass
    return data.decode("utf-8", "replace")
