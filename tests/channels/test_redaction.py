"""Secrets are taken out of texts, and the rest of the text stays."""

from __future__ import annotations

import pytest

from ponderd.channels.redaction import HIDDEN, Redactor, passwords_in, secrets_in
from tests.services.cpu import in_linear_time

TOKEN = "a long token/with every+thing"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:p@ss@h/0", "redis://***@h/0"),
        ("no rediss://ann:hunter2@h:6379/0, try", "no rediss://***@h:6379/0, try"),
        ("GET https://a.b/c?x=1&token=abc#z", "GET https://a.b/c?x=1&token=***#z"),
        ("Authorization: Bearer abc123def", "Authorization: Bearer ***"),
        ("authorization: Basic dXNlcjpwdw==", "authorization: Basic ***"),
        ('{"Authorization": "Bearer abc123def456"}', '{"Authorization": "Bearer ***"}'),
        ("whsec_MfKQ9r8GKYqrTwjUPD8I", HIDDEN),
        ("xoxb-123-456-abcdefgh and xapp-1-A0-0-abcdef", f"{HIDDEN} and {HIDDEN}"),
        ("ghp_0123456789abcdefghij", HIDDEN),
        (f"it is {TOKEN}!", f"it is {HIDDEN}!"),
        ("q=a%20long%20token%2Fwith%20every%2Bthing", f"q={HIDDEN}"),
        ("the word sesame, not sesames", f"the word {HIDDEN}, not sesames"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nabc=\n-----END RSA PRIVATE KEY-----",
            f"-----BEGIN RSA PRIVATE KEY----- {HIDDEN} -----END RSA PRIVATE KEY-----",
        ),
    ],
)  # fmt: skip
def test_secrets_are_hidden(text: str, shown: str) -> None:
    assert Redactor({TOKEN, "sesame", "abc"})(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "bearer authentication is used, with a Bearer token",
        "mail ann@example.com, see http://example.com:80/@ann and https://x.y/a?page=2",
        "abc",  # too short to be looked for
        "no whsec_ here, and no xoxb",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert Redactor({TOKEN, "abc"})(text) == text


def test_secrets_of_an_environment() -> None:
    environment = {
        "PONDERD_API_TOKEN": "the token",
        "GITHUB_WEBHOOK_SECRET": "the secret",
        "AWS_SECRET_ACCESS_KEY": "the key",
        "PONDERD_REDIS_URL": "redis://:p%40ss@h/0",
        "PONDERD_SLACK_BOT_TOKEN_FILE": "/run/token",
        "PONDERD_MAX_TOKENS": "20000",
        "MODEL_TOKEN": "20000",
        "PATH": "/usr/bin",
    }
    found = {"the token", "the secret", "the key", "p%40ss", "p@ss"}
    assert secrets_in(environment) == found
    assert passwords_in("http://[::1/") == passwords_in("https://example.com") == set()


@pytest.mark.parametrize(
    "piece",
    ["://", "://a:@", "bearer ", "authorization: ", "?key=", "-----BEGIN PRIVATE KEY-----", "xoxb-",
     "a long token", "sesame", "whsec_", "\x00"],
)  # fmt: skip
def test_it_takes_linear_time(piece: str) -> None:
    redact = Redactor({TOKEN, "sesame"})
    text = piece * (1_000_000 // len(piece))
    with in_linear_time():
        redact(text)
