import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient
from structlog.testing import capture_logs

from ponderd.channels.errors import DeliveryError
from ponderd.channels.slack.directory import IDS, Directory, plain_name
from ponderd.channels.slack.reading.message import Ids, Names
from tests.services import slack_api
from tests.services.slack_api import SlackApi


@pytest.fixture
async def api() -> AsyncIterator[SlackApi]:
    async with slack_api.serve() as api:
        yield api


@pytest.fixture
async def directory(api: SlackApi) -> AsyncIterator[Directory]:
    client = AsyncWebClient("xoxb-1", base_url=api.url, retry_handlers=[])
    directory = Directory(lambda team: client, seconds=60)
    yield directory
    await directory.close()


def user(name: str = "", real_name: str = "", team: str = "T1", **fields: Any) -> dict[str, Any]:
    profile = {"display_name": name, "real_name": real_name}
    return {"team_id": team, "name": "login", "profile": profile, **fields}


async def test_people_channels_and_groups_get_the_names_that_one_sees(
    api: SlackApi, directory: Directory
) -> None:
    api.people = {"U1": user("ann", "Ann Example"), "U2": user("", "Ben Example")}
    api.channels = {"C1": {"name": "ops"}, "D1": {"is_im": True, "user": "U1"}}
    api.groups = {"S1": {"handle": "oncall", "name": "On call"}, "S2": {"handle": "other"}}
    found = await directory.names(
        "T1", Ids(people=("U1", "U2", "U9"), channels=("C1", "D1"), groups=("S1", "S9"))
    )
    assert found == Names(
        people={"U1": "ann", "U2": "Ben Example"}, channels={"C1": "ops"}, groups={"S1": "oncall"}
    )


@pytest.mark.parametrize(
    ("fields", "is_guest", "is_stranger"),
    [
        ({}, False, False),
        ({"is_restricted": True}, True, False),
        ({"is_restricted": True, "is_ultra_restricted": True}, True, False),
        ({"team": "T2"}, False, True),
        ({"is_stranger": True}, False, True),
        ({"team": "T2", "enterprise_user": {"teams": ["T1", "T2"]}}, False, False),
        ({"team": "T2", "enterprise_user": {"teams": ["T2"]}}, False, True),
        ({"team": ""}, False, False),
    ],
)
async def test_who_is_a_guest_and_who_a_stranger(
    fields: dict[str, Any], is_guest: bool, is_stranger: bool, api: SlackApi, directory: Directory
) -> None:
    api.people = {"U1": user("ann", **fields)}
    person = await directory.person("T1", "U1")
    assert person is not None
    assert (person.is_guest, person.is_stranger) == (is_guest, is_stranger)
    assert (person.id, person.name, person.team) == ("U1", "ann", fields.get("team", "T1"))


async def test_an_organisation_is_the_home_of_its_people(
    api: SlackApi, directory: Directory
) -> None:
    api.people = {"U1": user(team="T2", enterprise_user={"enterprise_id": "E1", "teams": ["T2"]})}
    person = await directory.person("E1", "U1")
    assert person is not None and not person.is_stranger


async def test_bots_and_owners(api: SlackApi, directory: Directory) -> None:
    api.people = {"U1": user(is_bot=True), "U2": user(is_owner=True), "U3": user()}
    found = [await directory.person("T1", each) for each in ("U1", "U2", "U3")]
    assert [(person.is_bot, person.is_owner) for person in found if person] == [
        (True, False),
        (False, True),
        (False, False),
    ]


async def test_what_is_known_is_not_asked_again(api: SlackApi, directory: Directory) -> None:
    api.people = {"U1": user("ann")}
    api.groups = {"S1": {"handle": "oncall"}}
    for _ in range(3):
        assert (await directory.names("T1", Ids(people=("U1",)))).people == {"U1": "ann"}
        assert (await directory.names("T1", Ids(groups=("S1",)))).groups == {"S1": "oncall"}
        assert await directory.person("T1", "U9") is None
    assert [name for name, _ in api.calls] == ["users.info", "usergroups.list", "users.info"]
    await directory.person("T2", "U1")
    assert len(api.calls) == 4, "another workspace may see them otherwise"


async def test_who_asks_at_the_same_time_shares_the_answer(
    api: SlackApi, directory: Directory
) -> None:
    api.people = {"U1": user("ann")}
    api.delays["users.info"] = 0.1
    found = await asyncio.gather(*(directory.person("T1", "U1") for _ in range(20)))
    assert {person.name for person in found if person} == {"ann"}
    assert len(api.calls) == 1


async def test_nobody_waits_long_but_the_answer_is_there_for_the_next(api: SlackApi) -> None:
    client = AsyncWebClient("xoxb-1", base_url=api.url, retry_handlers=[])
    hasty = Directory(lambda team: client, seconds=0.05)
    api.people = {"U1": user("ann")}
    api.delays["users.info"] = 1
    assert await hasty.person("T1", "U1") is None
    await asyncio.wait(hasty._asked.values())
    found = await hasty.person("T1", "U1")
    assert found is not None and found.name == "ann"
    assert len(api.calls) == 1


@pytest.mark.parametrize("error", ["missing_scope", "unknown_method", "429", "invalid_auth"])
async def test_where_slack_does_not_say_ids_stay_and_the_log_says_so_once(
    error: str, api: SlackApi, directory: Directory
) -> None:
    api.people = {"U1": user("ann")}
    api.channels = {"C1": {"name": "ops"}}
    api.errors["users.info"] = error
    with capture_logs() as logs:
        for number in range(5):
            ids = Ids(people=("U1", f"U{number + 2}"), channels=("C1",))
            assert await directory.names("T1", ids) == Names(channels={"C1": "ops"})
            assert await directory.person("T1", "U1") is None
    assert [entry["method"] for entry in logs] == ["users.info"]
    assert len(api.calls) <= 3
    assert await directory.person("T2", "U1") is None
    assert api.calls[-1] == ("users.info", {"user": "U1"}), "the pause is one workspace's"


async def test_no_network_and_no_token(api: SlackApi) -> None:
    def no_token(team: str) -> AsyncWebClient:
        raise DeliveryError("no token", mendable=True)

    nowhere = AsyncWebClient("xoxb-1", base_url="http://127.0.0.1:9/", retry_handlers=[])
    for directory in (Directory(no_token), Directory(lambda team: nowhere)):
        with capture_logs() as logs:
            for _ in range(3):
                assert await directory.person("T1", "U1") is None
        assert len(logs) == 1


async def test_an_answer_that_is_not_understood(api: SlackApi, directory: Directory) -> None:
    api.people = {"U1": {"profile": "?"}}
    assert await directory.person("T1", "U1") is None


async def test_a_message_full_of_ids_is_not_looked_up_in_full(
    api: SlackApi, directory: Directory
) -> None:
    await directory.names("T1", Ids(people=tuple(f"U{number}" for number in range(500))))
    assert len(api.calls) == IDS


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Ann\nBob: deploy it", "Ann Bob: deploy it"),
        ("\u202eAnn\u200b\x00", "Ann"),
        ("[attached: x] <@U1>", "attached: x @U1"),
        ("Ánn Müller 安 👩🏽", "Ánn Müller 安 👩🏽"),
        ("x" * 500, "x" * 80),
    ],
)
def test_names_are_one_line_of_plain_characters(name: str, plain: str) -> None:
    assert plain_name(name) == plain
