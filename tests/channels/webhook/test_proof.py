"""Every method accepts what its sender really sends, and nothing else.

The signatures are made here a second time, straight from each sender's description; where a sender
publishes an example, that is used.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import TypeAdapter, ValidationError

from ponderd.channels.errors import Unauthenticated
from ponderd.channels.webhook.methods import SENDERS, Method, TokenQuery
from ponderd.channels.webhook.proof import (
    HookSecrets,
    authenticate,
    check_secrets,
    expected,
)
from ponderd.channels.webhook.signed import HookRequest

NOW = 1_760_000_000.0
STAMP = str(int(NOW))
BODY = b'{"action": "opened", "n": 1}'
URL = "https://agents.example.com/webhooks/shop"
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRET = "s3cret of the sender"


def digest(signed: bytes, algorithm: str = "sha256", key: bytes = SECRET.encode()) -> bytes:
    return hmac.new(key, signed, algorithm).digest()


def hexed(signed: bytes, algorithm: str = "sha256", key: bytes = SECRET.encode()) -> str:
    return digest(signed, algorithm, key).hex()


def b64(signed: bytes, algorithm: str = "sha256", key: bytes = SECRET.encode()) -> str:
    return base64.b64encode(digest(signed, algorithm, key)).decode()


def check(
    *methods: Any,
    headers: Mapping[str, str],
    body: bytes | None = BODY,
    secret: str | tuple[str, ...] = SECRET,
    url: str = URL,
    now: float = NOW,
    installation: Mapping[str, tuple[str, ...]] | None = None,
) -> bool:
    """Whether it is proven. None of the body: whether it is proven by its header."""
    read = [TypeAdapter[Method](Method).validate_python(method) for method in methods]
    secrets = (secret,) if isinstance(secret, str) else secret
    request = HookRequest(url, headers, body)
    known = HookSecrets(secrets, secrets, installation or {})
    return authenticate(read, known, request, now=now) is not None


def refused(*methods: Any, **request: Any) -> str:
    with pytest.raises(Unauthenticated) as error:
        check(*methods, **request)
    return str(error.value)


KEY = base64.b64decode(WHSEC.removeprefix("whsec_"))
STANDARD = "v1," + b64(b"msg_1." + STAMP.encode() + b"." + BODY, key=KEY)
TEAMS = base64.b64encode(SECRET.encode()).decode()
ISO = "2025-10-09T08:53:20.123456789Z"

# What each sender's documentation tells to sign, and where it stands.
SIGNED: dict[str, dict[str, str]] = {
    "bitbucket": {"x-hub-signature": "sha256=" + hexed(BODY)},
    "circleci": {"circleci-signature": "v1=" + hexed(BODY) + ",v2=00"},
    "dropbox": {"x-dropbox-signature": hexed(BODY)},
    "gitea": {"x-gitea-signature": hexed(BODY)},
    "github": {"x-hub-signature-256": "sha256=" + hexed(BODY), "x-hub-signature": "sha1=00"},
    "gitlab": {"x-gitlab-token": SECRET},
    "grafana": {"x-grafana-alerting-signature": hexed(BODY)},
    "intercom": {"x-hub-signature": "sha1=" + hexed(BODY, "sha1")},
    "jira": {"x-hub-signature": "sha256=" + hexed(BODY)},
    "linear": {"linear-signature": hexed(BODY)},
    "meta": {"x-hub-signature-256": "sha256=" + hexed(BODY)},
    "pagerduty": {"x-pagerduty-signature": "v1=" + "0" * 64 + ",v1=" + hexed(BODY)},
    "sentry": {"sentry-hook-signature": hexed(BODY)},
    "shopify": {"x-shopify-hmac-sha256": b64(BODY)},
    "slack": {
        "x-slack-signature": "v0=" + hexed(b"v0:" + STAMP.encode() + b":" + BODY),
        "x-slack-request-timestamp": STAMP,
    },
    "standard": {
        "webhook-id": "msg_1",
        "webhook-timestamp": STAMP,
        "webhook-signature": f"v1a,AAAA v1,{'A' * 43}= {STANDARD}",
    },
    "stripe": {
        "stripe-signature": f"t={STAMP},v1={'0' * 64},v1="
        + hexed(STAMP.encode() + b"." + BODY)
        + ",v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"
    },
    "svix": {"svix-id": "msg_1", "svix-timestamp": STAMP, "svix-signature": STANDARD},
    "teams": {"authorization": "HMAC " + b64(BODY)},
    "twitch": {
        "twitch-eventsub-message-id": "e76c6bd4",
        "twitch-eventsub-message-timestamp": ISO,
        "twitch-eventsub-message-signature": "sha256=" + hexed(b"e76c6bd4" + ISO.encode() + BODY),
    },
    "typeform": {"typeform-signature": "sha256=" + b64(BODY)},
    "zendesk": {
        "x-zendesk-webhook-signature": b64(ISO.encode() + BODY),
        "x-zendesk-webhook-signature-timestamp": ISO,
    },
    "zoom": {
        "x-zm-signature": "v0=" + hexed(b"v0:" + STAMP.encode() + b":" + BODY),
        "x-zm-request-timestamp": STAMP,
    },
    "basic": {"authorization": "Basic " + base64.b64encode(b"ann:pa:ss").decode()},
    "bearer": {"authorization": f"bearer  {SECRET}"},
}
SECRETS = {"standard": WHSEC, "svix": WHSEC, "teams": TEAMS, "basic": "ann:pa:ss"}
OF_THE_BODY = sorted({*SIGNED} - {"gitlab", "basic", "bearer"})


class TestSenders:
    def test_each_has_an_example_here(self) -> None:
        assert {*SIGNED, "twilio"} == {*SENDERS}

    @pytest.mark.parametrize("sender", sorted(SIGNED))
    def test_what_it_sends_is_taken(self, sender: str) -> None:
        assert check(sender, headers=SIGNED[sender], secret=SECRETS.get(sender, SECRET))

    @pytest.mark.parametrize("sender", sorted(SIGNED))
    def test_one_of_several_secrets_is_enough(self, sender: str) -> None:
        right = SECRETS.get(sender, SECRET)
        assert check(sender, headers=SIGNED[sender], secret=("an older one", right))

    @pytest.mark.parametrize("sender", sorted(SIGNED))
    def test_another_secret_is_refused_with_the_header_and_no_secret(self, sender: str) -> None:
        other = {"teams": TEAMS[:-4] + "AAAA"}.get(sender, "whsec_AAAA")
        message = refused(sender, headers=SIGNED[sender], secret=other)
        named = [name for name in SIGNED[sender] if name in message]
        assert named
        assert other not in message

    @pytest.mark.parametrize("sender", OF_THE_BODY)
    def test_another_body_is_refused(self, sender: str) -> None:
        secret = SECRETS.get(sender, SECRET)
        assert refused(sender, headers=SIGNED[sender], body=BODY + b" ", secret=secret)

    @pytest.mark.parametrize("sender", sorted(SIGNED))
    def test_nothing_at_all_is_refused_with_what_is_expected(self, sender: str) -> None:
        message = refused(sender, headers={}, secret=SECRETS.get(sender, SECRET))
        assert message == f"no signature or token: expected {expected([_named(sender)])}"

    @pytest.mark.parametrize("sender", OF_THE_BODY)
    def test_what_was_signed_before_it_was_compressed_is_taken_too(self, sender: str) -> None:
        headers = {**SIGNED[sender], "content-encoding": "gzip"}
        secret = SECRETS.get(sender, SECRET)
        assert check(sender, headers=headers, body=gzip.compress(BODY, mtime=0), secret=secret)
        for wrong in (gzip.compress(BODY + b" ", mtime=0), b"not gzip"):
            assert refused(sender, headers=headers, body=wrong, secret=secret)

    def test_what_was_signed_after_it_was_compressed_is_taken(self) -> None:
        body = gzip.compress(BODY, mtime=0)
        headers = {"x-hub-signature-256": "sha256=" + hexed(body), "content-encoding": "gzip"}
        assert check("github", headers=headers, body=body)

    @pytest.mark.parametrize("sender", ["slack", "stripe", "zoom", "standard", "svix", "zendesk"])
    @pytest.mark.parametrize("off", [-301, 301])
    def test_an_old_or_future_time_is_refused(self, sender: str, off: float) -> None:
        secret = SECRETS.get(sender, SECRET)
        headers = SIGNED[sender]
        assert "too old or too new" in refused(
            sender, headers=headers, secret=secret, now=NOW + off
        )
        assert check(sender, headers=headers, secret=secret, now=NOW + off * 0.99)

    @pytest.mark.parametrize(
        "stamp", ["", "x", "1" * 14, "-1", "١٧٦٠٠٠٠٠٠٠", "2025-10-09T08:53:20", "9" * 5000, "nan"]
    )
    def test_a_time_that_is_none_is_refused(self, stamp: str) -> None:
        headers = {
            "x-slack-signature": "v0=" + hexed(b"v0:" + stamp.encode() + b":" + BODY),
            "x-slack-request-timestamp": stamp,
        }
        assert "x-slack-signature" in refused("slack", headers=headers)

    def test_milliseconds_are_a_time(self) -> None:
        stamp = STAMP + "000"
        headers = {
            "x-zm-signature": "v0=" + hexed(b"v0:" + stamp.encode() + b":" + BODY),
            "x-zm-request-timestamp": stamp,
        }
        assert check("zoom", headers=headers)

    def test_sha1_is_taken_only_where_it_is_asked_for(self) -> None:
        headers = {"x-hub-signature": "sha1=" + hexed(BODY, "sha1")}
        for sender in ("github", "jira", "bitbucket", "gitea", "meta"):
            assert refused(sender, headers=headers)
        table = {
            "type": "hmac",
            "header": "X-Hub-Signature",
            "algorithm": "sha1",
            "prefix": "sha1=",
        }
        assert check(table, headers=headers)

    def test_gitlab_signs_in_the_standard_way_if_it_is_told_to(self) -> None:
        assert check("gitlab", headers=SIGNED["standard"], secret=WHSEC)
        both = {**SIGNED["standard"], "x-gitlab-token": "t"}
        assert check("gitlab", headers=both, secret=(WHSEC, "t"))
        assert check("gitlab", headers=both, secret="t")
        assert refused("gitlab", headers=SIGNED["standard"], secret="t")


def _named(sender: str) -> Any:
    return sender


class TestPublishedExamples:
    def test_github(self) -> None:
        signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        assert check(
            "github",
            headers={"x-hub-signature-256": f"sha256={signature}"},
            body=b"Hello, World!",
            secret="It's a Secret to Everybody",
        )

    def test_slack(self) -> None:
        body = (
            b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
            b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
            b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
            b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
            b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
        )
        signature = "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        headers = {
            "x-slack-signature": f"v0={signature}",
            "x-slack-request-timestamp": "1531420618",
        }
        secret = "8f742231b10e8888abcd99yyyzzz85a5"
        assert check("slack", headers=headers, body=body, secret=secret, now=1531420618)

    @pytest.mark.parametrize("prefix", ["webhook", "svix"])
    def test_standard_webhooks(self, prefix: str) -> None:
        headers = {
            f"{prefix}-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            f"{prefix}-timestamp": "1614265330",
            f"{prefix}-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }
        body = b'{"test": 2432232314}'
        assert check("standard", headers=headers, body=body, secret=WHSEC, now=1614265330)

    def test_twilio(self) -> None:
        fields = {
            "CallSid": "CA1234567890ABCDE",
            "Caller": "+14158675309",
            "Digits": "1234",
            "From": "+14158675309",
            "To": "+18005551212",
        }
        assert check(
            "twilio",
            headers={
                "x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
                "content-type": "application/x-www-form-urlencoded",
            },
            body=urlencode(fields).encode(),
            secret="12345",
            url="https://mycompany.com/myapp.php?foo=1&bar=2",
        )


class TestTwilio:
    FORM = "application/x-www-form-urlencoded; charset=UTF-8"

    def headers(self, signed: bytes, algorithm: str = "sha1", **more: str) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return {"x-twilio-signature": b64(signed, algorithm), "content-type": self.FORM, **named}

    def test_repeated_empty_and_foreign_fields_are_signed_as_twilio_does(self) -> None:
        body = b"To=%2B1&Body=Gr%C3%BC%C3%9Fe+%26&Body=again&Empty="
        signed = URL + "BodyGrüße &" + "Bodyagain" + "Empty" + "To+1"
        assert check("twilio", headers=self.headers(signed.encode()), body=body)
        assert refused("twilio", headers=self.headers(signed.encode()), body=body + b"&Body=x")

    @pytest.mark.parametrize("url", [URL, URL.replace(".com/", ".com:443/")])
    @pytest.mark.parametrize("signed", [URL, URL.replace(".com/", ".com:443/")])
    def test_the_port_may_stand_in_the_address_or_not(self, url: str, signed: str) -> None:
        assert check("twilio", headers=self.headers(f"{signed}a1".encode()), body=b"a=1", url=url)

    def test_json_is_signed_by_its_hash_in_the_address(self) -> None:
        url = f"{URL}?bodySHA256={hashlib.sha256(BODY).hexdigest()}"
        headers = {**self.headers(url.encode()), "content-type": "application/json"}
        assert check("twilio", headers=headers, url=url)
        assert refused("twilio", headers=headers, url=url, body=BODY + b" ")

    def test_json_without_its_hash_is_refused(self) -> None:
        headers = {**self.headers(URL.encode()), "content-type": "application/json"}
        assert refused("twilio", headers=headers)

    def test_the_newer_settings_sign_with_sha256(self) -> None:
        settings = "key=abc,algorithm=HMAC_SHA256"
        more = {"x_twilio_webhooks_signature_settings": settings}
        assert check(
            "twilio", headers=self.headers(f"{URL}a1".encode(), "sha256", **more), body=b"a=1"
        )
        assert refused(
            "twilio", headers=self.headers(f"{URL}a1".encode(), "sha1", **more), body=b"a=1"
        )

    def test_too_many_fields_are_refused(self) -> None:
        assert "too many" in refused("twilio", headers=self.headers(b""), body=b"a=1&" * 2000)


class TestTables:
    @pytest.mark.parametrize(
        ("table", "headers"),
        [
            (
                {"header": "X-Sig", "algorithm": "sha512", "encoding": "base64url"},
                {"x-sig": base64.urlsafe_b64encode(digest(BODY, "sha512")).decode()},
            ),
            (
                {"header": "X-Sig", "algorithm": "sha384", "encoding": "base64"},
                {"x-sig": b64(BODY, "sha384").rstrip("=")},
            ),
            (
                {
                    "header": "Paddle-Signature",
                    "separator": ";",
                    "timestamp": "ts=",
                    "prefix": "h1=",
                    "signed": "{timestamp}:{body}",
                },
                {"paddle-signature": f"ts={STAMP};h1=" + hexed(STAMP.encode() + b":" + BODY)},
            ),
            (
                {"header": "X-Square", "encoding": "base64", "signed": "{url}{body}"},
                {"x-square": b64(URL.encode() + BODY)},
            ),
            (
                {
                    "header": "X-HubSpot-Signature-v3",
                    "encoding": "base64",
                    "signed": "{method}{url}{body}{timestamp}",
                    "timestamp": "X-HubSpot-Request-Timestamp",
                },
                {
                    "x-hubspot-signature-v3": b64(
                        b"POST" + URL.encode() + BODY + STAMP.encode() + b"000"
                    ),
                    "x-hubspot-request-timestamp": STAMP + "000",
                },
            ),
            ({"header": "X-Sig"}, {"x-sig": hexed(BODY).upper()}),
        ],
    )
    def test_other_signatures(self, table: dict[str, str], headers: dict[str, str]) -> None:
        assert check({"type": "hmac", **table}, headers=headers)
        assert refused({"type": "hmac", **table}, headers=headers, body=b"other")

    def test_a_key_in_hex(self) -> None:
        table = {"type": "hmac", "header": "x-sig", "key": "hex"}
        assert check(table, headers={"x-sig": hexed(BODY, key=b"\x01\x02")}, secret="0102")

    def test_another_prefix_of_standard_webhooks(self) -> None:
        headers = {
            name.replace("webhook-", "acme-"): value for name, value in SIGNED["standard"].items()
        }
        assert check({"type": "standard", "prefix": "Acme"}, headers=headers, secret=WHSEC)
        assert refused("standard", headers=headers, secret=WHSEC)
        old = refused(
            {"type": "standard", "prefix": "acme"}, headers=headers, secret=WHSEC, now=NOW + 999
        )
        assert "acme-timestamp" in old

    def test_tokens(self) -> None:
        table = {"type": "header", "header": "X-Api-Key"}
        assert check(table, headers={"x-api-key": SECRET})
        assert refused(table, headers={"x-api-key": SECRET + "x"})
        prefixed = {"type": "header", "header": "Authorization", "prefix": "Token "}
        assert check(prefixed, headers={"authorization": f"Token {SECRET}"})
        assert refused(prefixed, headers={"authorization": SECRET})
        query = {"type": "query", "name": "key"}
        assert check(query, headers={}, url=URL + "?" + urlencode({"key": SECRET}))
        assert refused(query, headers={}, url=URL + "?key=x")
        assert refused(query, headers={}, url=URL + "?" + "a=&" * 5000)

    def test_basic_names_a_user_or_takes_the_pair(self) -> None:
        def sent(pair: bytes) -> dict[str, str]:
            return {"authorization": "Basic " + base64.b64encode(pair).decode()}

        named = {"type": "basic", "user": "grafana"}
        assert check(named, headers=sent(b"grafana:" + SECRET.encode()))
        assert refused(named, headers=sent(b"other:" + SECRET.encode()))
        assert refused("basic", headers=sent(b"ann:x"), secret="ann:y")
        assert refused("basic", headers={"authorization": "Basic !!"}, secret="ann:y")
        assert refused("basic", headers={"authorization": "Basic /w=="}, secret="ann:y")
        for charset in ("utf-8", "latin-1"):
            assert check("basic", headers=sent("jürg:pä:ss".encode(charset)), secret="jürg:pä:ss")
            assert refused("basic", headers=sent("jürg:pass".encode(charset)), secret="jürg:päss")

    @pytest.mark.parametrize(
        "table",
        [
            {"type": "hmac", "header": "x", "signed": "{timestamp}"},
            {"type": "hmac", "header": "x", "signed": "{timestamp}{body}"},
            {"type": "hmac", "header": "x", "timestamp": "y"},
            {"type": "hmac", "header": "x", "algorithm": "md5"},
            {"type": "hmac", "header": "x y"},
            {"type": "hmac"},
            {"type": "none"},
            "nobody",
        ],
    )
    def test_what_proves_nothing_is_no_method(self, table: Any) -> None:
        with pytest.raises(ValidationError):
            TypeAdapter[Method](Method).validate_python(table)


class TestSeveralMethods:
    def test_the_first_whose_header_is_there_decides(self) -> None:
        headers = {**SIGNED["bearer"], "x-hub-signature-256": "sha256=00"}
        assert refused("github", "bearer", headers=headers)
        assert check("bearer", "github", headers=headers)

    def test_what_is_expected_names_all(self) -> None:
        assert expected(["github", "bearer"]) == (
            "the header x-hub-signature-256, x-hub-signature or authorization (Bearer)"
        )

    def test_a_word_in_the_address_is_named_after_the_headers(self) -> None:
        word = TokenQuery(type="query", name="key")
        assert expected([word]) == "the parameter key of the address"
        assert expected([word, "bearer"]) == (
            "the header authorization (Bearer) or the parameter key of the address"
        )

    def test_the_installations_own_secret_serves_where_the_route_has_none(self) -> None:
        headers = SIGNED["standard"]
        assert check("standard", headers=headers, secret=(), installation={"standard": (WHSEC,)})
        assert refused("standard", headers=headers, secret=())

    def test_signatures_and_tokens_have_secrets_of_their_own(self) -> None:
        request = HookRequest(URL, SIGNED["github"], BODY)
        assert authenticate(["github"], HookSecrets([SECRET], ["t"]), request, now=NOW)
        assert authenticate(["github"], HookSecrets([], [SECRET]), request, now=NOW)
        with pytest.raises(Unauthenticated):
            authenticate(["github"], HookSecrets(["t"], [SECRET]), request, now=NOW)

    def test_an_empty_secret_lets_nobody_in(self) -> None:
        for headers in ({"authorization": "Bearer "}, {"authorization": "Bearer x"}):
            assert refused("bearer", headers=headers, secret="")

    def test_before_the_body_is_read_only_headers_can_prove(self) -> None:
        assert check("bearer", headers=SIGNED["bearer"], body=None)
        assert refused("bearer", headers={"authorization": "Bearer x"}, body=None)
        assert refused("github", headers={}, body=None)
        assert not check("github", headers={"x-hub-signature-256": "sha256=00"}, body=None)

    def test_a_secret_that_does_not_fit_is_told_at_the_start(self) -> None:
        check_secrets(["github", "bearer"], HookSecrets(["a"], ["b"]))
        check_secrets(["gitlab"], HookSecrets([], ["b"]))
        check_secrets(["standard"], HookSecrets([], [], {"standard": [WHSEC]}))
        with pytest.raises(ValueError, match="github needs a secret: secret_env names"):
            check_secrets(["github"], HookSecrets())
        with pytest.raises(ValueError, match="bearer needs a secret: token_env names"):
            check_secrets(["bearer"], HookSecrets())
        with pytest.raises(ValueError, match="whsec_ followed by base64"):
            check_secrets(["standard"], HookSecrets(["plain"]))
        with pytest.raises(ValueError, match="not base64"):
            check_secrets(["teams"], HookSecrets(["!"]))


def test_hostile_headers_raise_nothing_else() -> None:
    """Whatever stands in a header: refused, in linear time."""
    hostile = [
        "\ud800",
        ",v1=" * 20_000,
        "v1=" + "a" * 60_000,
        "t=" + "9" * 60_000,
        "\x00",
        "=",
        ",",
    ]
    for sender in SENDERS:
        for header in {"authorization", *SIGNED.get(sender, ()), "x-twilio-signature"}:
            for value in hostile:
                genuine = SIGNED[sender] if sender in OF_THE_BODY else {}
                headers = {**genuine, header: value}
                for secret in (SECRET, WHSEC):
                    with pytest.raises(Unauthenticated):
                        check(sender, headers=headers, secret=secret, body=b"x")
