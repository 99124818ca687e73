from pathlib import Path

import pytest
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from ponderd.channels.errors import DeliveryError
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.web_api import (
    Workspaces,
    delivery_error,
    kind_of,
    read_tokens,
    web_client,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "token"


def from_file(file: Path, token: str | None = None) -> Workspaces:
    given = SecretStr(token) if token else None
    return Workspaces(ChannelSettings(slack_bot_token=given, slack_bot_token_file=file))


class TestTokens:
    def test_one_token_is_for_every_workspace(self) -> None:
        workspaces = Workspaces(ChannelSettings(slack_bot_token=SecretStr("xoxb-1")))
        assert [workspaces.token(), workspaces.token("T1"), workspaces.token("T1", "E1")] == [
            "xoxb-1"
        ] * 3
        assert workspaces.client("T1").token == "xoxb-1"

    def test_the_file_is_read_again_and_comes_first(self, file: Path) -> None:
        workspaces = from_file(file, "xoxb-old")
        for token in ("xoxb-1", "xoxb-2", "xoxb-3"):
            file.write_text(f"\ufeff# of the app ponderd\r\n\r\n{token}\r\n")
            assert workspaces.client().token == token

    def test_each_workspace_has_its_own(self, file: Path) -> None:
        file.write_text("T1=xoxb-1\nT2 = xoxb-2\nE1: xoxe.xoxb-3\n")
        workspaces = from_file(file)
        asked = [("T1", ""), ("T2", "E1"), ("T3", "E1"), ("", "E1"), ("T4", "")]
        assert [workspaces.token(*place) for place in asked] == [
            "xoxb-1",
            "xoxb-2",
            "xoxe.xoxb-3",
            "xoxe.xoxb-3",
            "xoxe.xoxb-3",
        ]

    def test_a_workspace_without_a_token_is_named(self, file: Path) -> None:
        file.write_text("T1=xoxb-1\n")
        workspaces = from_file(file)
        assert workspaces.token() == "xoxb-1"
        with pytest.raises(DeliveryError, match="workspace T2: add a line T2=xoxb") as refused:
            workspaces.token("T2")
        assert refused.value.mendable and not refused.value.permanent

    def test_several_workspaces_and_none_named(self, file: Path) -> None:
        file.write_text("T1=xoxb-1\nT2=xoxb-2\n")
        with pytest.raises(DeliveryError, match="not known which"):
            from_file(file).token()

    def test_no_token_can_be_mended(self) -> None:
        with pytest.raises(DeliveryError, match="PONDERD_SLACK_BOT_TOKEN is not set") as refused:
            Workspaces(ChannelSettings(slack_bot_token=None)).client()
        assert refused.value.mendable

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "# nothing\n",
            "T1=\n",
            "xoxb-1 and more",
            "t1=xoxb-12",
            "T1=xoxb-1\nT1=xoxb-2",
            "\x00\xff",
        ],
    )
    def test_a_broken_file_is_named_and_shows_no_token(self, content: str, file: Path) -> None:
        file.write_bytes(content.encode("latin-1"))
        with pytest.raises(DeliveryError) as refused:
            from_file(file).client()
        assert refused.value.mendable
        assert str(file) in str(refused.value) and "xoxb-1" not in str(refused.value)

    def test_a_file_that_is_away_can_be_mended(self, file: Path) -> None:
        with pytest.raises(DeliveryError, match="No such file") as refused:
            from_file(file, "xoxb-old").client()
        assert refused.value.mendable and str(file) in str(refused.value)

    def test_a_token_without_a_place_is_for_all_the_rest(self) -> None:
        assert read_tokens("xoxb-1\nT2=xoxb-2", "file") == {"": "xoxb-1", "T2": "xoxb-2"}


def failed(reason: str, **fields: str) -> SlackApiError:
    response = AsyncSlackResponse(
        client=web_client(ChannelSettings(), "xoxb-1"),
        http_verb="POST",
        api_url="chat.postMessage",
        req_args={},
        data={"ok": False, "error": reason, **fields},
        headers={},
        status_code=200,
    )
    return SlackApiError("", response)


class TestErrors:
    @pytest.mark.parametrize(
        ("kind", "reasons"),
        [
            ("passes", "ratelimited internal_error fatal_error service_unavailable"),
            (
                "mendable",
                "token_revoked invalid_auth account_inactive token_expired not_authed "
                "missing_scope not_in_channel channel_not_found org_login_required "
                "ekm_access_denied restricted_action restricted_action_read_only_channel "
                "messages_tab_disabled "
                "team_access_not_granted accesslimited two_factor_setup_required "
                "an_error_of_next_year",
            ),
            ("never", "is_archived no_text invalid_arguments metadata_too_large msg_too_long"),
        ],
    )
    def test_every_code_is_of_one_kind(self, kind: str, reasons: str) -> None:
        assert {kind_of(reason) for reason in reasons.split()} == {kind}

    def test_a_proxy_that_answers_for_slack_passes(self) -> None:
        assert kind_of("HTTP 502") == "passes"

    @pytest.mark.parametrize(
        ("reason", "told"),
        [
            ("not_in_channel", "invite the bot to C1"),
            ("channel_not_found", "C1 does not exist, or the bot does not see it: invite"),
            ("token_revoked", "PONDERD_SLACK_BOT_TOKEN_FILE"),
            ("restricted_action", "post in C1"),
        ],
    )
    def test_it_says_what_to_do(self, reason: str, told: str) -> None:
        error = delivery_error(failed(reason), "C1")
        assert reason in str(error) and told in str(error)
        assert error.mendable

    def test_a_missing_scope_is_named(self) -> None:
        error = delivery_error(failed("missing_scope", needed="chat:write"), "C1")
        assert "add the scope chat:write" in str(error)
