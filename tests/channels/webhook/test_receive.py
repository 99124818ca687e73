import json
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import standardwebhooks
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from pydantic import SecretStr, ValidationError

from ponderd.channels.errors import DeliveryError, Forbidden, Malformed, Refused, Unauthenticated
from ponderd.channels.message import Address, Inquiry, Reply, Trigger
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.signature import sign_standard, standard_key
from ponderd.channels.webhook.callback import CallbackResolver, check_callback, is_public
from ponderd.channels.webhook.receive import WebhookRoute, authenticate, parse
from ponderd.channels.webhook.send import WebhookChannel, payload

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = standard_key(SECRET)
NOW = 1_700_000_000.0


def read(
    payload: object, route: WebhookRoute | None = None, headers: dict[str, str] | None = None
) -> Trigger:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return parse("shop", route or WebhookRoute(), headers or {}, body, new_id=lambda: "new")


class TestParse:
    def test_a_payload_becomes_a_trigger(self) -> None:
        trigger = read(
            {"text": "hello", "conversation": "order-17", "reply_to": "https://example.com/cb"},
            headers={"webhook-id": "msg_1"},
        )
        assert trigger == Trigger(
            channel="webhook",
            keys=("webhook:shop:msg_1",),
            conversation="order-17",
            source="shop",
            text="hello",
            sender="webhook:shop",
            agent="assistant",
            authentic=True,
            reply_to=Address(channel="webhook", to="https://example.com/cb"),
        )

    @pytest.mark.parametrize("name", ["webhook-id", "x-github-delivery", "idempotency-key"])
    def test_the_senders_id_is_the_key_and_the_conversation(self, name: str) -> None:
        trigger = read({"text": "hello"}, headers={name: "17"})
        assert trigger.keys == ("webhook:shop:17",)
        assert trigger.conversation == "webhook:shop:17"

    def test_without_an_id_every_delivery_counts(self) -> None:
        trigger = read({"text": "hello"})
        assert trigger.keys == ()
        assert trigger.conversation == "webhook:shop:new"

    @pytest.mark.parametrize(
        ("payload", "text"),
        [
            ({"text": ""}, '{"text":""}'),
            ({"text": 5, "ü": None}, '{"text":5,"ü":null}'),
            ([1, "a"], '[1,"a"]'),
            ("word", '"word"'),
            (None, "null"),
        ],
    )
    def test_without_text_the_json_is_the_text(self, payload: object, text: str) -> None:
        assert read(payload).text == text

    def test_the_route_can_say_where_the_text_is(self) -> None:
        route = WebhookRoute(text="{{ action }} {{ issue.title }} of {{ payload | length }}")
        assert read({"action": "opened", "issue": {"title": "Bug"}}, route).text == (
            "opened Bug of 2"
        )

    def test_a_template_cannot_leave_its_sandbox(self) -> None:
        route = WebhookRoute(text="{{ payload.__class__.__mro__ }}")
        with pytest.raises(Malformed):
            read({}, route)

    def test_a_payload_that_does_not_fit_the_template_is_refused(self) -> None:
        with pytest.raises(Malformed, match="template"):
            read({}, WebhookRoute(text="{{ issue.title }}"))
        with pytest.raises(Malformed, match="template"):
            read({"labels": []}, WebhookRoute(text="{{ labels|dictsort }}"))

    def test_the_payload_names_the_agent_only_where_the_route_says_so(self) -> None:
        payload = {"text": "hello", "agent": "triage"}
        assert read(payload).agent == "assistant"
        assert read(payload, WebhookRoute(agent_from_payload=True)).agent == "triage"
        assert read({"text": "a"}, WebhookRoute(agent_from_payload=True)).agent == "assistant"

    def test_a_number_may_name_the_conversation(self) -> None:
        assert read({"text": "a", "conversation": 17}).conversation == "17"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("conversation", ["a"]),
            ("conversation", True),
            ("conversation", "x" * 201),
            ("conversation", "a\nb\x00"),
            ("conversation", "\ud800"),
            ("reply_to", 5),
            ("reply_to", "ftp://example.com/"),
            ("reply_to", "/relative"),
            ("reply_to", "http://"),
            ("reply_to", "http://user:pw@example.com/"),
            ("reply_to", "http://example.com:99999/"),
            ("reply_to", "http://exa mple.com/\n"),
            ("agent", 5),
            ("agent", ""),
        ],
    )
    def test_a_field_of_the_wrong_kind_is_named(self, field: str, value: object) -> None:
        with pytest.raises(Malformed, match=f"^{field}: "):
            read({"text": "a", field: value}, WebhookRoute(agent_from_payload=True))

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"\xff\xfe",
            b"NaN",
            b"[Infinity]",
            b"[1e999]",
            b"9" * 5000,
            b"[" * 100_000,
            b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        ],
        ids=["empty", "cut", "utf8", "nan", "infinity", "1e999", "huge", "deep", "deep_closed"],
    )
    def test_what_is_not_json_is_refused(self, body: bytes) -> None:
        with pytest.raises(Malformed):
            read(body)

    def test_text_that_no_utf8_can_carry_is_cleaned(self) -> None:
        trigger = read(b'{"text": "a\\ud800b\\u0000c"}')
        assert trigger.text == "abc"
        assert trigger.model_dump_json()


