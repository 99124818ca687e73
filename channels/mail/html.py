"""HTML as a person sees it. Pure."""

from __future__ import annotations

from ponderd.channels.mail.quotation import Reading, Thread, read_plain
from ponderd.channels.mail.text import text_of_html


def read_html(source: str, thread: Thread) -> Reading:
    return read_plain(text_of_html(source), thread)
