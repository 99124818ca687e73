"""Slack's markup as plain text. Pure."""

from __future__ import annotations

import re

from ponderd.channels.text import clean

_REFERENCE = re.compile(r"<([^<>]*)>")


def readable(text: str, own_user: str | None = None) -> str:
    """Slack's markup as plain text, without the mention of the bot at the beginning."""
    if own_user is None:
        text = re.sub(r"^\s*<@[^<>]*>[\s,:]*", "", text)
    else:
        text = re.sub(rf"^\s*<@{re.escape(own_user)}(?:\|[^<>]*)?>[\s,:]*", "", text)
    text = _REFERENCE.sub(lambda found: _spell_out(found[1]), text)
    # &amp; last, or a literal "&lt;" (sent as "&amp;lt;") would become "<".
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return clean(text).strip()


def _spell_out(reference: str) -> str:
    target, _, label = reference.partition("|")
    match target[:1]:
        case "@" | "#" as sign:
            return sign + (label or target[1:]).removeprefix(sign)
        case "!":
            return label or "@" + target[1:].partition("^")[0]
        case _ if label and label != target.removeprefix("mailto:"):
            return f"{label} ({target})"
        case _:
            return target.removeprefix("mailto:")
