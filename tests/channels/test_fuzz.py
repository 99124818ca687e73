"""10,000 examples through each parser: nothing comes out but its result or a named refusal."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ponderd.channels.errors import Refused, Unauthenticated
from ponderd.channels.mail.names import MailNames
from ponderd.channels.mail.receive import MailRules
from ponderd.channels.mail.sender.bounces import read_bounces
from ponderd.channels.mail.sender.results import read_report
from ponderd.channels.message import Bounce, Ignored, Trigger, Verdict
from ponderd.channels.signature import (
    sign_standard,
    standard_key,
    verify_bearer,
    verify_github,
    verify_standard,
)
from ponderd.channels.slack import receive as slack
from ponderd.channels.slack.button import parse_click
from ponderd.channels.webhook.body import Body, read_body
from ponderd.channels.webhook.receive import parse as parse_webhook
from ponderd.channels.webhook.route import WebhookRoute
from ponderd.channels.webhook.template import render, variables_of
from tests.channels.mail.mails import parse
from tests.services.slack_api import mention

thorough = settings(
    max_examples=10_000,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
KEY = standard_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
NAMES = MailNames("agents.test", b"secret")
RULES = MailRules(NAMES, ("@team.test",), ("assistant",))
OWN_ID = NAMES.message_id("run1:7")


def outcome(parse: Callable[[], Trigger | Ignored]) -> Trigger | None:
    """The trigger, if there is one; it must fit into the store."""
    try:
        parsed = parse()
    except Refused as error:
        assert str(error)
        return None
    if isinstance(parsed, Ignored):
        return None
    assert Trigger.model_validate_json(parsed.model_dump_json()) == parsed
    assert parsed.text.strip()
    return parsed


MAILS = [
    (
        "From: Ann <ann@team.test>\r\nTo: assistant@agents.test\r\n"
        "Subject: =?utf-8?q?Gr=C3=BC?=\r\n"
        f"Message-ID: <m1@team.test>\r\nReferences: <root@team.test> {OWN_ID}\r\n"
        "Reply-To: bob@team.test\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
        "\r\nYes =C3=BC\r\n\r\nOn Monday, Bot <b@x> wrote:\r\n> do it?\r\n--b\r\n"
        "Content-Type: application/pdf; name*=utf-8''a%20b.pdf\r\n"
        "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n\r\naGVsbG8=\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx\r\n--b--\r\n"
    ).encode(),
    b"From: ann@team.test\r\nMessage-ID: <m2@team.test>\r\nAuto-Submitted: no\r\n"
    b"Content-Type: text/html; charset=iso-8859-1\r\n\r\n"
    b"<style>x</style><p>Hello <b>you</b> &amp; me<br>&#252;</p><!-- c -->\r\n",
    b"From: ann@team.test\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n"
    b"begin 644 a\r\n#86)C\r\nend\r\n",
    (
        "From: MAILER-DAEMON@mx.test\r\nSubject: Undelivered Mail\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\n"
        "550 5.1.1 no such user\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.test\r\n\r\nFinal-Recipient: rfc822; ann@team.test\r\n"
        "Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550\r\n no\r\n--b\r\n"
        f"Content-Type: message/rfc822\r\n\r\nMessage-ID: {OWN_ID}\r\n\r\n--b--\r\n"
    ).encode(),
]
BITS = [
    b"\r\n", b"\n", b"\r\n ", b":", b";", b'"', b"<", b">", b"=?utf-8?b?", b"?=", b"=?x?q?=FF?=",
    b"\x00", b"\xff\xfe", b"--b\r\n", b"--b--", b"charset=utf-7", b"charset=idna", b"charset=\x00",
    b"name*0*=x'y'%ff", b"name*1=z", b"filename*=''", b"(((", b"@", b"base64", b"x-uuencode",
    b"message/rfc822", b"multipart/digest", b"From: x@team.test\r\n", b"undefined", b"&#x110000;",
    "\u2028İ\ud7ff".encode(),
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid mail, cut, stirred and spiked; one seed drives it all, which keeps it quick."""
    dice = random.Random(draw(st.integers(0, 2**64)))
    content = bytearray(dice.choice(MAILS))
    for _ in range(dice.randrange(8)):
        at, size = dice.randrange(len(content) + 1), dice.randrange(12)
        match dice.randrange(4):
            case 0:
                content[at : at + size] = dice.choice(BITS)
            case 1:
                content[at:at] = dice.choice(BITS) * (1 + size)
            case 2:
                content[at:at] = dice.randbytes(size)
            case _:
                other = dice.choice(MAILS)
                start = dice.randrange(len(other))
                content[at : at + size] = other[start : start + 40]
    return bytes(content)


