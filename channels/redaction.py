"""Take secrets out of text: those that are known, and what looks like one. Pure, in linear time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote, urlsplit

HIDDEN = "***"

SHORTEST = 6
"""Characters of the shortest secret that is looked for: a shorter one is part of ordinary words."""

_ALONE = 16
"""Characters from which on a secret is taken out wherever it stands, also inside a longer word."""

_PLACES = (
    # The login of a URL that has a password.
    (("://",), r"(?<=://)[^\s/?#@:\"'<>]*:[^\s/?#\"'<>]*@", f"{HIDDEN}@"),
    (
        ("?", "&"),
        r"(?i)([?&](?:password|passwd|pwd|secret|client_secret|token|access_token|refresh_token"
        r"|api_?key|key|sig|signature|mark)=)[^&\s\"'#<>]+",
        rf"\1{HIDDEN}",
    ),
    (
        ("bearer",),
        r"(?i)\b(bearer\s{1,4})(?:(?=\S{16})|(?=[a-z._~+/=-]*\d))[\w.~+/=-]{6,}",
        rf"\1{HIDDEN}",
    ),
    (
        ("authorization",),
        r"(?i)\b(authorization[\"']?\s?[:=]\s?[\"']?"
        r"(?:(?:basic|bearer|digest|token|bot|apikey)\s{1,2})?+)[^\s\"',;*]{4,}",
        rf"\1{HIDDEN}",
    ),
    (
        ("-----begin",),
        r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----)[A-Za-z0-9+/=\s\\]{1,16000}",
        rf"\1 {HIDDEN} ",
    ),
    # Tokens that begin with the mark of whoever gives them out.
    (
        (
            *("whsec_", "xox", "xapp-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
            *("sk_", "sk-", "rk_", "akia"),
        ),
        r"\b(?:whsec_[\w+/=]{8,}|xox[a-z](?:\.xox[a-z])?-[\w-]{8,}|xapp-[\w-]{8,}"
        r"|gh[pousr]_\w{20,}|github_pat_\w{20,}|[sr]k_(?:live|test)_\w{10,}|sk-[\w-]{20,}"
        r"|AKIA[0-9A-Z]{16})",
        HIDDEN,
    ),
)
"""What stands, in small letters, in every text that is worth a look; what looks secret; what is
shown. Most texts have none of the first, and are done after a few fast looks."""
_LOOKS_SECRET = tuple((signs, re.compile(pattern), mask) for signs, pattern, mask in _PLACES)

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|(?:API|ACCESS|PRIVATE|SIGNING)_?KEY)"
    r"(?:_(?!FILE|PATH|ENV|URL)|$)",
    re.IGNORECASE,
)


class Redactor:
    """Replaces secrets in texts by `HIDDEN`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """`secrets`: the values of those that are known. Short ones (`SHORTEST`) are ignored."""
        self.known = frozenset(one for one in secrets if len(one.strip()) >= SHORTEST)
        forms = {
            form for one in self.known for form in (one, quote(one, ""), json.dumps(one)[1:-1])
        }
        self._forms = sorted(forms, key=lambda form: (-len(form), form))  # the longest first
        self._known = re.compile("|".join(map(_pattern, self._forms)))

    def __call__(self, text: str) -> str:
        if any(map(text.__contains__, self._forms)):
            text = self._known.sub(HIDDEN, text)
        small = text.lower()
        for signs, pattern, mask in _LOOKS_SECRET:
            if any(map(small.__contains__, signs)):
                text = pattern.sub(mask, text)
        return text


def secrets_in(environment: Mapping[str, str]) -> set[str]:
    """The values of variables whose names say that they are secret, and passwords in URLs."""
    found = set()
    for name, value in environment.items():
        if _SECRET_NAME.search(name) and not (value.isdecimal() and len(value) < 12):
            found.add(value)
        found |= passwords_in(value)
    return found


def passwords_in(url: str) -> set[str]:
    """The password in the login of a URL, as it is written and as it is meant."""
    try:
        password = urlsplit(url).password if "://" in url else None
    except ValueError:
        password = None
    return {password, unquote(password)} if password else set()


def _pattern(secret: str) -> str:
    if len(secret) >= _ALONE:
        return re.escape(secret)
    return rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])"
