import datetime
import time

import pytest
import standardwebhooks

from ponderd.channels.errors import Unauthenticated
from ponderd.channels.signature import (
    reply_mark,
    sign_standard,
    standard_key,
    verify_bearer,
    verify_github,
    verify_standard,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = standard_key(SECRET)
BODY = '{"text":"grüße"}'.encode()
NOW = 1_700_000_000.0


def signed(now: float = NOW) -> dict[str, str]:
    return sign_standard(KEY, message_id="msg_1", body=BODY, now=now)


def test_the_reference_library_accepts_our_signature() -> None:
    standardwebhooks.Webhook(SECRET).verify(BODY, signed(time.time()))


def test_we_accept_the_signature_of_the_reference_library() -> None:
    now = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    signature = standardwebhooks.Webhook(SECRET).sign("msg_1", now, BODY.decode())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(NOW)),
        "webhook-signature": signature,
    }
    verify_standard(KEY, headers, BODY, now=NOW)


def test_one_valid_signature_among_several_is_enough() -> None:
    headers = signed()
    headers["webhook-signature"] = "v1a,xyz v1,bm90aGluZw== " + headers["webhook-signature"]
    verify_standard(KEY, headers, BODY, now=NOW)


@pytest.mark.parametrize("age", [-300, 0, 300])
def test_a_timestamp_within_the_window_is_accepted(age: float) -> None:
    verify_standard(KEY, signed(), BODY, now=NOW + age)


@pytest.mark.parametrize("age", [-301, 301])
def test_a_timestamp_outside_the_window_is_refused(age: float) -> None:
    with pytest.raises(Unauthenticated, match="too old or too new"):
        verify_standard(KEY, signed(), BODY, now=NOW + age)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-timestamp": str(int(NOW) + 1)},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": "٣"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,ünïcode"},
    ],
)
def test_tampered_headers_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        verify_standard(KEY, signed() | change, BODY, now=NOW)


def test_a_tampered_body_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        verify_standard(KEY, signed(), BODY + b" ", now=NOW)


def test_a_signature_of_another_version_is_refused() -> None:
    headers = signed()
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v2,")
    with pytest.raises(Unauthenticated):
        verify_standard(KEY, headers, BODY, now=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!"])
def test_a_secret_that_is_not_standard_is_a_clear_error(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_ followed by base64"):
        standard_key(secret)


def test_githubs_documented_example_is_accepted() -> None:
    # docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"x-hub-signature-256": f"sha256={digest}"}
    verify_github(b"It's a Secret to Everybody", headers, b"Hello, World!")
    with pytest.raises(Unauthenticated):
        verify_github(b"It's a Secret to Everybody", headers, b"Hello, World")
    with pytest.raises(Unauthenticated):
        verify_github(b"It's a Secret to Everybody", {}, b"Hello, World!")


@pytest.mark.parametrize("header", ["Bearer secret", "bearer secret"])
def test_the_right_bearer_token_is_accepted(header: str) -> None:
    verify_bearer("secret", {"authorization": header})


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer Secret", "Basic secret", "secret"])
def test_a_wrong_bearer_token_is_refused_without_repeating_it(header: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        verify_bearer("secret", {"authorization": header})
    assert "secret" not in str(refused.value).lower()


def test_an_empty_token_lets_nobody_in() -> None:
    with pytest.raises(Unauthenticated):
        verify_bearer("", {"authorization": "Bearer "})


def test_a_reply_mark_depends_on_the_secret_and_the_key() -> None:
    marks = {reply_mark(b"a", "run:1"), reply_mark(b"a", "run:2"), reply_mark(b"b", "run:1")}
    assert len(marks) == 3
    assert reply_mark(b"a", "run:1") in marks
