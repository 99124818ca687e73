"""Draw docs/images/slack-thread.svg from a real run: `python -m tests.pictures.slack_thread`.

Starts ponderd with the agent of the README, behind Slack's side of the wire on loopback and with a
scripted model. Ann mentions the agent, it asks, Bob presses Approve. What is drawn are the messages
and buttons that were posted; only faces, colours and names are made up.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.services import slack_api
from tests.services.eventually import eventually
from tests.services.model_server import Line, ScriptedModel
from tests.services.slack_api import Signed, SlackApi, signed
from tests.services.stack import Client, Stack, running
from tests.services.state_server import StateServer

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "images" / "slack-thread.svg"

ASKED = "Please refund order 4711, 25 euros: the mug arrived broken."
FENCE = "```"
PEOPLE = {"U1": "Ann", "U2": "Bob", "UBOT": "ponderd"}


@dataclass(frozen=True)
class Message:
    """What a person sees of one message in Slack."""

    author: str
    text: str
    buttons: tuple[str, ...] = ()


Thread = tuple[Message, ...]


def readme_agent() -> str:
    """The agent that the README shows."""
    found = re.search(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
    assert found is not None
    return found[1]


def clerk(request: dict[str, Any]) -> Line:
    """Plays the model for that agent: the tool first, then a reply with what came of it."""
    said = str(request["messages"][-1]["content"])
    if result := re.search(r"^\[tool\] refund: (.*)$", said, re.M):
        return {"action": "reply", "text": f"Done: {result[1]}"}
    wanted = re.search(r"order (\d+), (\d+) euros", said)
    assert wanted is not None, said
    return {"action": "refund", "order": wanted[1], "euros": int(wanted[2])}


async def threads(redis_url: str, folder: Path) -> tuple[Thread, Thread]:
    """The thread while it waits for a yes, and at its end."""
    (folder / "agents").mkdir()
    (folder / "agents" / "refunds.py").write_text(readme_agent())
    (folder / "ponderd.toml").write_text('[slack]\nagent = "refunds"\n')
    async with ScriptedModel(clerk) as model, slack_api.serve() as slack:
        settings = {
            "PONDERD_AGENTS_DIR": str(folder / "agents"),
            "PONDERD_CONFIG": str(folder / "ponderd.toml"),
            "PONDERD_SLACK_BOT_TOKEN": "xoxb-1",
            "PONDERD_SLACK_SIGNING_SECRET": slack_api.SIGNING_SECRET,
            "PONDERD_SLACK_API_URL": slack.url,
        }
        stack = Stack(redis_url, model.url, folder, settings)
        async with running(stack) as client:
            return await _talk(client, stack, slack)


async def _talk(client: Client, stack: Stack, slack: SlackApi) -> tuple[Thread, Thread]:
    body = json.dumps(slack_api.mention(f"<@UBOT> {ASKED}")).encode()
    await _post(stack, Signed(body, signed(body)))
    await eventually(lambda: slack.messages)
    asked = _seen(slack)
    [run] = (await client.get("/runs"))["runs"]
    await client.until(run["id"], "WAITING")
    await _post(stack, slack.click(slack.messages[0], "approve", user="U2"))
    await client.until(run["id"], "COMPLETED")
    return asked, _seen(slack)


async def _post(stack: Stack, request: Signed) -> None:
    async with (
        aiohttp.ClientSession(stack.url) as http,
        http.post("/slack/events", data=request.body, headers=request.headers) as response,
    ):
        assert response.status == 200, await response.text()


def _seen(slack: SlackApi) -> Thread:
    return Message("U1", f"<@UBOT> {ASKED}"), *map(_message, slack.messages)


def _message(posted: dict[str, Any]) -> Message:
    blocks = posted.get("blocks") or []
    shown = [line for block in blocks for line in _block_lines(block)]
    buttons = [
        button["text"]["text"]
        for block in blocks
        if block["type"] == "actions"
        for button in block["elements"]
    ]
    return Message("UBOT", "\n".join(shown) or posted["text"], tuple(buttons))


def _block_lines(block: dict[str, Any]) -> Iterator[str]:
    """The lines of a block, in Slack's markup."""
    if block["type"] == "section":
        yield block["text"]["text"]
    for part in block["elements"] if block["type"] == "rich_text" else ():
        shown = "".join(
            f"<@{element['user_id']}>"
            if element["type"] == "user"
            else html.escape(element["text"], quote=False)
            for element in part["elements"]
        )
        is_code = part["type"] == "rich_text_preformatted"
        yield f"{FENCE}\n{shown}\n{FENCE}" if is_code else shown.strip("\n")


# -- drawing -----------------------------------------------------------------------------------

WIDTH, PANEL, GAP, PADDING = 860, 420, 20, 18
LINE, SIZE = 20, 13.5
TEXT_LEFT = PADDING + 46
"""From a panel's edge to the text, beside the faces."""