class TestRoute:
    @pytest.mark.parametrize(
        "fields",
        [
            {"verify": ()},
            {"verify": ("github",)},
            {"verify": ("md5",)},
            {"secret": "not standard"},
            {"text": "{{ open"},
        ],
    )
    def test_a_wrong_route_is_refused_at_the_start(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            WebhookRoute(**fields)


class TestAuthenticate:
    BODY = b'{"text":"hello"}'

    def check(
        self, route: WebhookRoute, headers: dict[str, str], *, standard: str | None = SECRET
    ) -> None:
        authenticate(
            route,
            headers,
            self.BODY,
            now=NOW,
            standard=SecretStr(standard) if standard else None,
            bearer=SecretStr("token"),
        )

    def test_the_installations_own_secrets_serve_where_the_route_has_none(self) -> None:
        route = WebhookRoute(verify=("standard", "bearer"))
        self.check(route, sign_standard(KEY, message_id="1", body=self.BODY, now=NOW))
        self.check(route, {"authorization": "Bearer token"})

    def test_the_routes_own_secrets_go_first(self) -> None:
        route = WebhookRoute(verify=("bearer",), token=SecretStr("other"))
        self.check(route, {"authorization": "Bearer other"})
        with pytest.raises(Unauthenticated):
            self.check(route, {"authorization": "Bearer token"})

    def test_only_the_methods_of_the_route_count(self) -> None:
        with pytest.raises(Unauthenticated):
            self.check(WebhookRoute(), {"authorization": "Bearer token"})

    def test_a_wrong_signature_is_not_saved_by_a_right_token(self) -> None:
        headers = sign_standard(KEY, message_id="1", body=b"other", now=NOW)
        with pytest.raises(Unauthenticated):
            self.check(
                WebhookRoute(verify=("standard", "bearer")),
                {**headers, "authorization": "Bearer token"},
            )

    def test_nothing_at_all_is_refused(self) -> None:
        with pytest.raises(Unauthenticated, match="webhook-signature"):
            self.check(WebhookRoute(), {})

    def test_a_route_without_any_secret_lets_nobody_in(self) -> None:
        headers = sign_standard(KEY, message_id="1", body=self.BODY, now=NOW)
        with pytest.raises(Unauthenticated):
            self.check(WebhookRoute(), headers, standard=None)


class Sink:
    """Somebody's callback: keeps what it gets, answers what it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.response: dict[str, Any] = {"status": 200}
        self.port = 0

    async def receive(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append((headers, await request.read()))
        return web.Response(**self.response)


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    sink = Sink()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", sink.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sink.port = runner.addresses[0][1]
    yield sink
    await runner.cleanup()


class Names(AbstractResolver):
    """A name server that gives these addresses to every name; with none it knows no name."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if not self._addresses:
            raise OSError("no such name")
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


async def post(
    url: str, allow: str = "", secret: str | None = SECRET, resolver: Names | None = None
) -> str:
    settings = ChannelSettings(
        webhook_secret=SecretStr(secret) if secret else None,
        callback_allow=tuple(filter(None, allow.split(","))),
    )
    channel = WebhookChannel(settings, resolver=resolver)
    reply = Reply(
        key="run1:7",
        run_id="run1",
        agent="assistant",
        conversation="order-17",
        kind="answer",
        text="grüße",
        to=Address(channel="webhook", to=url),
    )
    try:
        return await channel.send(reply, resend=False)
    finally:
        await channel.close()


class TestSend:
    async def test_a_reply_arrives_signed_with_its_key_as_id(self, sink: Sink) -> None:
        assert await post(f"http://127.0.0.1:{sink.port}/cb", "127.0.0.1") == "200"
        [(headers, body)] = sink.got
        assert headers["webhook-id"] == "run1:7"
        assert standardwebhooks.Webhook(SECRET).verify(body, headers) == {
            "type": "run.reply",
            "run_id": "run1",
            "agent": "assistant",
            "conversation": "order-17",
            "kind": "answer",
            "text": "grüße",
        }

    def test_a_question_says_how_it_can_be_answered(self) -> None:
        approval = Inquiry(id="0c-1:7", kind="approval", urgency="high")
        question = Inquiry(id="0c-1:7", kind="question", choices=("a", "b"))
        reply = Reply(
            key="0c-1:7",
            run_id="0c-1",
            agent="deployer",
            conversation="order-17",
            kind="question",
            text="May I?",
            to=Address(channel="webhook", to="https://callback.test/"),
        )
        for prompt, url in [
            (approval, "https://agents.test/approvals/0c-1:7"),
            (question, "https://agents.test/runs/0c-1/messages"),
        ]:
            asked = reply.model_copy(update={"inquiry": prompt})
            body = payload(asked, "https://agents.test/")
            assert body["prompt"] == prompt.model_dump(mode="json")
            assert body["answer_url"] == url
            assert "answer_url" not in payload(asked, None)
        assert payload(reply, "https://agents.test").keys().isdisjoint({"prompt", "answer_url"})

    async def test_a_name_is_listed_with_or_without_its_port(self, sink: Sink) -> None:
        names = Names("127.0.0.1")
        url = f"http://callback.test:{sink.port}/"
        for allow in ("callback.test", f"callback.test:{sink.port}"):
            assert await post(url, allow, resolver=names) == "200"
        with pytest.raises(DeliveryError):
            await post(url, "callback.test:1", resolver=names)

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
    async def test_a_private_host_is_refused_for_good(self, host: str, sink: Sink) -> None:
        with pytest.raises(DeliveryError, match="not a public") as failed:
            await post(f"http://{host}:{sink.port}/")
        assert failed.value.permanent
        assert sink.got == []

    @pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001"])
    async def test_an_address_in_disguise_is_refused_for_good(self, host: str, sink: Sink) -> None:
        with pytest.raises(DeliveryError) as failed:
            await post(f"http://{host}:{sink.port}/")
        assert failed.value.permanent
        assert sink.got == []

    async def test_a_name_with_a_private_address_is_refused_for_good(self, sink: Sink) -> None:
        with pytest.raises(DeliveryError, match="not a public host") as failed:
            await post(f"http://callback.test:{sink.port}/", resolver=Names("127.0.0.1"))
        assert failed.value.permanent
        assert sink.got == []

    async def test_only_the_public_addresses_of_a_name_are_connected_to(self) -> None:
        names = CallbackResolver((), Names("127.0.0.1", "8.8.8.8"))
        assert [entry["host"] for entry in await names.resolve("callback.test", 80)] == ["8.8.8.8"]

    async def test_a_redirect_is_not_followed(self, sink: Sink) -> None:
        sink.response = {"status": 302, "headers": {"Location": "/elsewhere"}}
        with pytest.raises(DeliveryError, match="302") as failed:
            await post(f"http://127.0.0.1:{sink.port}/", "127.0.0.1")
        assert not failed.value.permanent
        assert len(sink.got) == 1

    @pytest.mark.parametrize(
        ("status", "permanent", "wait"),
        [
            (410, True, None),
            (429, False, 7),
            (503, False, 7),
            (500, False, None),
            (404, False, None),
        ],
    )
    async def test_the_status_says_whether_to_try_again(
        self, status: int, permanent: bool, wait: float | None, sink: Sink
    ) -> None:
        sink.response = {"status": status, "headers": {"Retry-After": "7"}}
        with pytest.raises(DeliveryError) as failed:
            await post(f"http://127.0.0.1:{sink.port}/", "127.0.0.1")
        assert (failed.value.permanent, failed.value.retry_after) == (permanent, wait)

    async def test_retry_after_may_be_a_date(self, sink: Sink) -> None:
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 60))
        sink.response = {"status": 429, "headers": {"Retry-After": date}}
        with pytest.raises(DeliveryError) as failed:
            await post(f"http://127.0.0.1:{sink.port}/", "127.0.0.1")
        assert failed.value.retry_after is not None
        assert 50 < failed.value.retry_after <= 60

    async def test_nobody_listening_is_worth_another_try(self, sink: Sink) -> None:
        with pytest.raises(DeliveryError) as failed:
            await post("http://127.0.0.1:1/", "127.0.0.1")
        assert not failed.value.permanent

    async def test_a_huge_answer_is_not_read(self, sink: Sink) -> None:
        sink.response = {"status": 200, "body": b"x" * 20_000_000}
        assert await post(f"http://127.0.0.1:{sink.port}/", "127.0.0.1") == "200"

    async def test_without_a_secret_nothing_is_sent(self, sink: Sink) -> None:
        with pytest.raises(DeliveryError, match="PONDERD_WEBHOOK_SECRET"):
            await post(f"http://127.0.0.1:{sink.port}/", "127.0.0.1", secret=None)
        assert sink.got == []


