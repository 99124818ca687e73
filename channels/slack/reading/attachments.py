"""What is attached to a message: forwards, previews of links, what programs add. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from ponderd.channels.slack.reading.files import SlackFile, read_files
from ponderd.channels.slack.reading.markup import link, moment, plain
from ponderd.channels.slack.reading.view import (
    TOO_DEEP,
    View,
    fields,
    lines,
    listed,
    words,
)
from ponderd.channels.slack.reading.whatever import whatever
from ponderd.channels.slack.reading.whole import whole
from ponderd.channels.text import one_line

# Slack writes it where there is no text to fall back on.
_NO_FALLBACK = "[no preview available]"


@dataclass
class Attached:
    """What is attached to one message."""

    own: list[str] = field(default_factory=list)
    """What the writer typed: a table that they pasted."""
    others: list[str] = field(default_factory=list)
    """What others wrote, each below a line that says who, and what programs add."""
    files: list[SlackFile] = field(default_factory=list)


def read_attachments(attachments: object, view: View) -> Attached:
    """Read the attachments of a message, and those of what it forwards."""
    found = Attached()
    for attachment in listed(attachments):
        if view.is_too_deep:
            found.others.append(TOO_DEEP)
            break
        inner = read_attachments(attachment.get("attachments"), view.deeper())
        found.files += [*read_files(attachment), *inner.files]
        if _is_message(attachment):
            said, files = _forwarded(attachment, view)
            found.files += files
            found.others.append(lines(said, *inner.own, *inner.others))
        elif _is_preview(attachment):
            said = f"{_previewed(attachment)}\n{_added(attachment, view)}"
            found.others.append(lines(said, *inner.own, *inner.others))
        elif _is_typed(attachment):
            found.own.append(_added(attachment, view))
            found.others += [*inner.own, *inner.others]
        else:
            found.others.append(lines(_added(attachment, view), *inner.own, *inner.others))
    found.own = [text for text in found.own if text]
    return found


def _is_message(attachment: dict[str, object]) -> bool:
    """Whether it is a message of Slack, forwarded or shown below a link to it."""
    flags = ("is_share", "is_msg_unfurl", "is_reply_unfurl", "is_thread_root_unfurl")
    placed = words(attachment.get("channel_id")) and attachment.get("ts")
    return (
        bool(placed)
        or "message_blocks" in attachment
        or any(attachment.get(flag) is True for flag in flags)
    )


def _is_preview(attachment: dict[str, object]) -> bool:
    """Whether Slack or an app made it of a link in the message."""
    return any(words(attachment.get(name)) for name in ("original_url", "from_url"))


def _is_typed(attachment: dict[str, object]) -> bool:
    """Whether it holds nothing but blocks, as a table does that somebody pastes."""
    return "blocks" in attachment and not attachment.keys() - {"id", "blocks", "fallback", "color"}


def _forwarded(attachment: dict[str, object], view: View) -> tuple[str, list[SlackFile]]:
    """A message of somebody, below a line that says whose, and the files in it."""
    blocks = listed(attachment.get("blocks"))
    below: list[str] = []
    files: list[SlackFile] = []
    text = plain(words(attachment.get("text")), view)
    for entry in listed(attachment.get("message_blocks")):
        message = fields(entry.get("message"))
        blocks += listed(message.get("blocks"))
        if not text.strip():
            text = plain(words(message.get("text")), view)
        inner = read_attachments(message.get("attachments"), view.deeper())
        below += [*inner.own, *inner.others]
        files += [*read_files(message), *inner.files]
    rest = _added(attachment, view, of_a_message=True)
    said = lines(whole(text, blocks, view), rest, *below)
    if not said and not files:
        said = _fallback(attachment, view) or words(attachment.get("from_url"))
    return lines(_whose(attachment, view), said), files


def _whose(attachment: dict[str, object], view: View) -> str:
    author, user = words(attachment.get("author_name")), words(attachment.get("author_id"))
    if not author:
        author = words(attachment.get("author_subname"))
    if user and (user in view.names.people or not author):
        author = view.names.person(user)
    name, channel = words(attachment.get("channel_name")), words(attachment.get("channel_id"))
    where = view.names.channel(channel, name) if channel or name else ""
    if not where or where == f"#{channel}":
        where = plain(words(attachment.get("footer")), view) or where
    kind = "Forwarded" if attachment.get("is_share") is True else "Linked"
    parts = (f"from {author}" if author else "", where, moment(attachment.get("ts")))
    about = ", ".join(one_line(part) for part in parts if part)
    return f"{kind} message{f' {about}' if about else ''}:"


def _previewed(attachment: dict[str, object]) -> str:
    url = words(attachment.get("from_url")) or words(attachment.get("original_url"))
    return f"Preview of {one_line(url, 2_000)}:"


def _added(attachment: dict[str, object], view: View, *, of_a_message: bool = False) -> str:
    """The fields of an attachment, in the order in which Slack shows them."""

    def read(name: str) -> str:
        return plain(words(attachment.get(name)), view).strip("\n")

    addresses = [words(attachment.get(name)) for name in ("from_url", "original_url")]
    title_link = words(attachment.get("title_link"))
    title = link("" if title_link in addresses else title_link, read("title"))
    values = [_pair(entry, view) for entry in listed(attachment.get("fields"))]
    picture = words(attachment.get("image_url")) or words(attachment.get("thumb_url"))
    if of_a_message:
        said = [read("pretext"), title, *values]
    else:
        author = link(words(attachment.get("author_link")), read("author_name"))
        body = whole(lines(read("text"), *values), attachment.get("blocks"), view)
        said = [
            read("pretext"),
            read("service_name"),
            author,
            title,
            body,
            *_buttons(attachment, view),
        ]
    if picture and attachment.get("image_url"):
        said.append(f"[image: {picture}]")
    if not of_a_message:
        said.append(lines(read("footer"), moment(attachment.get("ts"))))
    once = lines(*dict.fromkeys(said))
    if once or of_a_message:
        return once
    if fallback := _fallback(attachment, view):
        return fallback
    left = {name: value for name, value in attachment.items() if name not in _READ}
    return whatever(left, view)


_READ = ("fallback", "blocks", "attachments", "files", "from_url", "original_url", "mrkdwn_in")


def _fallback(attachment: dict[str, object], view: View) -> str:
    said = plain(words(attachment.get("fallback")), view).strip("\n")
    return "" if said == _NO_FALLBACK else said


def _pair(entry: dict[str, object], view: View) -> str:
    title = plain(words(entry.get("title")), view).strip()
    value = plain(words(entry.get("value")), view).strip()
    return f"{title}: {value}" if title and value else title or value


def _buttons(attachment: dict[str, object], view: View) -> list[str]:
    labels = (
        link(words(action.get("url")), plain(words(action.get("text")), view))
        for action in listed(attachment.get("actions"))
    )
    said = " ".join(f"[{label}]" for label in labels if label)
    return [said] if said else []
