"""Which mails are written by programs and want no answer. Pure."""

from __future__ import annotations

from ponderd.channels.mail.header import Header
from ponderd.channels.text import one_line


def automatic(header: Header, mail_from: str) -> str | None:
    """Why this mail wants no answer (RFC 3834), or None if a person may wait for one.

    Answering automatic mail would start a loop with another program that answers mail.
    """
    if mail_from in ("", "<>"):
        return "it is a bounce (null sender)"
    submitted = header.text("Auto-Submitted").partition(";")[0].strip().lower()
    if submitted not in ("", "no"):
        return f"Auto-Submitted: {one_line(submitted, 50)}"
    precedence = header.text("Precedence").strip().lower()
    if precedence in ("bulk", "list", "junk"):
        return f"Precedence: {precedence}"
    for name in ("List-Id", "List-Unsubscribe", "X-Auto-Response-Suppress"):
        if header.has(name) and header.text(name).strip().lower() != "none":
            return f"it has a {name} header"
    return None
