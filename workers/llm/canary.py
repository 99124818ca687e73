"""Three small calls that show what a model server really does with the thinking fields.

Some versions and engine modes accept a field and ignore it (vllm#54906, #39573, sglang#25536), so
nothing is believed until it was seen. `judge` and `problems` are pure.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from ponderd.channels.errors import ModelError
from ponderd.workers.context.render import Message
from ponderd.workers.llm.client import CallOptions, Capabilities, Completion
from ponderd.workers.llm.continuing import BEGIN, Continues
from ponderd.workers.run.model_call import ThinkingDecision

log = structlog.get_logger(__name__)

BUDGET = 8
"""Tokens of thought. Hardly any thought ends by itself within so few."""

ROOM = 64
"""Tokens of thought and answer together. They leave room for the answer, so the server must end the
thought."""

NAME = "canary"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {NAME: {"enum": ["yes", "no"]}},
    "required": [NAME],
    "additionalProperties": False,
}
QUESTION: list[Message] = [
    {"role": "system", "content": "Answer with one JSON object."},
    {"role": "user", "content": "Is 7 * 13 * 17 more than 38 * 41? Compare carefully."},
]

WITHOUT = ThinkingDecision(mode="none")
WITH = ThinkingDecision(mode="short", budget=BUDGET)


def judge(without: Completion, thought: Completion, *, continues: bool) -> Capabilities:
    """Compare an answer that should come without a thought with one that was allowed `BUDGET`
    tokens of it, and one more for the closing tag."""
    silent = not without.reasoning and BEGIN not in without.content
    return Capabilities(
        switch_off=silent and without.usage.reasoning_tokens == 0,
        switch_on=bool(thought.reasoning),
        budget=thought.usage.reasoning_tokens <= BUDGET + 1,
        json=_is_json(thought.content),
        usage=thought.counted,
        continues=continues,
    )


async def examined(
    ask: Callable[[ThinkingDecision, int], Awaitable[Completion]], *, continues: bool
) -> Capabilities:
    """`ask` sends `QUESTION` with a decision and a limit of tokens for the answer."""
    without, thought = [await ask(each, ROOM - each.budget) for each in (WITHOUT, WITH)]
    return judge(without, thought, continues=continues)


async def can_continue(server: Continues) -> bool:
    """Whether the server can render a prompt and continue it. Raises `ModelError` if it cannot
    answer now."""
    try:
        prompt, _ = await server.render(QUESTION, thinking=False)
        await server.go_on(prompt, max_tokens=1, options=CallOptions())
    except ModelError as error:
        if error.retryable:
            raise
        log.info("the model server cannot continue prompts", error=str(error))
        return False
    return True


def problems(able: Capabilities) -> list[str]:
    """What an operator should know, one line each. Empty if all is well."""
    found = []
    if not able.switch_off:
        instead = "ponderd closes the thought itself" if able.continues else "such calls fail"
        found.append(f"enable_thinking: false does not keep the model from thinking; {instead}")
    if not able.switch_on:
        found.append("enable_thinking: true does not make the model think")
    if not able.budget:
        found.append(
            "thinking_token_budget has no effect (does the server run with --reasoning-parser?); "
            + (
                "ponderd cuts thoughts itself"
                if able.continues
                else "longer thoughts are dropped, and ponderd asks again without thinking"
            )
        )
    elif not able.json:
        instead = "ponderd splits such calls in two" if able.continues else "ponderd asks again"
        found.append(f"answers after a thought are not JSON; {instead}")
    if not able.usage:
        found.append("thinking tokens are not counted separately, so they are estimated")
    return found


def _is_json(content: str) -> bool:
    try:
        return json.loads(content)[NAME] in ("yes", "no")
    except (ValueError, KeyError, TypeError):
        return False
