import asyncio
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

from ponderd.channels.errors import DeliveryError, Forbidden, Malformed, Refused
from ponderd.channels.message import Address, Ignored, Inquiry, Reply, Trigger
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.signature import standard_key
from ponderd.channels.webhook import callback
from ponderd.channels.webhook.body import read_body
from ponderd.channels.webhook.callback import CallbackResolver, check_callback, is_public
from ponderd.channels.webhook.receive import ID_HEADERS, parse
from ponderd.channels.webhook.rendering import render_all
from ponderd.channels.webhook.route import WebhookRoute
from ponderd.channels.webhook.send import WebhookChannel, payload
from tests.services.eventually import patiently

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = standard_key(SECRET)
NOW = 1_700_000_000.0


def parsed(
    payload: object, route: WebhookRoute | None = None, headers: dict[str, str] | None = None
) -> Trigger | Ignored:
    """What becomes of one delivery. Its templates are filled in here, without another process."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    route, headers = route or WebhookRoute(), headers or {}
    [event] = read_body(headers, body)
    shown = route.shown_headers(headers)
    rendered = render_all(route.templates(), event.payload, shown, {}) if route.templates() else {}
    allow = ("127.0.0.1",)
    return parse(
        "shop", route, headers, event, rendered, new_id=lambda: "new", callback_allow=allow
    )


def read(
    payload: object, route: WebhookRoute | None = None, headers: dict[str, str] | None = None
) -> Trigger:
    found = parsed(payload, route, headers)
    assert isinstance(found, Trigger)
    return found


class TestParse:
    def test_a_payload_becomes_a_trigger(self) -> None:
        trigger = read(
            {"text": "hello", "conversation": "order-17", "reply_to": "https://example.com/cb"},
            headers={"webhook-id": "msg_1"},
        )
        assert trigger == Trigger(
            channel="webhook",
            keys=("webhook:shop:webhook-id:msg_1",),
            digest=trigger.digest,
            conversation="order-17",
            source="shop",
            text="hello",
            sender="webhook:shop",
            agent="assistant",
            authentic=True,
            reply_to=Address(channel="webhook", to="https://example.com/cb"),
        )
        assert trigger.digest

    @pytest.mark.parametrize(
        ("payload", "text"),
        [
            ({"text": ""}, '{"text":""}'),
            ({"text": 5, "ü": None}, '{"text":5,"ü":null}'),
            ({"text": {"body": "x"}}, '{"text":{"body":"x"}}'),
            ([1.50, "a"], '[1.50,"a"]'),
            ("word", '"word"'),
            (None, "null"),
        ],
    )
    def test_without_text_the_json_is_the_text(self, payload: object, text: str) -> None:
        body = b'[1.50, "a"]' if payload == [1.5, "a"] else payload
        assert read(body).text == text

    def test_the_route_can_say_where_the_text_is(self) -> None:
        route = WebhookRoute(text="{{ action }} {{ issue.title }} of {{ payload | length }}")
        assert read({"action": "opened", "issue": {"title": "Bug"}}, route).text == (
            "opened Bug of 2"
        )

    def test_a_delivery_that_lacks_a_field_is_not_lost(self) -> None:
        route = WebhookRoute(text="New: {{ issue.title }} {{ labels|dictsort }}")
        assert read({}, route).text == "New:  []"
        assert read({"labels": 5}, route).text == "New:  "
        assert read({"labels": 5}, WebhookRoute(text="{{ labels|dictsort }}")).text == (
            '{"labels":5}'
        )

    def test_a_delivery_that_is_not_wanted_starts_nothing(self) -> None:
        route = WebhookRoute(when="action == 'opened'", text="{{ title }}")
        assert parsed({"action": "closed", "title": "t"}, route) == Ignored(reason="when")
        assert parsed({"title": "t"}, route) == Ignored(reason="when")
        assert parsed({"action": "opened"}, route) == Ignored(reason="empty")
        assert read({"action": "opened", "title": "t"}, route).text == "t"

    @pytest.mark.parametrize("when", ["labels|dictsort", "n / zero", "'a'|round"])
    def test_a_condition_that_fails_is_counted_apart(self, when: str) -> None:
        payload = {"labels": 5, "n": 1, "zero": 0}
        assert parsed(payload, WebhookRoute(when=when)) == Ignored(reason="when_failed")

    def test_the_payload_names_the_agent_only_where_the_route_says_so(self) -> None:
        payload = {"text": "hello", "agent": "triage"}
        assert read(payload).agent == "assistant"
        assert read(payload, WebhookRoute(agent_from_payload=True)).agent == "triage"
        assert read({"text": "a"}, WebhookRoute(agent_from_payload=True)).agent == "assistant"
        chosen = WebhookRoute(agent="{{ 'deployer' if urgent else 'triage' }}", text="a")
        assert read({"urgent": True}, chosen).agent == "deployer"
        assert read({}, chosen).agent == "triage"
        assert read({}, WebhookRoute(agent="{{ nope }}", text="a")).agent is None

    @pytest.mark.parametrize("value", [{"id": "c1"}, ["a"], 5, True, None, "x" * 300, "https://a"])
    @pytest.mark.parametrize("name", ["conversation", "agent", "reply_to", "text", "when", "id"])
    def test_with_a_template_no_field_of_the_payload_steers(self, name: str, value: object) -> None:
        """An object `conversation` of a help desk is no conversation of ours."""
        route = WebhookRoute(text="{{ subject }}", agent="triage", agent_from_payload=True)
        trigger = read({"subject": "Refund", name: value}, route, {"webhook-id": "1"})
        assert trigger.text == "Refund"
        assert trigger.conversation == "webhook:shop:webhook-id:1"
        assert (trigger.agent, trigger.reply_to) == ("triage", None)

    def test_unless_the_route_lets_it(self) -> None:
        route = WebhookRoute(
            text="{{ subject }}",
            conversation="{{ conversation.id }}",
            answer="{{ reply_to }}",
            sender="{{ customer.name }}",
        )
        payload = {
            "subject": "Refund",
            "conversation": {"id": 4711},
            "reply_to": "https://example.com/cb",
            "customer": {"name": "Ann\nBond"},
        }
        trigger = read(payload, route)
        assert (trigger.conversation, trigger.name) == ("4711", "Ann Bond")
        assert trigger.sender == "webhook:shop"
        assert trigger.reply_to == Address(channel="webhook", to="https://example.com/cb")
        bare = read({"subject": "Refund"}, route)
        assert (bare.conversation, bare.name, bare.reply_to) == ("webhook:shop:new", "", None)

    @pytest.mark.parametrize(
        "url",
        ["slack:C0123", "email:a@example.com", "http://example.com/", "ftp://example.com/", "x",
         "https://user:pw@example.com/", "javascript:alert(1)", "sms:+15550100", "5"],
    )  # fmt: skip
    def test_what_a_payload_fills_in_gives_an_https_url_or_nothing(self, url: str) -> None:
        route = WebhookRoute(text="a", answer="{{ reply_to }}")
        with pytest.raises(Malformed, match=r"^answer: "):
            parsed({"reply_to": url}, route)
        listed = read({"reply_to": "http://127.0.0.1:9000/"}, route)
        assert listed.reply_to == Address(channel="webhook", to="http://127.0.0.1:9000/")

    @pytest.mark.parametrize(
        ("answer", "address"),
        [
            ("slack:C0123", Address(channel="slack", to="C0123")),
            ("email:ops@example.com", Address(channel="email", to="ops@example.com")),
            ("https://example.com/a", Address(channel="webhook", to="https://example.com/a")),
        ],
    )
    def test_an_operator_says_where_answers_go(self, answer: str, address: Address) -> None:
        payload = {"text": "a", "reply_to": "https://elsewhere.example/"}
        assert read(payload, WebhookRoute(answer=answer)).reply_to == address
        assert read(payload, WebhookRoute(answer=answer, text="b")).reply_to == address

    def test_a_number_may_name_the_conversation(self) -> None:
        assert read({"text": "a", "conversation": 17}).conversation == "17"

    def test_a_conversation_that_is_too_long_keeps_its_own_name(self) -> None:
        route = WebhookRoute(text="a", conversation="{{ key }}")
        long = [read({"key": "k" * 500 + end}, route).conversation for end in "ab"]
        assert long[0] != long[1]
        assert {len(name) for name in long} == {200}

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("conversation", ["a"]),
            ("conversation", True),
            ("conversation", {"id": 1}),
            ("conversation", "x" * 201),
            ("conversation", "a\nb\x00"),
            ("conversation", "\ud800"),
            ("reply_to", 5),
            ("reply_to", {"url": "https://example.com"}),
            ("reply_to", "ftp://example.com/"),
            ("reply_to", "/relative"),
            ("reply_to", "http://"),
            ("reply_to", "http://user:pw@example.com/"),
            ("reply_to", "http://example.com:99999/"),
            ("reply_to", "http://exa mple.com/\n"),
            ("agent", 5),
            ("agent", ""),
            ("agent", {"name": "x"}),
        ],
    )
    def test_without_a_template_a_field_of_the_wrong_kind_is_named(
        self, field: str, value: object
    ) -> None:
        with pytest.raises(Malformed, match=f"^{field}: "):
            read({"text": "a", field: value}, WebhookRoute(agent_from_payload=True))

    def test_text_that_no_utf8_can_carry_is_cleaned(self) -> None:
        trigger = read(b'{"text": "a\\ud800b\\u0000c"}')
        assert trigger.text == "abc"
        assert trigger.model_dump_json()
        filled = read(b'{"t": "a\\ud800b"}', WebhookRoute(text="{{ t }}", conversation="{{ t }}"))
        assert (filled.text, filled.conversation) == ("ab", "ab")
        assert filled.model_dump_json()


class TestKeys:
    @pytest.mark.parametrize("name", ID_HEADERS)
    def test_the_senders_id_is_the_key_and_the_conversation(self, name: str) -> None:
        trigger = read({"text": "hello"}, headers={name: "17"})
        assert trigger.keys == (f"webhook:shop:{name}:17",)
        assert trigger.conversation == f"webhook:shop:{name}:17"

    def test_without_an_id_every_delivery_counts(self) -> None:
        trigger = read({"text": "hello"})
        assert trigger.keys == ()
        assert trigger.conversation == "webhook:shop:new"

    def test_each_kind_of_id_is_a_name_space(self) -> None:
        keys = {read({"text": "a"}, headers={name: "42"}).keys for name in ID_HEADERS}
        assert len(keys) == len(ID_HEADERS)

    def test_the_route_names_the_field_that_is_the_id(self) -> None:
        route = WebhookRoute(text="a", id="{{ event.id }}")
        assert read({"event": {"id": "E1"}}, route).keys == ("webhook:shop:id:E1",)
        assert read({}, route).keys == ()
        header = WebhookRoute(id="{{ headers.x_sent_as }}")
        assert read({}, header, {"x-sent-as": "7"}).keys == ("webhook:shop:id:7",)

    def test_a_cloud_event_has_its_source_and_id(self) -> None:
        event = {"specversion": "1.0", "id": "A1", "source": "/hosts/7", "type": "t"}
        headers = {"content-type": "application/cloudevents+json"}
        [key] = read(event, headers=headers).keys
        other = read({**event, "source": "/hosts/8"}, headers=headers).keys
        assert key.startswith("webhook:shop:ce-id:") and other != (key,)

    def test_an_id_that_several_events_share_counts_with_its_body(self) -> None:
        """GitLab hands the id of an event on to the events that it caused."""
        uuid = {"x-gitlab-event-uuid": "u1"}
        route = WebhookRoute(text="a")
        first, again = read({"n": 1}, route, uuid), read({"n": 1}, route, uuid)
        assert first.keys == again.keys != ()
        assert read({"n": 2}, route, uuid).keys != first.keys

    def test_an_id_of_any_length_is_a_key(self) -> None:
        long = [read({}, headers={"webhook-id": "x" * 900 + end}).keys[0] for end in "ab"]
        assert long[0] != long[1]
        assert max(map(len, long)) < 240

    def test_another_message_has_another_digest(self) -> None:
        same = read({"text": "a", "conversation": "c"}).digest
        assert read({"text": "a", "conversation": "c", "at": 5}).digest == same
        others = [
            {"text": "b", "conversation": "c"},
            {"text": "a", "conversation": "d"},
            {"text": "a"},
            {"text": "a", "conversation": "c", "reply_to": "https://example.com/"},
        ]
        assert len({read(one).digest for one in others} | {same}) == 5


class TestRoute:
    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            ({"verify": ()}, "verify"),
            ({"verify": ("github",)}, "needs a secret"),
            ({"verify": ("md5",)}, "'md5' is none of"),
            ({"verify": ({"type": "hmac"},), "secret": "s"}, "hmac.header: Field required"),
            ({"verify": {"type": "md5"}}, "type"),
            ({"secret": "not standard"}, "whsec_"),
            ({"text": "{{ open"}, "text"),
            ({"when": "action =="}, "when"),
            ({"when": "x|nope"}, "no filter 'nope'"),
            ({"conversation": "{{ x|nope }}"}, "no filter 'nope'"),
            ({"id": "event.id"}, "the same one"),
            ({"id": "{{ open"}, "id"),
            ({"answer": "#ops"}, "destination"),
            ({"answer": "slack:{{ channel }}"}, "https URL"),
            ({"answer": "{{ open"}, "answer"),
            ({"agent": "{{ open"}, "agent"),
            ({"sender": "{% for %}"}, "sender"),
            ({"preset": "gitbub"}, "preset"),
            ({"preset": "github"}, "needs a secret"),
            ({"nope": 1}, "nope"),
        ],
    )
    def test_a_wrong_route_is_refused_at_the_start(
        self, fields: dict[str, Any], problem: str
    ) -> None:
        with pytest.raises(ValidationError, match=problem):
            WebhookRoute(**fields)

    def test_what_is_secret_is_not_shown_to_templates(self) -> None:
        route = WebhookRoute(
            verify=({"type": "header", "header": "X-Our-Word"}, {"type": "query", "name": "k"}),
            token="tok",
        )
        headers = {
            "Authorization": "Bearer t", "Cookie": "c", "X-Gitlab-Token": "t", "x-our-word": "tok",
            "X-Api-Key": "k", "X-GitHub-Event": "issues",
        }  # fmt: skip
        assert route.shown_headers(headers) == {"x-github-event": "issues"}
        pairs = [("k", "tok"), ("token", "t"), ("team", "a"), ("team", "b")]
        assert route.shown_query(pairs) == {"team": "a"}

    def test_fields_of_the_route_replace_those_of_its_preset(self) -> None:
        preset = WebhookRoute(preset="github", secret="s")
        assert preset.when and preset.text and preset.conversation
        own = WebhookRoute(preset="github", secret="s", when="", text="{{ issue.title }}")
        assert (own.when, own.text) == (None, "{{ issue.title }}")
        assert own.conversation == preset.conversation


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
            await post(f"http://{host}:8080/")
        assert failed.value.permanent
        assert sink.got == []

    @pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001"])
    async def test_an_address_in_disguise_is_refused_for_good(self, host: str, sink: Sink) -> None:
        with pytest.raises(DeliveryError) as failed:
            await post(f"http://{host}:8080/")
        assert failed.value.permanent
        assert sink.got == []

    async def test_a_name_with_a_private_address_is_refused_for_good(self, sink: Sink) -> None:
        with pytest.raises(DeliveryError, match="not a public host") as failed:
            await post("http://callback.test/", resolver=Names("127.0.0.1"))
        assert failed.value.permanent
        assert sink.got == []

    async def test_only_the_public_addresses_of_a_name_are_connected_to(self) -> None:
        names = CallbackResolver((), Names("127.0.0.1", "8.8.8.8"))
        assert [entry["host"] for entry in await names.resolve("callback.test", 80)] == ["8.8.8.8"]

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_is_not_followed_and_not_tried_again(
        self, status: int, sink: Sink
    ) -> None:
        sink.response = {"status": status, "headers": {"Location": "/elsewhere?key=secret"}}
        with pytest.raises(DeliveryError, match=f"{status}.* to /elsewhere; .*name the") as failed:
            await post(f"http://127.0.0.1:{sink.port}/", "127.0.0.1")
        assert failed.value.permanent
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
            await check_callback("http://127.0.0.1:80/", ["127.0.0.1:9"])

    @pytest.mark.parametrize("port", [22, 25, 6379, 9000])
    async def test_ports_of_other_servers_must_be_listed(self, port: int) -> None:
        url = f"https://callback.test:{port}/"
        with pytest.raises(Forbidden, match=f"may list callback.test:{port}"):
            await check_callback(url, (), resolver=Names("8.8.8.8"))
        await check_callback(url, [f"callback.test:{port}"], resolver=Names("8.8.8.8"))
        with pytest.raises(DeliveryError, match="ports 80, 443, 8080, 8443") as failed:
            await post(url, resolver=Names("8.8.8.8"))
        assert failed.value.permanent

    async def test_a_name_server_that_says_nothing_holds_nobody_up(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Silent(Names):
            async def resolve(
                self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
            ) -> list[ResolveResult]:
                await asyncio.Event().wait()
                raise AssertionError

        monkeypatch.setattr(callback, "RESOLVE_SECONDS", 0.01)
        await patiently(check_callback("https://callback.test/", (), resolver=Silent()))

    @pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
    def test_public_addresses(self, address: str) -> None:
        assert is_public(address)

    @pytest.mark.parametrize(
        "address",
        [
            *("224.0.0.1", "100.64.0.1", "fe80::1%eth0", "fd00::1", "::", "ff02::1", "x"),
            *("168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::a83f:8110", "2002:a83f:8110::1"),
            *("192.88.99.1", "192.0.0.192", "fec0::1", "feff::1", "64:ff9b:1::1", "3fff::1"),
            *("5f00::1", "255.255.255.255", "240.0.0.1", "2001:db8::1", "0.1.2.3"),
        ],
    )
    def test_addresses_that_are_not_public(self, address: str) -> None:
        assert not is_public(address)
