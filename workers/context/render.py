"""The only place that decides what the model sees. Pure.

It sees the system prompt with the agent's actions, the worked examples as real turns, then the
conversation. This only grows at its end, so that the server's prefix cache serves all but the
newest turns. For the same reason no date or time enters it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Sequence
from typing import assert_never

from ponderd.workers.agents.actions import actions
from ponderd.workers.agents.agent import Agent
from ponderd.workers.run.chat_commands import without_switch
from ponderd.workers.run.state import Turn
from ponderd.workers.run.turns import exchanges, shown_chars

Message = dict[str, str]
"""{"role": "system" | "user" | "assistant", "content": text}"""

NEW = "[new conversation]\n"
"""Tells the model that the worked examples do not belong to the conversation."""

LEFT_OUT = Turn("note", "[note] Earlier messages were left out.")


def render(
    turns: Sequence[Turn], agent: Agent, *, limit_chars: int, gone: bool = False
) -> list[Message]:
    """The messages of one model call, with at most about `limit_chars` characters of
    conversation.

    From a longer conversation the oldest exchanges are left out, a quarter of the limit at a
    time, so that the beginning stays the same for many calls. One overlong text is cut in its
    middle. `gone`: there were others before these turns.
    """
    rendered = []
    asked = ""
    for turn in turns:
        text = _rendered(turn, limit_chars)
        if turn.role == "person":
            asked = text
        elif turn.role == "tool":
            text += f"\n[asked] {cut(asked, 300)}"
        rendered.append(Turn(turn.role, text))
    conversation = [Turn("note", NEW.strip()), *_fitting(rendered, limit_chars, gone)]
    return _merged([*_opening(agent), *map(_message, conversation)])


def readable(text: str) -> str:
    """`text` without what only machines see, and without anything that acts as a special token."""
    text = _UNSEEN.sub("", _LINE_END.sub("\n", text))
    return _SPECIAL.sub("‹", text)


def cut(text: str, limit: int) -> str:
    """`text`, or its beginning and end with a remark between them: about `limit` characters."""
    if len(text) <= limit:
        return text
    half = max(limit - 40, 2) // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half:,} characters cut …]\n{text[-half:]}"


_LINE_END = re.compile("\r\n?|[\u0085\u2028\u2029]")
_UNSEEN = re.compile(
    "["
    "\u0000-\u0008\u000b-\u001f\u007f-\u009f"  # control characters, but not \n and \t
    "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff"  # lone surrogates
    "\U000e0000-\U000e0fff"  # tags and variation selectors, which can spell hidden text
    "]+"
)
_SPECIAL = re.compile(
    r"<(?=[|｜]|/?(?:think|tool_call|tool_response|start_of_turn|end_of_turn|s|bos|eos)>)", re.I
)
_MARK = re.compile(r"^\[(?=(?:tool|note)\])", re.M | re.I)


_openings: dict[tuple[str, str], tuple[Message, ...]] = {}


def _opening(agent: Agent) -> tuple[Message, ...]:
    key = agent.name, agent.version
    if key not in _openings:
        listed = "\n".join(_described(name, agent) for name in actions(agent).arguments)
        system = f"{agent.prompt.strip()}\n\nAnswer with one JSON object:\n{listed}"
        messages: list[Message] = [{"role": "system", "content": system}]
        asked = ""
        for example in agent.examples:
            did = json.dumps(dict(example.did), ensure_ascii=False, separators=(",", ":"))
            if example.said.startswith("[tool]"):
                said = f"{example.said}\n[asked] {asked}"
            else:
                asked = example.said
                said = NEW + asked
            messages.append({"role": "user", "content": said})
            messages.append({"role": "assistant", "content": did})
        _openings[key] = tuple(messages)
    return _openings[key]


def _described(name: str, agent: Agent) -> str:
    fields = dict.fromkeys(actions(agent).arguments[name].model_fields, "…")
    shape = json.dumps({"action": name} | fields, ensure_ascii=False, separators=(",", ":"))
    tool = agent.tool(name)
    described = tool.description if tool else _COMMON[name]
    forms = _FORMS if name == "ask_human" and agent.questions == "any" else ""
    return f"{shape} {described}{forms}"


_COMMON = {
    "reply": "to answer",
    "ask_human": "to ask back when something you need is missing",
    "done": "when the work is finished",
}
_FORMS = (
    '; format: "text", "yes_no" or "choices", with 2 to 10 short choices; '
    'urgency: "low", "normal" or "high"'
)


@functools.lru_cache(maxsize=4096)  # every step renders all turns before it again
def _rendered(turn: Turn, limit: int) -> str:
    # Cut first, so that cleaning takes no time however long the text is. It never makes one longer.
    match turn.role:
        case "person":
            text = without_switch(readable(cut(turn.text, shown_chars(turn, limit))))
            return _MARK.sub("(", text).strip() or "(empty message)"
        case "agent":
            return readable(cut(turn.text, shown_chars(turn, limit)))
        case "tool" | "note":
            text = _MARK.sub("(", readable(cut(turn.text, shown_chars(turn, limit))))
            return f"[{turn.role}] {text}"
        case _:
            assert_never(turn.role)


def _message(turn: Turn) -> Message:
    return {"role": "assistant" if turn.role == "agent" else "user", "content": turn.text}


def _fitting(turns: list[Turn], limit: int, gone_before: bool) -> list[Turn]:
    excess = _size(turns) - limit
    if excess <= 0:
        return [LEFT_OUT, *turns] if gone_before else turns
    step = max(1, limit // 4)
    wanted = -(-excess // step) * step  # up to the next quarter
    left = exchanges(turns)
    gone = 0
    while gone < wanted and len(left) > 1:
        gone += _size(left.pop(0))
    kept = left[0]
    while gone < wanted and len(kept) > 3:  # the question and the latest step always stay
        gone += _size(kept[1:3])
        del kept[1:3]
    return [LEFT_OUT, *(turn for exchange in left for turn in exchange)]


def _size(turns: Iterable[Turn]) -> int:
    return sum(len(turn.text) for turn in turns)


def _merged(messages: Iterable[Message]) -> list[Message]:
    """Join neighbours of one role: some chat templates refuse two in a row."""
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1]["role"] == message["role"]:
            both = f"{merged[-1]['content']}\n{message['content']}"
            merged[-1] = {"role": message["role"], "content": both}
        else:
            merged.append(message)
    return merged
