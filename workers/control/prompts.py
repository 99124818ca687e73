"""Show again what a model call was asked, byte for byte. The model client's own functions build the
request. Nothing is sent."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence

from ponderd.channels.errors import NotFound
from ponderd.workers.agents.actions import schema
from ponderd.workers.agents.agent import Agent
from ponderd.workers.context.render import render
from ponderd.workers.control.views import PromptView
from ponderd.workers.llm import llamacpp, vllm
from ponderd.workers.llm.client import CallOptions
from ponderd.workers.llm.http import encoded
from ponderd.workers.run import events as e
from ponderd.workers.run.model_call import ModelCall, ThinkingDecision
from ponderd.workers.run.reduce import fold

CONTEXT_CHARS = 12_000
"""Characters of context in old calls, which did not record their `context_chars`."""


def find_prompt(events: Sequence[e.Event], version: int, agent: Agent) -> PromptView:
    """Build the request of the model call whose outcome is the event number `version`. `agent` must
    be as it was then. Raises `NotFound` if that event is not the outcome of a call."""
    outcome = events[version - 1] if 1 <= version <= len(events) else None
    if not isinstance(outcome, e.ModelAnswered | e.ModelRejected | e.ModelDoubted):
        raise NotFound(f"event {version} is not an answer of the model")
    if not outcome.call.model:
        raise NotFound(f"event {version} takes a doubted draft: nothing was asked")
    # What arrived during the call waits in the inbox, so the prompt does not depend on it.
    requests = list(_requests(events[: version - 1], outcome.call, agent))
    for body in requests:
        if hashlib.sha256(body).hexdigest() == outcome.call.prompt_hash:
            return PromptView(body=body, sha256=outcome.call.prompt_hash, verified=True)
    best = requests[0]
    return PromptView(body=best, sha256=hashlib.sha256(best).hexdigest(), verified=False)


def _requests(events: Sequence[e.Event], call: ModelCall, agent: Agent) -> Iterator[bytes]:
    """Every request that a client may have sent. The log does not say which kind of server it was,
    nor which fields that refused."""
    run, limit = fold(events), call.context_chars or CONTEXT_CHARS
    messages = render(run.turns, agent, limit_chars=limit, gone=run.turns_gone > 0)
    for decision in (call.decision, ThinkingDecision(mode="none")):
        for margin in (True, False):
            options = CallOptions(call.priority, call.cache_salt, margin=margin)
            body = vllm.request(
                call.model, messages, schema(agent), decision, agent.limits.answer_tokens, options
            )
            for left_out in _left_out(body):
                yield encoded(vllm.without(body, left_out))
        yield encoded(llamacpp.template_request(messages, thinking=decision.mode != "none"))
        thinking = decision.mode != "none"
        yield encoded(vllm.render_request(call.model, messages, thinking=thinking))


def _left_out(body: Mapping[str, object]) -> Iterator[frozenset[str]]:
    """Every set of optional fields that a server may have refused. There are only a few fields."""
    fields = [name for name in vllm.OPTIONAL if name in body]
    for count in range(len(fields) + 1):
        yield from map(frozenset, itertools.combinations(fields, count))
