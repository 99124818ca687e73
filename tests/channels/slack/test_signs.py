import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient
from structlog.testing import capture_logs

from ponderd.channels.channel import ShowsProgress
from ponderd.channels.errors import DeliveryError
from ponderd.channels.message import Address
from ponderd.channels.slack.out.send import SlackChannel
from ponderd.channels.slack.signs import STATUS_LIMIT, THINKING, Signs
from tests.services import slack_api
from tests.services.eventually import eventually
from tests.services.slack_api import SlackApi

MENTION = "1700000001.000100"
THREAD = Address(
    channel="slack", to="C1", thread=MENTION, headers={"team": "T1", "message": MENTION}
)
DIRECT = Address(channel="slack", to="D1", headers={"team": "T1", "message": MENTION})
NOT_LONG = 0.01
EYES = ("C1", MENTION, "eyes")


@pytest.fixture
async def api() -> AsyncIterator[SlackApi]:
    async with slack_api.serve() as api:
        yield api


def signs_of(api: SlackApi, interval: float = NOT_LONG) -> Signs:
    client = AsyncWebClient("xoxb-1", base_url=api.url, retry_handlers=[])
    return Signs(lambda *_: client, interval=interval)


def words(api: SlackApi) -> list[str]:
    return [call["status"] for name, call in api.calls if name == "assistant.threads.setStatus"]


def names(api: SlackApi) -> list[str]:
    return [name for name, _ in api.calls]


async def test_the_first_sign_is_the_status_of_the_thread(api: SlackApi) -> None:
    signs = signs_of(api)
    signs.begin(THREAD, MENTION)
    await signs.close()
    assert api.statuses == {("C1", MENTION): THINKING}
    assert api.reactions == set()


async def test_what_is_being_done_is_told_in_one_short_line(api: SlackApi) -> None:
    signs = signs_of(api)
    signs.doing(THREAD, "is searching\nthe wiki… " + "x" * 500)
    await signs.close()
    [shown] = words(api)
    assert shown.startswith("is searching the wiki… x") and len(shown) == STATUS_LIMIT


async def test_of_many_states_the_newest_is_shown(api: SlackApi) -> None:
    signs = signs_of(api)
    api.delays["assistant.threads.setStatus"] = 0.1
    signs.begin(THREAD, MENTION)
    await eventually(lambda: words(api))
    for number in range(50):
        signs.doing(THREAD, f"step {number}")
    await eventually(lambda: api.statuses.get(("C1", MENTION)) == "step 49")
    await signs.close()
    assert words(api) == [THINKING, "step 49"]


async def test_states_of_one_thread_keep_their_distance(api: SlackApi) -> None:
    signs = signs_of(api, interval=0.3)
    began = time.monotonic()
    signs.doing(THREAD, "one")
    await eventually(lambda: words(api) == ["one"])
    signs.doing(THREAD, "two")
    await eventually(lambda: words(api) == ["one", "two"])
    assert time.monotonic() - began >= 0.3
    await signs.close()


async def test_no_sign_waits_for_a_connection_of_its_own(api: SlackApi) -> None:
    signs = signs_of(api)
    for number in range(5):
        signs.doing(THREAD, f"step {number}")
        await eventually(lambda number=number: words(api)[-1:] == [f"step {number}"])
    await signs.close()
    assert len(api.peers) == 1


async def test_threads_do_not_wait_for_each_other(api: SlackApi) -> None:
    signs = signs_of(api, interval=3600)
    other = THREAD.model_copy(update={"thread": "9.9"})
    signs.doing(THREAD, "one")
    signs.doing(other, "two")
    await eventually(lambda: len(api.statuses) == 2)
    await signs.close()


@pytest.mark.parametrize("error", ["unknown_method", "missing_scope", "channel_not_supported"])
async def test_a_reaction_where_there_is_no_status(error: str, api: SlackApi) -> None:
    api.errors["assistant.threads.setStatus"] = error
    signs = signs_of(api)
    signs.begin(THREAD, MENTION)
    await eventually(lambda: api.reactions == {EYES})
    signs.doing(THREAD, "is searching")
    signs.end(THREAD)
    await eventually(lambda: api.reactions == set())
    signs.begin(THREAD, MENTION)
    await eventually(lambda: api.reactions == {EYES})
    await signs.close()
    assert names(api).count("assistant.threads.setStatus") == 1, "it is remembered"


async def test_what_holds_for_one_conversation_says_nothing_of_others(api: SlackApi) -> None:
    api.errors["assistant.threads.setStatus"] = "channel_not_supported"
    signs = signs_of(api)
    signs.begin(THREAD, MENTION)
    await eventually(lambda: api.reactions)
    del api.errors["assistant.threads.setStatus"]
    signs.begin(THREAD.model_copy(update={"to": "C2"}), MENTION)
    await eventually(lambda: ("C2", MENTION) in api.statuses)
    await signs.close()


