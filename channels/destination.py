"""Where an answer goes, as an operator writes it: "slack:C0123", "email:ops@example.com". Pure.

Routes, schedules, the agents' files and PONDERD_NOTIFY_ALLOW write it so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from yarl import URL

from ponderd.channels.errors import Malformed
from ponderd.channels.message import Address
from ponderd.channels.text import one_line

FORMS = (
    "slack:C0123, slack:T0123/C0123, slack:U0123, email:ops@example.com, sms:+15550100 or an "
    "https URL"
)
"""The forms of a destination, for messages."""

_SLACK = re.compile(r"(?:(?P<team>[TE][A-Z0-9]{1,30})/)?(?P<place>[CDGUW][A-Z0-9]{1,30})")
_MAILBOX = re.compile(
    r"[^\s@<>()\[\]\\,;:\"]{1,64}@[^\s@<>()\[\]\\,;:\"./]+(?:\.[^\s@<>()\[\]\\,;:\"./]+)*"
)
_DOMAIN = re.compile(
    r"email:@([^\s@<>()\[\]\\,;:\"./]+(?:\.[^\s@<>()\[\]\\,;:\"./]+)*)", re.IGNORECASE
)
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+(?:%[a-z0-9._%-]+)?", re.ASCII | re.IGNORECASE)
"""A host as yarl gives it: a name, its international letters encoded, or an IP address."""
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_LONGEST = 2_000


def read_destination(text: str) -> Address:
    """The address that `text` names. Raises Malformed, which says what is expected."""
    if len(text) > _LONGEST or not text.isprintable():
        raise Malformed(f"a destination has at most {_LONGEST} printable characters")
    text = text.strip()
    kind, _, rest = text.partition(":")
    match kind.lower():
        case "slack":
            return _slack(rest)
        case "email":
            return _email(rest)
        case "sms":
            return _sms(rest)
        case "http" | "https":
            split_callback(text)
            return Address(channel="webhook", to=text)
        case _:
            raise Malformed(f"{one_line(text, 80)!r} is no destination: write {FORMS}")


def write_destination(to: Address) -> str:
    """What `read_destination` reads as this address, as far as it names a place."""
    match to.channel:
        case "webhook":
            return to.to
        case "slack" if to.headers.get("team"):
            return f"slack:{to.headers['team']}/{to.to}"
        case _:
            return f"{to.channel}:{to.to}"


def check_rule(rule: str) -> str:
    """A rule as `allowed` takes it. Raises Malformed."""
    if not _domain(rule):
        read_destination(rule)
    return rule.strip()


def allowed(to: Address, rules: Iterable[str]) -> bool:
    """Whether one of `rules` lets somebody write to this place.

    A rule is a destination. "email:@example.com" means everybody there, and an URL everything below
    its path.
    """
    return any(_lets(rule, to) for rule in rules)


def _lets(rule: str, to: Address) -> bool:
    if domain := _domain(rule):
        return to.channel == "email" and to.to.lower().rpartition("@")[2] == domain
    place = read_destination(rule)
    if place.channel != to.channel:
        return False
    match to.channel:
        case "webhook":
            return _is_below(to.to, place.to)
        case "slack":
            team = place.headers.get("team")
            return to.to == place.to and team in (None, to.headers.get("team"))
        case _:
            return to.to.lower() == place.to.lower()


def _domain(rule: str) -> str:
    found = _DOMAIN.fullmatch(rule.strip())
    return found[1].lower() if found else ""


def _is_below(url: str, base: str) -> bool:
    try:
        given, root = URL(url), URL(base)
    except ValueError:
        return False
    if (given.scheme, given.raw_host, given.port) != (root.scheme, root.raw_host, root.port):
        return False
    if root.raw_path in ("", "/") and not root.raw_query_string:
        return True
    if given == root:
        return True
    # Servers may take these for steps upwards, whatever they are called.
    steps = given.raw_path.lower().replace("%2e", ".").replace("%2f", "/").replace("\\", "/")
    if root.raw_query_string or ".." in steps.replace("%5c", "/").split("/"):
        return False
    return given.raw_path.startswith(f"{root.raw_path.rstrip('/')}/")


def split_callback(url: str) -> tuple[str, int]:
    """Host and port of a callback URL. Raises Malformed.

    yarl parses it, as aiohttp will: two parsers could see two different hosts.
    """
    try:
        parsed = URL(url)
        host, port = parsed.raw_host, parsed.port
    except ValueError:
        raise Malformed("not a URL") from None
    if parsed.scheme not in ("http", "https") or not host or not port:
        raise Malformed("expected an http or https URL")
    if not _HOST.fullmatch(host):  # yarl takes "https://a b"; no such host is ever reached
        raise Malformed(f"{one_line(host, 80)!r} is no host")
    if parsed.raw_user is not None or parsed.raw_password is not None:
        raise Malformed("a URL with a user name or password is not accepted")
    return host, port


def _slack(place: str) -> Address:
    found = _SLACK.fullmatch(place)
    if found is None:
        raise Malformed(
            f"{one_line(place, 80)!r} is no id of Slack: write slack:C0123, the id of a channel "
            "(at the end of its details in Slack), or slack:T0123/C0123 with its workspace"
        )
    headers = {"team": found["team"]} if found["team"] else {}
    return Address(channel="slack", to=found["place"], headers=headers)


def _email(address: str) -> Address:
    if len(address) > 254 or not _MAILBOX.fullmatch(address):
        raise Malformed(
            f"{one_line(address, 80)!r} is no mail address: write email:ops@example.com"
        )
    return Address(channel="email", to=address)


def _sms(number: str) -> Address:
    if not _PHONE.fullmatch(number):
        raise Malformed(
            f"{one_line(number, 80)!r} is no telephone number: write sms:+15550100, with + and the "
            "code of the country"
        )
    return Address(channel="sms", to=number)