def read_mail(content: bytes, mail_from: str) -> Trigger | Ignored:
    parsed = parse(content, mail_from=mail_from, rules=RULES)
    assert not isinstance(parsed, Verdict)
    return parsed


@thorough
@given(
    st.one_of(mutated(), mutated(), mutated(), st.binary(max_size=300)),
    st.sampled_from(["ann@team.test", "", "<>", "x"]),
)
def test_mails(content: bytes, mail_from: str) -> None:
    parsed = outcome(lambda: read_mail(content, mail_from))
    if parsed is not None:
        assert parsed.sender.endswith("@team.test")
    for bounce in read_bounces(content, mail_from, ["assistant"], NAMES):
        assert bounce.key == "run1:7"
        assert Bounce.model_validate_json(bounce.model_dump_json()) == bounce


@settings(thorough, max_examples=2_000)
@given(mutated())
def test_mails_that_answer_an_approval(content: bytes) -> None:
    mailbox = NAMES.approve_address("0c-1:7", "ann@team.test").partition("@")[0]
    try:
        parsed = parse(content, mailbox, rules=RULES)
    except Refused as error:
        assert str(error)
        return
    match parsed:
        case Verdict():
            assert (parsed.inquiry, parsed.by) == ("0c-1:7", "email:ann@team.test")
            assert Verdict.model_validate_json(parsed.model_dump_json()) == parsed
        case Trigger():
            assert (parsed.run_id, parsed.sender) == ("0c-1", "ann@team.test")


WORDS = 'mx.test ; dmarc = pass header.from=team.test dkim=pass fail " ( ) \\ /1 @ x none .'.split()
claims = st.lists(st.sampled_from([*WORDS, " ", "\r\n "]), max_size=25).map("".join)


@settings(thorough, max_examples=2_000)
@given(claims, st.sampled_from(['"{}"', "({})", 'x="{}"@e', 'x="a"({})']))
def test_what_a_stranger_gets_quoted_claims_nothing(claim: str, quoted: str) -> None:
    escaped = "".join(f"\\{char}" if char in '\\"()' else char for char in claim)
    report = read_report(f"mx.test; spf=fail smtp.helo={quoted.format(escaped)}")
    assert report is not None and report.said_by == "mx.test"
    assert {result.method for result in report.results} <= {"spf"}
    read_report(claim)


ODD: list[Any] = [
    None, True, 0, -1, 2**70, 1.5, float("nan"), float("inf"), "", " ", "\ud800", "\x00", "U1",
    "x" * 300, [], {}, [[]], [None], ["a"], {"": ""}, {"id": 5}, [{"user_id": 5}],
    [{"user_id": "U1"}], [{"name": 1}], [{"name": "\ud800", "mimetype": "", "size": 1}],
    {"type": "message", "channel_type": "im"}, {"type": ["app_mention"]},
]  # fmt: skip
URLS = (
    "http://a.test/",
    "https://u@a.test",
    "http://[::1]:9/",
    "http://[",
    "http://a:b",
    "//x",
    "é",
)
CHARS = "aU1 <>@#!|&;:.{}%'\n\t\u2028\u202eİß漢😀\ud7ff"


def some_text(dice: random.Random, most: int) -> str:
    """Like `st.text`, but quick: one seed drives all of an example."""
    draw = (
        (lambda: dice.choice(CHARS))
        if dice.random() < 0.7
        else (lambda: chr(dice.randrange(2**16)))
    )
    return "".join(draw() for _ in range(dice.randrange(most + 1)))


def some_value(dice: random.Random) -> Any:
    return dice.choice(ODD) if dice.random() < 0.6 else some_text(dice, 12)


def some_of(dice: random.Random, names: Sequence[str]) -> dict[str, Any]:
    return {name: some_value(dice) for name in names if dice.random() < 0.25}


routes = st.sampled_from(
    [
        WebhookRoute(agent_from_payload=True),
        WebhookRoute(agent="assistant", text="{{ text }} {{ agent.x }} {{ text + 1 }}"),
        WebhookRoute(
            agent="assistant", text="{% for a in payload %}{{ a }}{% endfor %}{{ text | int // 0 }}"
        ),
    ]
)


