"""What a message in Slack says: the text that its reader sees, and the files. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ponderd.channels.slack.reading.files import SlackFile
from ponderd.channels.slack.reading.markup import readable
from ponderd.channels.slack.reading.names import NO_NAMES, Ids, Names
from ponderd.channels.text import one_line

__all__ = ["NO_NAMES", "Ids", "Names", "Said", "SlackFile", "named_in", "read_message"]


@dataclass(frozen=True, slots=True)
class Said:
    """What a message says."""

    text: str
    """All that its reader sees, without the mention of us. Empty: nothing but files, perhaps."""
    own: str
    """Only what its writer typed: no forward, no preview. A yes or a command is read from it."""
    files: tuple[SlackFile, ...]
    mentions_us: bool


def read_message(message: Mapping[str, Any], own_user: str | None, names: Names = NO_NAMES) -> Said:
    """Read a message: the inner event, or an entry of conversations.replies. Never raises."""
    text = message.get("text")
    text = text if isinstance(text, str) else ""
    own = readable(text, own_user)
    return Said(
        text=own,
        own=own,
        files=tuple(_files(message.get("files"))),
        mentions_us=own_user is not None and f"<@{own_user}" in text,
    )


def named_in(message: Mapping[str, Any]) -> Ids:
    """The ids in a message that need names."""
    return Ids()


def _files(files: object) -> Iterator[SlackFile]:
    for file in files if isinstance(files, list) else ():
        match file:
            case {"name": str(name), "mimetype": str(kind), "size": int(size)} if size >= 0:
                yield SlackFile(
                    id=str(file.get("id", "")),
                    name=one_line(name) or "unnamed",
                    content_type=one_line(kind, 100),
                    size=size,
                )
