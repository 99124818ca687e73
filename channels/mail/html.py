"""An HTML mail as its reader sees it, without the mails it quotes. Pure."""

from __future__ import annotations

from ponderd.channels.mail.quotation import Reading, Thread, read_plain
from ponderd.channels.mail.text import text_of_html


def read_html(source: str, thread: Thread) -> Reading:
    """Take an HTML text apart, as `read_plain` does with a plain one."""
    return read_plain(text_of_html(source), thread)