STYLE = """
  text { font: 13.5px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1d1c1d }
  .card { fill: #fff; stroke: #d0d0d4 }
  .name, .button, .face { font-weight: 700 }
  .dim, .app { fill: #616061 }
  .code { font: 12px Menlo, Consolas, monospace; fill: #b4305a }
  .code-box { fill: #f6f6f6 }
  .title { font-weight: 700; font-size: 14px }
  .mention { fill: #1264a3 }
  .tag { fill: #e8e8e8 }
  .app { font-size: 9.5px; font-weight: 700 }
  .face { fill: #fff; text-anchor: middle }
  .button { text-anchor: middle; font-size: 13px }
  .rule { stroke: #e4e4e6 }
  .primary { fill: #007a5a }
  .danger { fill: #fff; stroke: #e01e5a }
  .on-primary { fill: #fff }
  .on-danger { fill: #e01e5a }
  @media (prefers-color-scheme: dark) {
    text { fill: #d1d2d3 }
    .card { fill: #1a1d21; stroke: #3c3f44 }
    .dim, .app { fill: #9fa1a4 }
    .mention { fill: #4ea8de }
    .code { fill: #e8749a }
    .code-box { fill: #222529 }
    .tag { fill: #35373b }
    .rule { stroke: #35373b }
    .danger { fill: #1a1d21 }
    .face, .on-primary { fill: #fff }
    .on-danger { fill: #f05c85 }
  }
"""
FACES = {"U1": "#7b3fb5", "U2": "#2f6fb0", "UBOT": "#b4561c"}


def draw(asked: Thread, decided: Thread) -> str:
    """Both moments beside each other."""
    panels = [
        ("Ann writes, the agent asks", asked),
        ("Bob has pressed Approve", decided),
    ]
    drawn, heights = [], []
    for number, (title, thread) in enumerate(panels):
        lines, height = _panel(title, thread)
        heights.append(height)
        drawn.append((number * (PANEL + GAP), lines))
    height = max(heights)
    label = "A Slack thread in which an agent asks for approval, before and after the yes"
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-label="{label}">',
        f"<style>{STYLE}</style>",
    ]
    for left, lines in drawn:
        svg.append(f'<g transform="translate({left} 0)">')
        svg.append(
            f'<rect class="card" x="0.5" y="0.5" width="{PANEL - 1}" height="{height - 1}" rx="8"/>'
        )
        svg += [*lines, "</g>"]
    return "\n".join([*svg, "</svg>"]) + "\n"


def _panel(title: str, thread: Thread) -> tuple[list[str], int]:
    drawn = [
        f'<text class="title" x="{PADDING}" y="28">Thread</text>',
        f'<text class="dim" x="{PADDING + 58}" y="28">{html.escape(title)}</text>',
        f'<path class="rule" d="M1 44H{PANEL - 1}"/>',
    ]
    top = 58
    for message in thread:
        lines, top = _drawn_message(message, top)
        drawn += lines
    return drawn, top


def _drawn_message(message: Message, top: int) -> tuple[list[str], int]:
    name = PEOPLE[message.author]
    drawn = [
        f'<rect x="{PADDING}" y="{top}" width="34" height="34" rx="7" '
        f'fill="{FACES[message.author]}"/>',
        f'<text class="face" x="{PADDING + 17}" y="{top + 22}">{name[0].upper()}</text>',
        f'<text class="name" x="{TEXT_LEFT}" y="{top + 13}">{name}</text>',
    ]
    if message.author == "UBOT":
        left = TEXT_LEFT + 58
        drawn += [
            f'<rect class="tag" x="{left}" y="{top + 2}" width="27" height="14" rx="3"/>',
            f'<text class="app" x="{left + 3.5}" y="{top + 12.5}">APP</text>',
        ]
    at = top + 13
    for line, is_code in _wrapped(message.text):
        at += LINE
        if is_code:
            width = PANEL - TEXT_LEFT - PADDING
            drawn.append(
                f'<rect class="code-box" x="{TEXT_LEFT - 4}" y="{at - 15}" width="{width}" '
                f'height="{LINE}"/>'
            )
        style = ' class="code"' if is_code else ""
        drawn.append(f'<text{style} x="{TEXT_LEFT}" y="{at}">{line}</text>')
    if message.buttons:
        at += 12
        left = TEXT_LEFT
        for button in message.buttons:
            style = "primary" if button == "Approve" else "danger"
            width = 24 + round(len(button) * 7.4)
            drawn += [
                f'<rect class="{style}" x="{left + 0.5}" y="{at + 0.5}" width="{width}" '
                'height="30" rx="5"/>',
                f'<text class="button on-{style}" x="{left + width / 2:g}" y="{at + 20}">'
                f"{button}</text>",
            ]
            left += width + 10
        at += 30
    return drawn, at + 22


def _wrapped(text: str) -> Iterator[tuple[str, bool]]:
    """The lines of a message in Slack's markup, as SVG; whether each is code."""
    room = (PANEL - TEXT_LEFT - PADDING) / (SIZE * 0.5)
    is_code = False
    for paragraph in text.splitlines():
        if paragraph == FENCE:
            is_code = not is_code
            continue
        line: list[str] = []
        length = 0
        for word in paragraph.strip("*").split(" "):
            shown = _named(word)
            if line and length + len(shown) > room:
                yield " ".join(line), is_code
                line, length = [], 0
            line.append(
                re.sub(r"(@\w+)", r'<tspan class="mention">\1</tspan>', html.escape(shown, False))
                if shown != word
                else html.escape(html.unescape(word), False)
            )
            length += len(shown) + 1
        yield " ".join(line), is_code


def _named(word: str) -> str:
    return re.sub(r"<@(\w+)>", lambda found: f"@{PEOPLE[found[1]]}", html.unescape(word))


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with StateServer(folder / "state") as state:
            PICTURE.write_text(draw(*await threads(state.url, folder)))
    print(f"{PICTURE.relative_to(ROOT)} is drawn")


if __name__ == "__main__":
    asyncio.run(main())
