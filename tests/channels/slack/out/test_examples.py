"""The messages that docs/channels.md shows are those that are posted."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ponderd.channels.message import Address, Inquiry, Reply
from ponderd.channels.slack.out.send import SlackChannel
from tests.services import slack_api

PAGE = Path(__file__).parents[4] / "docs" / "channels.md"

CALL = 'deploy(version="1.4.2 *stable*", hosts=3)'
APPROVAL = {
    "kind": "question",
    "text": f"May I run {CALL}? Please answer yes or no.",
    "inquiry": Inquiry(
        id="0b2f:7",
        kind="approval",
        call=CALL,
        asked_by="slack:t1/u0123",
        asked_for="please ship *1.4.2*",
    ),
}
TABLE = {
    "text": "**p95** of [the gateway](https://status.example/gw?a=1&b=2):\n\n"
    "| service | p95 | change |\n|:--|--:|:-:|\n| `api` | 210 ms | +5 |\n| 検索 | 95 ms | 👍 |"
}
LONG = {
    "text": "The log:\n\n```text\n"
    + "\n".join(f"line {n:03} of the log" for n in range(1, 251))
    + "\n```"
}


async def posted(**fields: Any) -> list[dict[str, Any]]:
    reply = Reply(
        key="0b2f:8",
        run_id="0b2f",
        agent="deployer",
        conversation="T1:C0123:1.2",
        to=Address(channel="slack", to="C0123", thread="1700000000.000100"),
        **{"kind": "answer"} | fields,
    )
    async with slack_api.serve() as api:
        await SlackChannel(api.settings).send(reply, resend=False)
    return [
        {name: _shortened(value) for name, value in message.items() if name != "ts"}
        for message in api.messages
    ]


def _shortened(value: Any) -> Any:
    long = isinstance(value, str) and len(value) > 600
    return f"{value[:48]}…{value[-44:]}" if long else value


@pytest.mark.parametrize(
    ("name", "fields"), [("approval", APPROVAL), ("table", TABLE), ("long answer", LONG)]
)
async def test_the_page_shows_what_is_posted(name: str, fields: dict[str, Any]) -> None:
    found = re.search(rf"^<!-- {name} -->\n```json\n(.*?)\n```$", PAGE.read_text(), re.M | re.S)
    assert found is not None
    assert json.loads(f"[{found[1]}]") == await posted(**fields)
