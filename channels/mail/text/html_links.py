"""What a reader of HTML can follow or see besides text: the targets of links, pictures. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote, urlsplit

_URL_LIMIT = 2_000
_SHOWN = ("http://", "https://", "mailto:", "ftp://", "tel:", "sip:", "callto:", "webcal:", "sms:")
_WRAPPERS = {
    "safelinks.protection.outlook.com": "url",
    "linkprotect.cudasvc.com": "a",
    "www.google.com": "q",
    "google.com": "q",
    "l.facebook.com": "u",
    "www.facebook.com": "u",
    "protection.sophos.com": "u",
    "slack-redir.net": "url",
    "deref-gmx.net": "redirectUrl",
    "deref-web.de": "redirectUrl",
    "deref-mail.com": "redirectUrl",
    "clicktime.symantec.com": "u",
}
_PROOFPOINT_3 = re.compile(r"/v3/__(.{1,1900}?)__;([A-Za-z0-9_-]{0,400})!", re.DOTALL)
# Names that programs give to pictures, which say nothing about what is on them.
_NO_ALT = re.compile(
    r"(?:image|img|logo|picture|photo|bild|grafik|icon|spacer|pixel|untitled|inline image|"
    r"inline-bild|attachment|outlook-\w+|cid:\S*|\W|\d)*(?:\.(?:png|jpe?g|gif|bmp|webp|svg|tiff?))?",
    re.IGNORECASE,
)
_GENERATED = re.compile(
    r"automatically generated|automatisch generiert|générée automatiquement", re.I
)


def target(href: str) -> str:
    """Where a link leads, out of what gateways wrapped around it. "" if nobody can follow it."""
    href = "".join(href.split())
    if not href.lower().startswith(_SHOWN) or len(href) > _URL_LIMIT:
        return ""
    for _ in range(3):
        inner = _unwrapped(href)
        if inner is None:
            break
        href = inner
    return href.removeprefix("mailto:").partition("?")[0] if href.startswith("mailto:") else href


def _unwrapped(url: str) -> str | None:
    """The link inside a link, if a gateway or web mailer wrapped it."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    if host in ("urldefense.com", "urldefense.us", "urldefense.proofpoint.com"):
        return _from_proofpoint(parts.path, parts.query, url)
    key = next((key for end, key in _WRAPPERS.items() if f".{host}".endswith(f".{end}")), None)
    if key is None or (key == "q" and parts.path != "/url"):
        return None
    if host.endswith("facebook.com") and parts.path != "/l.php":
        return None
    found = parse_qs(parts.query, max_num_fields=50).get(key, [""])[0]
    return found if found.lower().startswith(("http://", "https://", "mailto:")) else None


def _from_proofpoint(path: str, query: str, url: str) -> str | None:
    if path.startswith("/v2/"):
        found = parse_qs(query, max_num_fields=50).get("u", [""])[0]
        return unquote(found.replace("-", "%").replace("_", "/")) or None
    wrapped = _PROOFPOINT_3.search(url)
    # Letters that were replaced by "*" stand encoded behind the link: such a link stays wrapped.
    if wrapped is None or "*" in wrapped[1]:
        return None
    inner = wrapped[1]
    return re.sub(r"^(https?):/(?=[^/])", r"\1://", inner)


def beside_label(href: str, label: str) -> str:
    """What to show beside the label of a link: its target, unless the label says the same."""
    url = target(href)
    return "" if not url or _bare(url) in (_bare(label), _bare(target(label.strip()))) else url


def _bare(url: str) -> str:
    url = url.strip().strip("<>()").lower()
    for start in ("https://", "http://", "mailto:", "tel:", "www."):
        url = url.removeprefix(start)
    return url.rstrip("/") if "@" in url or "." in url else "".join(url.split())


def picture(attributes: Mapping[str, str]) -> str:
    """What a picture says. "" for logos, decoration and what only counts its readers."""
    alt = " ".join(attributes.get("alt", "").split())[:300]
    if not alt or attributes.get("width") in ("0", "1") or attributes.get("height") in ("0", "1"):
        return ""
    if not any(sign.isalnum() for sign in alt):
        return alt if len(alt) <= 8 and not alt.isascii() else ""  # an emoji
    if _NO_ALT.fullmatch(alt[:60]) or _GENERATED.search(alt):
        return ""
    return f"[image: {alt}]"
