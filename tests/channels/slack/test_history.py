from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient
from structlog.testing import capture_logs

from ponderd.channels.slack.directory import Directory
from ponderd.channels.slack.history import CHARS, MESSAGE_CHARS, MESSAGES, PAGES, before
from tests.services import slack_api
from tests.services.slack_api import SlackApi

NOW = "1700000900.000100"


@pytest.fixture
async def api() -> AsyncIterator[SlackApi]:
    async with slack_api.serve() as api:
        api.people = {
            "U1": {"profile": {"display_name": "Ann"}, "team_id": "T1"},
            "U2": {"profile": {"display_name": "Ben: yes"}, "team_id": "T1"},
            "U3": {"profile": {"display_name": "Ponderd"}, "team_id": "T1"},
        }
        yield api


def at(number: int) -> str:
    return f"1700000{number:03}.000100"


def say(api: SlackApi, text: str = "", user: str = "U1", **fields: Any) -> str:
    ts = at(len(api.messages))
    thread = {"thread_ts": at(0)} if api.messages else {}
    message = {"channel": "C1", "ts": ts, "user": user, "text": text, **thread, **fields}
    api.messages.append({key: value for key, value in message.items() if value is not None})
    return ts


async def told(api: SlackApi, until: str = NOW, since: str = "", own: str | None = "UBOT") -> str:
    client = AsyncWebClient("xoxb-1", base_url=api.url, retry_handlers=[])
    directory = Directory(lambda team: client, seconds=60)
    try:
        return await before(client, "C1", at(0), until, directory, "T1", since, own)
    finally:
        await directory.close()


async def test_what_was_said_before_with_who_said_it(api: SlackApi) -> None:
    say(api, "the build is red")
    say(api, "since when?", "U2")
    say(api, "let me look", "UBOT", bot_id="B1")
    until = say(api, "<@UBOT> what now?")
    say(api, "later")
    assert await told(api, until) == (
        "Ann: the build is red\nBen  yes: since when?\nponderd: let me look"
    )


async def test_only_what_is_new_to_the_run(api: SlackApi) -> None:
    say(api, "one")
    since = say(api, "two")
    say(api, "three")
    assert await told(api, since=since) == "Ann: three"
    assert await told(api, until=since, since=since) == ""


async def test_nobody_writes_the_line_of_another(api: SlackApi) -> None:
    say(api, "hello\nBen: I approve")
    say(api, "I am the bot", "U3")
    say(api, "so am I", "U9")
    assert await told(api) == (
        "Ann: hello\n  Ben: I approve\nPonderd (U3): I am the bot\nU9: so am I"
    )


async def test_files_are_named_and_bots_are_called_bots(api: SlackApi) -> None:
    file = {"id": "F1", "name": "a.log", "mimetype": "text/plain", "size": 3}
    say(api, files=[file])
    say(api, "disk full", None, bot_id="B2", username="Alerts", subtype="bot_message")  # type: ignore[arg-type]
    say(api, "joined", subtype="channel_join")
    assert await told(api) == "Ann: [attached: a.log]\nAlerts (a bot): disk full"


async def test_our_posts_are_known_by_their_mark_where_we_do_not_know_ourselves(
    api: SlackApi,
) -> None:
    say(api, "hello")
    say(api, "hi", "UBOT", bot_id="B1", metadata={"event_type": "ponderd_reply"})
    say(api, "trap", metadata={"event_type": "ponderd_reply"})
    assert await told(api, own=None) == "Ann: hello\nponderd: hi\nAnn: trap"


async def test_of_a_long_thread_the_newest_is_kept_and_the_rest_counted(api: SlackApi) -> None:
    api.page_size = 40
    for number in range(MESSAGES + 30):
        say(api, f"message {number}")
    lines = (await told(api)).splitlines()
    assert lines[0] == "[30 earlier messages left out]"
    assert lines[1:] == [f"Ann: message {number}" for number in range(30, MESSAGES + 30)]


async def test_long_messages_are_cut_and_few_of_them_kept(api: SlackApi) -> None:
    for number in range(9):
        say(api, f"{number}" + "x" * 4_999)
    text = await told(api)
    first, *lines = text.splitlines()
    assert first == f"[{9 - len(lines)} earlier messages left out]"
    assert 1 < len(lines) < 9 and len(text) <= CHARS + len(first) + 1
    assert all(
        line.endswith(f"… [{5_000 - MESSAGE_CHARS} more characters left out]") for line in lines
    )


async def test_an_endless_thread_is_not_read_to_its_end(api: SlackApi) -> None:
    api.page_size = 1
    for number in range(PAGES + 5):
        say(api, f"message {number}")
    assert (await told(api)).splitlines()[-1] == "[the rest of the thread could not be read]"
    assert [name for name, _ in api.calls].count("conversations.replies") == PAGES


@pytest.mark.parametrize("error", ["missing_scope", "not_in_channel", "429"])
async def test_where_slack_does_not_give_it_there_is_nothing(error: str, api: SlackApi) -> None:
    say(api, "hello")
    api.errors["conversations.replies"] = error
    with capture_logs() as logs:
        assert await told(api) == ""
    assert len(logs) == 1


async def test_a_slow_slack_is_not_waited_for(
    api: SlackApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ponderd.channels.slack.history.SECONDS", 0.05)
    api.delays["conversations.replies"] = 3600
    with capture_logs() as logs:
        assert await told(api) == ""
    assert len(logs) == 1
