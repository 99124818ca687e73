"""Signatures over what a webhook sent: what was signed, and whether a hash is right. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from ponderd.channels.errors import Refused, Unauthenticated
from ponderd.channels.signature import standard_key, verify_standard
from ponderd.channels.webhook.encodings import decoded, encodings
from ponderd.channels.webhook.methods import PIECE, Hmac, StandardWebhooks

_MOST = 50
"""Most entries of a header of signatures that are looked at."""
_FIELDS = 1_000
"""Most fields of a form, and of the query of an address."""
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class HookRequest:
    """One request as its sender addressed it. Names of headers are in lower case, or their case is
    ignored."""

    url: str
    """With its query, at the public address: senders sign that."""
    headers: Mapping[str, str]
    body: bytes | None
    """As it was sent, before anything is unpacked. None: it has not been read yet."""
    method: str = "POST"


def parameters(url: str, name: str) -> list[str]:
    """The values of a parameter of an address."""
    query = urlsplit(url).query
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError:
        return []
    return [value for key, value in pairs if key == name]


def is_one_of(given: str, known: Sequence[str]) -> bool:
    # A list, not any(): all are compared, so the time taken does not tell which one matched.
    return True in [hmac.compare_digest(_bytes(one), _bytes(given)) for one in known]


def _bodies(request: HookRequest) -> Iterator[bytes]:
    """What may have been signed: the bytes as they were sent; for some senders, those from before
    they were compressed."""
    body = request.body or b""
    yield body
    if encodings(request.headers):
        try:
            yield decoded(request.headers, body)
        except Refused:
            return


def entries_of(method: Hmac, headers: Mapping[str, str]) -> list[str]:
    value = headers.get(method.header.lower(), "")
    entries = value.split(method.separator, _MOST) if method.separator else [value]
    return [entry.strip() for entry in entries[:_MOST]]


def is_signed(method: Hmac, keys: list[bytes], request: HookRequest, now: float) -> bool:
    entries = entries_of(method, request.headers)
    given = [
        _normal(method.encoding, entry.removeprefix(method.prefix))
        for entry in entries
        if entry.startswith(method.prefix)
    ]
    timestamp = _timestamp(method, entries, request.headers)
    if timestamp is not None:
        moment = _moment(timestamp)
        if moment is None or not abs(now - moment) <= method.tolerance:
            header = method.header.lower()
            raise Unauthenticated(f"the time that {header} signs is missing, too old or too new")
    hashes = [
        hmac.new(key, signed, method.algorithm).digest()
        for body in _bodies(request)
        for signed in [_signed(method, timestamp or "", request, body)]
        for key in keys
    ]
    right = [_written(method.encoding, digest) for digest in hashes]
    return True in [is_one_of(one, right) for one in given]


def _timestamp(method: Hmac, entries: list[str], headers: Mapping[str, str]) -> str | None:
    """The time as it was sent, "" if it was not. None: the method has no time."""
    if not method.timestamp:
        return None
    if method.timestamp.endswith("="):
        found = (entry for entry in entries if entry.startswith(method.timestamp))
        return next(found, "").removeprefix(method.timestamp)
    return headers.get(method.timestamp.lower(), "").strip()


def _moment(written: str) -> float | None:
    """A time in Unix seconds, from seconds, milliseconds or RFC 3339. None if it is none."""
    if re.fullmatch("[0-9]{1,13}", written):
        return int(written) / (1000 if len(written) > 11 else 1)
    if len(written) > 40:
        return None
    # Some senders write nanoseconds; Python reads at most six digits of a second.
    shorter = re.sub(r"(\.[0-9]{6})[0-9]{1,6}", r"\1", written.upper().replace("Z", "+00:00"))
    try:
        moment = datetime.fromisoformat(shorter)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


def _signed(method: Hmac, timestamp: str, request: HookRequest, body: bytes) -> bytes:
    pieces = {"timestamp": timestamp, "url": request.url, "method": request.method}
    out, end = [], 0
    for piece in PIECE.finditer(method.signed):
        out.append(method.signed[end : piece.start()].encode())
        name, end = piece[1], piece.end()
        if name == "body":
            out.append(body)
        else:
            out.append(_bytes(pieces.get(name, request.headers.get(name.lower(), ""))))
    return b"".join((*out, method.signed[end:].encode()))


def _normal(encoding: str, given: str) -> str:
    return given.strip().lower() if encoding == "hex" else given.strip().rstrip("=")


def _written(encoding: str, digest: bytes) -> str:
    match encoding:
        case "hex":
            return digest.hex()
        case "base64":
            return base64.b64encode(digest).decode().rstrip("=")
        case _:
            return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def keys_of(form: str, secrets: Sequence[str]) -> list[bytes]:
    """The keys in those secrets that are written in this form."""
    keys = []
    for secret in secrets:
        try:
            match form:
                case "hex":
                    keys.append(bytes.fromhex(secret))
                case "base64":
                    keys.append(base64.b64decode(secret, validate=True))
                case _:
                    keys.append(_bytes(secret))
        except ValueError:
            continue
    return [key for key in keys if key]


def standard_keys(secrets: Sequence[str]) -> list[bytes]:
    keys = []
    for secret in secrets:
        try:
            keys.append(standard_key(secret))
        except ValueError:
            continue
    return keys


def is_standard(
    method: StandardWebhooks, keys: list[bytes], request: HookRequest, now: float
) -> bool:
    prefix = method.prefix.lower()
    names = ("id", "timestamp", "signature")
    headers = {f"webhook-{name}": request.headers.get(f"{prefix}-{name}", "") for name in names}
    problems = [_problem(key, headers, body, now) for body in _bodies(request) for key in keys]
    if "" in problems:
        return True
    raise Unauthenticated(problems[0].replace("webhook-", f"{prefix}-"))


def _problem(key: bytes, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """Why a Standard Webhooks message is not genuine. "": it is."""
    try:
        verify_standard(key, headers, body, now=now)
    except Unauthenticated as error:
        return str(error)
    return ""


def is_twilio(usable: list[str], request: HookRequest) -> bool:
    """Twilio signs the address and the sorted fields of a form, or the address with a hash of the
    body in it."""
    headers = request.headers
    algorithm = "sha256" if "hmac_sha256" in _settings(headers).lower() else "sha1"
    given = headers.get("x-twilio-signature", "").strip().rstrip("=")
    hashes = parameters(request.url, "bodySHA256")
    right = []
    for body in _bodies(request):
        if hashes:
            if not is_one_of(hashlib.sha256(body).hexdigest(), [one.lower() for one in hashes]):
                continue
            fields = ""
        elif headers.get("content-type", "").lower().startswith(_FORM):
            fields = _sorted_fields(body)
        else:
            continue
        for address in _addresses(request.url):
            signed = _bytes(address + fields)
            for secret in usable:
                digest = hmac.new(_bytes(secret), signed, algorithm).digest()
                right.append(_written("base64", digest))
    return is_one_of(given, right)


_FORM = "application/x-www-form-urlencoded"


def _settings(headers: Mapping[str, str]) -> str:
    return headers.get("x-twilio-webhooks-signature-settings", "")


def _sorted_fields(body: bytes) -> str:
    try:
        text = body.decode("utf-8", "replace")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError:
        raise Unauthenticated("no valid x-twilio-signature: the form has too many fields") from None
    return "".join(name + value for name, value in sorted(set(pairs)))


def _addresses(url: str) -> list[str]:
    """The spellings of an address that Twilio may have signed: with its port, and without."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port or (443 if parts.scheme == "https" else 80)
    rest = url.split("://", 1)[-1][len(parts.netloc) :]
    with_port, without = (f"{parts.scheme}://{one}{rest}" for one in (f"{host}:{port}", host))
    return list(dict.fromkeys((url, with_port, without)))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
