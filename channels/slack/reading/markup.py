"""Slack's markup as the text that a person typed and sees. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import unquote

from ponderd.channels.slack.reading.emoji_names import with_emoji
from ponderd.channels.slack.reading.view import View
from ponderd.channels.text import clean

# Code, a reference, and an address that Slack left as it is: in none of them is an emoji meant.
_PARTS = re.compile(
    r"(?P<code>```.+?```|`[^`\n]+`)|<(?P<reference>[^<>]*)>|(?P<address>https?://[^\s<>|]+)",
    re.DOTALL,
)
_REFERENCE = re.compile(r"<([^<>]*)>")
_IS_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{0,30}:", re.IGNORECASE)
_SCHEME = re.compile(r"(?:https?://|mailto:|tel:|sip:|ftp://)", re.IGNORECASE)


def plain(text: str, view: View) -> str:
    """Slack's mrkdwn as text. Emphasis and code keep their marks; a mention of us becomes `US`."""
    read: list[str] = []
    at = 0
    text = clean(text)
    for part in _PARTS.finditer(text):
        read.append(with_emoji(unescaped(text[at : part.start()]), view.emoji))
        if part["code"]:
            inner = _REFERENCE.sub(lambda found: _spelled(found[1], view, False), part["code"])
            read.append(unescaped(inner))
        elif part["reference"] is not None:
            read.append(_spelled(part["reference"], view, True))
        else:
            read.append(unescaped(part["address"]))
        at = part.end()
    read.append(with_emoji(unescaped(text[at:]), view.emoji))
    return "".join(read)


def unescaped(text: str) -> str:
    """Slack's three escapes as characters, once."""
    # &amp; last, or a literal "&lt;" (sent as "&amp;lt;") would become "<".
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def link(url: str, label: str) -> str:
    """A link: its label with the address, unless the label is the address that was typed."""
    if not label or not url:
        return label or re.sub("^(?:mailto|tel):", "", url)
    return label if _same(url, label) else f"{label} ({url.removeprefix('mailto:')})"


def moment(timestamp: object) -> str:
    """Such as "2026-03-01 09:15 UTC" of Slack's seconds. Empty: they are none."""
    if not isinstance(timestamp, str | int | float) or isinstance(timestamp, bool):
        return ""
    try:
        return datetime.fromtimestamp(float(timestamp), UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return ""


def _spelled(reference: str, view: View, with_emojis: bool) -> str:
    """What stands between < and >."""
    target, _, label = reference.partition("|")
    target, label = unescaped(target), unescaped(label)
    match target[:1]:
        case "@":
            return view.person(target[1:], label)
        case "#":
            return view.names.channel(target[1:], label)
        case "!":
            return _special(target[1:], label, view)
    if not _IS_ADDRESS.match(target):
        return f"<{unescaped(reference)}>"  # no reference of Slack's, but somebody's own brackets
    if with_emojis and not _same(target, label):
        label = with_emoji(label, view.emoji)
    return link(target, label)


def _special(target: str, label: str, view: View) -> str:
    kind, _, rest = target.partition("^")
    match kind:
        case "subteam":
            return view.names.group(rest.partition("^")[0], label)
        case "date":
            seconds, _, form = rest.partition("^")
            return link(form.partition("^")[2], label or moment(seconds))
        case "here" | "channel" | "everyone" | "group":
            return "@" + kind
        case _:
            return label or "@" + kind


def _same(url: str, label: str) -> bool:
    """Whether the label is the address itself, as people write it."""
    return _core(url) == _core(label) or (
        len(label) > 8 and label[-1] == "…" and _core(url).startswith(_core(label[:-1]))
    )


def _core(address: str) -> str:
    if address.lower().startswith(("tel:", "sip:")) or re.fullmatch(r"[+\d][\d\s()./-]*", address):
        return re.sub(r"[^\d+]", "", address)
    return unquote(_SCHEME.sub("", address, count=1)).rstrip("/").lower()
