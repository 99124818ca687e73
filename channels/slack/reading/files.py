"""The files of a message, as far as its event tells of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SlackFile:
    """A file that somebody shared. `url` and `problem` both empty: files.info may know more."""

    id: str
    name: str
    """Never empty."""
    content_type: str = ""
    size: int = 0
    """Bytes; 0 if Slack does not say."""
    url: str = ""
    """Where its content is read with the bot's token. Empty: nowhere, or not known."""
    preview: str = ""
    """What the event holds of its content."""
    problem: str = ""
    """Why its content cannot be had, in words. Empty: nothing is known against it."""