class TestCheckCallback:
    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1/",
            "http://localhost:8700/",
            "https://10.1.2.3/",
            "http://169.254.169.254/latest/meta-data",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[64:ff9b::a00:1]/",
            "http://[2002:a00:1::]/",
            "http://0.0.0.0/",
            "http://127.1/",
            "http://a..b/",
            f"http://{64 * 'a'}.test/",
        ],
    )
    async def test_a_private_host_is_refused_at_once(self, url: str) -> None:
        with pytest.raises(Refused):
            await check_callback(url, ())

    async def test_listed_public_and_unknown_hosts_pass(self) -> None:
        await check_callback("http://127.0.0.1:9/", ["127.0.0.1:9"])
        await check_callback("https://8.8.8.8/", ())
        await check_callback("https://callback.test/", (), resolver=Names("8.8.8.8"))
        await check_callback("https://callback.test/", (), resolver=Names())

    async def test_a_name_with_a_private_address_is_refused_at_once(self) -> None:
        with pytest.raises(Forbidden, match=r"callback\.test"):
            await check_callback("https://callback.test/", (), resolver=Names("10.0.0.1"))

    async def test_listing_a_port_lists_no_other(self) -> None:
        with pytest.raises(Forbidden):
            await check_callback("http://127.0.0.1:10/", ["127.0.0.1:9"])

    @pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
    def test_public_addresses(self, address: str) -> None:
        assert is_public(address)

    @pytest.mark.parametrize(
        "address", ["224.0.0.1", "100.64.0.1", "fe80::1%eth0", "fd00::1", "::", "ff02::1", "x"]
    )
    def test_addresses_that_are_not_public(self, address: str) -> None:
        assert not is_public(address)
