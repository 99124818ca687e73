"""Signed links: whoever was sent one may decide that one approval. Pure."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from ponderd.channels.errors import Unauthenticated
from ponderd.channels.signature import inquiry_mark, is_inquiry_mark


def approval_link(base_url: str, secret: bytes, prompt_id: str, principal: str) -> str:
    """The page on which `principal` decides. Whoever holds the link acts as that person."""
    query = urlencode({"as": principal, "mark": inquiry_mark(secret, prompt_id, principal)})
    return f"{approval_url(base_url, prompt_id)}?{query}"


def approval_url(base_url: str, prompt_id: str) -> str:
    """Where programs decide, with the API token."""
    return f"{base_url.rstrip('/')}/approvals/{quote(prompt_id, safe=':')}"


def check_link(secret: bytes, prompt_id: str, principal: str, mark: str) -> None:
    """Raises Unauthenticated unless `approval_link` made this link, and always without a secret."""
    if not secret or not is_inquiry_mark(secret, prompt_id, principal, mark):
        raise Unauthenticated("this link is invalid or incomplete")