async def test_a_worker_takes_away_the_reaction_of_the_daemon(api: SlackApi) -> None:
    api.errors["assistant.threads.setStatus"] = "unknown_method"
    daemon, worker = signs_of(api), signs_of(api)
    daemon.begin(THREAD, MENTION)
    await daemon.close()
    assert api.reactions == {EYES}
    worker.doing(THREAD, "is searching")
    worker.end(THREAD)
    await eventually(lambda: api.reactions == set())
    await worker.close()


async def test_no_reaction_is_looked_for_where_the_status_works(api: SlackApi) -> None:
    worker = signs_of(api)
    worker.doing(THREAD, "is searching")
    await eventually(lambda: words(api))
    worker.end(THREAD)
    await worker.close()
    assert "reactions.remove" not in names(api)


async def test_a_direct_message_gets_both_and_loses_both(api: SlackApi) -> None:
    daemon, worker = signs_of(api), signs_of(api)
    daemon.begin(DIRECT, MENTION)
    await daemon.close()
    assert api.reactions == {("D1", MENTION, "eyes")}
    assert api.statuses == {("D1", MENTION): THINKING}
    worker.end(DIRECT)
    await worker.close()
    assert api.reactions == set()
    assert api.statuses == {("D1", MENTION): ""}


async def test_what_is_away_is_not_taken_away_again(api: SlackApi) -> None:
    worker = signs_of(api, interval=3600)
    for number in range(3):
        worker.end(DIRECT)
        await eventually(lambda: "reactions.remove" in names(api))
        assert names(api).count("reactions.remove") == 1, number
    worker.doing(DIRECT, "goes on")
    worker.end(DIRECT)
    await eventually(lambda: names(api).count("reactions.remove") == 2)
    await worker.close()


async def test_an_answer_that_overtakes_the_sign_takes_it_away(api: SlackApi) -> None:
    api.delays["assistant.threads.setStatus"] = 0.1
    signs = signs_of(api)
    signs.doing(THREAD, "is searching")
    await eventually(lambda: words(api))
    signs.end(THREAD)
    await eventually(lambda: api.statuses.get(("C1", MENTION)) == "")
    await signs.close()


async def test_a_reaction_that_comes_behind_a_quick_answer_goes_all_the_same(api: SlackApi) -> None:
    now = f"{time.time() + 60:.6f}"
    api.errors["assistant.threads.setStatus"] = "unknown_method"
    daemon, worker = signs_of(api), signs_of(api, interval=0.3)
    address = THREAD.model_copy(update={"headers": {"team": "T1", "message": now}})
    worker.end(address)
    await eventually(lambda: "reactions.remove" in names(api))
    daemon.begin(address, now)
    await eventually(lambda: "reactions.add" in names(api))
    await eventually(lambda: names(api).count("reactions.remove") == 2 and not api.reactions)
    await worker.close()
    await daemon.close()


async def test_a_rate_limit_silences_the_workspace(api: SlackApi) -> None:
    signs = signs_of(api)
    api.errors["assistant.threads.setStatus"], api.retry_after = "429", 3600
    with capture_logs() as lines:
        signs.doing(THREAD, "one")
        await eventually(lambda: "slack shows no sign" in [line["event"] for line in lines])
    del api.errors["assistant.threads.setStatus"]
    signs.doing(THREAD.model_copy(update={"thread": "9.9"}), "two")
    await signs.close()
    assert words(api) == ["one"] and api.reactions == set()


async def test_no_token_no_network_no_place(
    api: SlackApi, caplog: pytest.LogCaptureFixture
) -> None:
    def no_token(*_: str) -> AsyncWebClient:
        raise DeliveryError("no token", mendable=True)

    nowhere = AsyncWebClient("xoxb-1", base_url="http://127.0.0.1:9/", retry_handlers=[])
    for signs in (Signs(no_token, interval=0), Signs(lambda *_: nowhere, interval=0)):
        signs.begin(THREAD, MENTION)
        signs.doing(THREAD, "is searching")
        signs.end(THREAD)
        await signs.close()
    signs = signs_of(api)
    signs.doing(Address(channel="slack", to="C1"), "posts by itself")
    await signs.close()
    assert api.calls == []


async def test_a_call_that_hangs_is_given_up(api: SlackApi, monkeypatch: Any) -> None:
    monkeypatch.setattr("ponderd.channels.slack.signs.SECONDS", 2.0)
    api.delays["assistant.threads.setStatus"] = 3600
    signs = signs_of(api)
    signs.begin(THREAD, MENTION)
    await eventually(lambda: words(api))
    signs.end(THREAD)
    await signs.close()
    assert api.statuses == {}


async def test_the_channel_shows_what_workers_do_and_takes_it_away(api: SlackApi) -> None:
    channel = SlackChannel(api.settings)
    assert isinstance(channel, ShowsProgress)
    channel.progress(DIRECT, "calls search…")
    await eventually(lambda: api.statuses.get(("D1", MENTION)) == "calls search…")
    channel.progress(DIRECT, "")
    await channel.close()
    assert api.statuses == {("D1", MENTION): ""}