@thorough
@given(st.integers(0, 2**64), routes)
def test_webhooks(seed: int, route: WebhookRoute) -> None:
    dice = random.Random(seed)
    payload = {"text": "hello", **some_of(dice, ("text", "conversation", "reply_to", "agent"))}
    if dice.random() < 0.2:
        payload["reply_to"] = dice.choice(URLS)
    content = json.dumps(payload if dice.random() < 0.8 else some_value(dice)).encode()
    body = content if dice.random() < 0.7 else dice.randbytes(dice.randrange(41))
    ids = ("webhook-id", "x-github-delivery", "idempotency-key")
    headers = {name: some_text(dice, 30) for name in ids if dice.random() < 0.4}
    headers |= {
        name: dice.choice(("", "v1,", "Bearer x", "17")) for name in ids[: dice.randrange(2)]
    }
    for event in events_in(headers, body):
        outcome(functools.partial(filled_in, route, headers, event))


def events_in(headers: dict[str, str], body: bytes) -> tuple[Body, ...]:
    try:
        return read_body(headers, body)
    except Refused as error:
        assert str(error)
        return ()


def filled_in(route: WebhookRoute, headers: dict[str, str], event: Body) -> Trigger | Ignored:
    """As the daemon does, but with the templates filled in here."""
    variables = variables_of(event.payload, route.shown_headers(headers), {})
    templates = route.templates().items()
    rendered = {field: render(template, variables) for field, template in templates}
    return parse_webhook("shop", route, headers, event, rendered, new_id=lambda: "new")


@thorough
@given(st.integers(0, 2**64))
def test_slack_events(seed: int) -> None:
    dice = random.Random(seed)
    body: dict[str, Any]
    match dice.randrange(4):
        case 0:
            body = {"type": "event_callback", "event": some_value(dice)}
        case 1:
            body = {some_text(dice, 8): some_value(dice) for _ in range(dice.randrange(4))}
        case 2:
            fields = ("text", "user", "ts", "thread_ts", "channel", "subtype", "files")
            body = mention(**some_of(dice, fields))
        case _:
            names = ("team_id", "event_id", "authorizations", "event", "type")
            body = {**mention(), dice.choice(names): some_value(dice)}
    try:
        event = slack.parse(body)
    except Refused as error:
        assert str(error)
        return
    if isinstance(event, slack.SlackMessage):
        # The store keeps what is waiting under the one, and the log names the other.
        assert event.key and event.writer.sender.partition("/")[0]


CLICK = {
    "type": "block_actions",
    "actions": [{"action_id": "ponderd:0", "value": "run1:7 approve"}],
    "user": {"id": "U1"},
    "message": {"text": "May I?", "thread_ts": "1.2"},
    "response_url": "https://hooks.slack.com/actions/1",
}


@thorough
@given(st.integers(0, 2**64))
def test_slack_clicks(seed: int) -> None:
    dice = random.Random(seed)
    try:
        click = parse_click({**CLICK, **some_of(dice, [*CLICK])})
    except Refused:
        return
    if not isinstance(click, Ignored):
        verdict = click.verdict
        assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


NAMES_OF_HEADERS = (
    *("webhook-id", "webhook-timestamp", "webhook-signature"),
    *("x-hub-signature-256", "authorization"),
)


@thorough
@given(st.integers(0, 2**64))
def test_signatures(seed: int) -> None:
    dice = random.Random(seed)
    known = ("", "v1,", "Bearer x", "17", "1700000000")
    headers = {
        name: dice.choice(known) if dice.random() < 0.6 else some_text(dice, 30)
        for name in NAMES_OF_HEADERS
        if dice.random() < 0.6
    }
    body = dice.randbytes(dice.randrange(21))
    for verify in (
        functools.partial(verify_standard, KEY, headers, body, now=1_700_000_000),
        functools.partial(verify_github, b"secret", headers, body),
        functools.partial(verify_bearer, "secret", headers),
    ):
        with pytest.raises(Unauthenticated):
            verify()


@thorough
@given(st.text(min_size=1, max_size=30), st.binary(max_size=50), st.integers(-300, 300))
def test_every_message_we_sign_is_accepted(message_id: str, body: bytes, age: int) -> None:
    headers = sign_standard(KEY, message_id=message_id, body=body, now=1_700_000_000)
    verify_standard(KEY, headers, body, now=1_700_000_000 + age)


@thorough
@given(st.text(max_size=60))
def test_secrets(secret: str) -> None:
    try:
        assert standard_key(secret)
    except ValueError as error:
        assert "whsec_" in str(error)
