"""Signatures, tokens and marks: who may speak for whom. Pure: the time is an argument.

Header mappings have lower-case names, or ignore the case of names.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping

from ponderd.channels.errors import Unauthenticated

WINDOW = 300.0
"""Seconds by which a signed timestamp may differ from our clock, either way. The Standard Webhooks
specification leaves the number open; five minutes is what its own libraries use."""

_PREFIX = "whsec_"


def standard_key(secret: str) -> bytes:
    """The key inside a Standard Webhooks secret. Raises ValueError for anything else."""
    encoded = secret.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not key:
        raise ValueError("a Standard Webhooks secret is whsec_ followed by base64")
    return key


def sign_standard(key: bytes, *, message_id: str, body: bytes, now: float) -> dict[str, str]:
    """The three headers of an outgoing Standard Webhooks message; `now` in Unix seconds."""
    timestamp = str(int(now))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{_standard(key, message_id, timestamp, body)}",
    }


def verify_standard(key: bytes, headers: Mapping[str, str], body: bytes, *, now: float) -> None:
    """Check a Standard Webhooks message. Raises Unauthenticated."""
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not message_id or not re.fullmatch("[0-9]{1,12}", timestamp):
        raise Unauthenticated("webhook-id or webhook-timestamp is missing or wrong")
    if abs(now - int(timestamp)) > WINDOW:
        raise Unauthenticated("webhook-timestamp is too old or too new")
    expected = _standard(key, message_id, timestamp, body)
    signatures = [entry.partition(",") for entry in headers.get("webhook-signature", "").split(" ")]
    # Senders rotate keys by sending several signatures. A list, not any(): all are compared, so the
    # time taken does not reveal which one matched.
    if True not in [version == "v1" and _same(expected, given) for version, _, given in signatures]:
        raise Unauthenticated("no valid webhook-signature")


def verify_github(secret: bytes, headers: Mapping[str, str], body: bytes) -> None:
    """Check GitHub's X-Hub-Signature-256 over the raw body. Raises Unauthenticated."""
    expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    if not _same(expected, headers.get("x-hub-signature-256", "")):
        raise Unauthenticated("no valid X-Hub-Signature-256")


def verify_bearer(token: str, headers: Mapping[str, str]) -> None:
    """Check `Authorization: Bearer <token>`. Raises Unauthenticated."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if not token or scheme.lower() != "bearer" or not _same(token, given.strip()):
        raise Unauthenticated("no valid bearer token")


def reply_mark(secret: bytes, key: str) -> str:
    """Proof, inside a Message-ID, that we wrote the reply `key`: 96 bits as 24 hex digits."""
    return hmac.new(secret, b"ponderd reply " + _bytes(key), hashlib.sha256).hexdigest()[:24]


def is_reply_mark(secret: bytes, key: str, mark: str) -> bool:
    return _same(reply_mark(secret, key), mark)


def answer_mark(secret: bytes, key: str) -> str:
    """Proof, in a mail address, that we asked for answers to the reply `key` there: 64 bits as 16
    hex digits, so that the name of an agent fits before it."""
    return hmac.new(secret, b"ponderd answer " + _bytes(key), hashlib.sha256).hexdigest()[:16]


def is_answer_mark(secret: bytes, key: str, mark: str) -> bool:
    return _same(answer_mark(secret, key), mark)


def inquiry_mark(secret: bytes, inquiry: str, principal: str) -> str:
    """Proof, in a link or a mail address, that `principal` was asked `inquiry`.

    80 bits as 20 hex digits: it must fit, with a run id, into the 64 characters that a mail
    address may have before its @.
    """
    # The newline separates the two parts without doubt: an inquiry's id never holds one.
    text = b"ponderd prompt " + _bytes(inquiry) + b"\n" + _bytes(principal)
    return hmac.new(secret, text, hashlib.sha256).hexdigest()[:20]


def is_inquiry_mark(secret: bytes, inquiry: str, principal: str, mark: str) -> bool:
    return _same(inquiry_mark(secret, inquiry, principal), mark)


def _standard(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    signed = b".".join((_bytes(message_id), timestamp.encode(), body))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(_bytes(expected), _bytes(given))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
