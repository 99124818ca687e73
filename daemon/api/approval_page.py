"""The page behind an approval link: the question, and a form to answer it. Facts in, HTML out."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from ponderd.channels.people import without_team
from ponderd.channels.text import clean
from ponderd.workers.control.views import ApprovalView

CSS = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 42rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { opacity: .7; } dd { margin: 0; }
.question { font-size: 1.15rem; white-space: pre-wrap; }
.problem { border-left: .3rem solid #c62828; padding-left: .8rem; }
.outcome { border-left: .3rem solid #2e7d32; padding-left: .8rem; }
label { display: block; margin-top: 1rem; }
textarea { width: 100%; box-sizing: border-box; font: .95rem/1.4 ui-monospace, monospace; }
pre { white-space: pre-wrap; } blockquote { white-space: pre-wrap; margin-left: 1rem; }
.buttons { display: flex; gap: 1rem; }
button { font: inherit; padding: .6rem 1.6rem; min-width: 8rem; cursor: pointer; }
"""

# The policy below names the style sheet by its hash. So nothing that an agent wrote can add styles,
# scripts, images or frames, even if it got past the escaping.
_css_hash = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()

HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex",
    "content-security-policy": "; ".join(
        (
            "default-src 'none'",
            f"style-src 'sha256-{_css_hash}'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    ),
}

_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page_template(name: str) -> Template:
    """A page of the folder pages/. All that it shows is escaped, and what it misses is an error."""
    return _pages.get_template(name)


_page = page_template("approval.html")


def approval_page(
    approval: ApprovalView | None,
    person: str,
    *,
    status: int = 200,
    problem: str = "",
    arguments: str | None = None,
    remark: str = "",
) -> HTMLResponse:
    """The page that shows `approval` to `person`. `approval` is None if they may not see it.

    `problem` says what was wrong with the last attempt; `arguments` and `remark` are what was
    entered there. With `arguments` None, the form shows those of the call.
    """
    text = _page.render(
        title=_title(approval),
        css=CSS,
        approval=approval,
        person=person,
        problem=clean(problem),
        arguments=pretty(approval) if arguments is None else clean(arguments),
        remark=clean(remark),
        outcome=_outcome(approval),
        moment=_moment,
    )
    return HTMLResponse(text, status, HEADERS)


def pretty(approval: ApprovalView | None) -> str:
    """The arguments of the call as JSON that a person can read and edit. "" if there are none."""
    if approval is None or approval.arguments is None:
        return ""
    # Letters of all languages are written as they are, or people could not read them. Characters
    # that may hide or reorder text (zero width, right to left) stay escaped.
    written = json.dumps(approval.arguments, indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in written)


def _title(approval: ApprovalView | None) -> str:
    if approval is None:
        return "This link does not work"
    if approval.status == "open":
        return f"{approval.agent} asks for approval"
    return f"{approval.agent}: {approval.status}"


def _outcome(approval: ApprovalView | None) -> str:
    match approval:
        case None:
            return ""
        case ApprovalView(status="expired"):
            return "Nobody answered in time. No person decided this."
        case ApprovalView(decided_by=str(by), decided_at=datetime() as at, status=status):
            return f"{status.capitalize()} by {without_team(by)} at {_moment(at)}."
        case _:
            return f"This is {approval.status}: there is nothing left to decide."


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
