"""Decide how much a call may think, with all I/O that this takes: the accounts of budgets, and
the model's own opinion where scores are close. The decision itself is made by `policy.decide`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import structlog

from ponderd.channels.errors import ModelError, Unavailable
from ponderd.workers.agents.agent import Agent
from ponderd.workers.context.render import Message
from ponderd.workers.llm.client import CallOptions, Completion, ModelClient, ProbeResult
from ponderd.workers.llm.probe import NEEDS_THOUGHT
from ponderd.workers.run.model_call import ThinkingDecision
from ponderd.workers.run.state import Run
from ponderd.workers.steps.limits import ACCOUNT_TTL
from ponderd.workers.store.contract import RunStore
from ponderd.workers.thinking.case import Allowance, Case, case_of
from ponderd.workers.thinking.pacer import THOUGHT, Account, accounts, allowance, overdrawn
from ponderd.workers.thinking.policy import RULES_ONLY, AskTheModel, Policy, chance_of, decide

log = structlog.get_logger(__name__)

SLOWNESS = 0.1
"""How much one call changes the estimate of the server's speed."""


class Thought(NamedTuple):
    """A decision, what it was made from, and who pays for it."""

    case: Case
    decision: ThinkingDecision
    accounts: Sequence[Account] = ()
    reserved: int = 0
    """Tokens taken off the accounts before the call. What is not used is given back."""

    probe: Completion | None = None
    """What it cost to ask the model itself, if it was asked."""


class Thinker:
    """`policy` is replaced whenever something new was learned; until then the rules decide.
    `cap` is the operator's: most tokens that any call may think.

    If a worker is killed, or cut off while it reserves, its reserved tokens count as thought:
    nobody knows how many were used.
    """

    def __init__(self, client: ModelClient, store: RunStore, *, cap: int | None = None) -> None:
        self.policy: Policy = RULES_ONLY
        self._client = client
        self._store = store
        self._cap = cap
        self._rate = Allowance().rate
        self._owed: Counter[str] = Counter()

    async def decide(
        self,
        run: Run,
        agent: Agent,
        messages: Callable[[], list[Message]],
        options: CallOptions,
        now: float,
    ) -> Thought:
        """Decide about one call. `messages` renders what the model would see, in case it is
        asked; `options` are those of the call.

        Raises `ModelError` if no model server can be reached, `Unavailable` if the store cannot.
        """
        arms = await self._client.arms()
        paying = accounts(run, agent, now)
        case = case_of(
            run,
            agent,
            arms,
            prompt_chars=run.turn_chars,
            cap=self._cap,
            allowance=await self._allowance(run, agent, paying, now),
        )
        chance = chance_of(run.id, run.version)
        probe: Completion | None = None
        decision = decide(case, self.policy, chance)
        if isinstance(decision, AskTheModel):
            result = await self._probe(messages(), options)
            case = replace(case, may_probe=False)
            if result is not None:
                case, probe = replace(case, probe=result.odds), result.cost
            decision = decide(case, self.policy, chance)
        assert isinstance(decision, ThinkingDecision)
        if not decision.budget or not paying:
            return Thought(case, decision, probe=probe)
        reserved = await self._reserve(paying, decision.budget)
        if reserved is None:
            spent = replace(case.allowance, tokens=0, pressure=1.0)
            case = replace(case, allowance=spent)
            decision = decide(case, RULES_ONLY, chance)
            assert isinstance(decision, ThinkingDecision)
            return Thought(case, decision, probe=probe)
        return Thought(case, decision, paying, reserved, probe)

    async def settle(
        self, thought: Thought, completion: Completion | None, *, lost: float = 0
    ) -> None:
        """Account for what was thought. `lost`: seconds that a failed or dropped call had kept
        the model busy; without a completion, it is charged what can be thought in that time."""
        used = min(thought.decision.budget, int(lost / self._rate))
        if completion:
            usage = completion.usage
            used = usage.reasoning_tokens
            if usage.completion_tokens:
                rate = usage.seconds / usage.completion_tokens
                self._rate += SLOWNESS * (rate - self._rate)
        for account in thought.accounts:
            self._owed[account.name] += used - thought.reserved
        if thought.accounts:
            await self._pay()

    async def _allowance(
        self, run: Run, agent: Agent, paying: Sequence[Account], now: float
    ) -> Allowance:
        left, pressure = None, 0.0
        if paying:
            names = [account.name for account in paying]
            left, pressure = allowance(paying, await self._store.spent(names))
        deadline = agent.thinks.deadline
        seconds = None if deadline is None else max(0.0, run.message.since + deadline - now)
        return Allowance(left, pressure, seconds, self._rate)

    async def _reserve(self, paying: Sequence[Account], budget: int) -> int | None:
        """Take the tokens off the accounts. Returns how many, or None if other workers were
        faster."""
        amounts = {account.name: {THOUGHT: float(budget)} for account in paying}
        try:
            sums = await self._store.spend(amounts, ACCOUNT_TTL)
        except Unavailable as error:  # a budget slows thinking down; it never stops a run
            log.warning("thinking not reserved", error=str(error))
            return 0
        if not overdrawn(paying, sums):
            return budget
        self._owed.subtract({account.name: budget for account in paying})
        await self._pay()
        return None

    async def _pay(self) -> None:
        """Write down what is owed. If that fails, the next call tries again."""
        owed, self._owed = self._owed, Counter()
        amounts = {name: {THOUGHT: float(tokens)} for name, tokens in owed.items() if tokens}
        if not amounts:
            return
        try:
            await self._store.spend(amounts, ACCOUNT_TTL)
        except BaseException as error:
            self._owed.update(owed)
            if not isinstance(error, Unavailable):
                raise
            log.warning("thinking not added up yet", error=str(error))

    async def _probe(self, messages: list[Message], options: CallOptions) -> ProbeResult | None:
        try:
            return await self._client.probe(messages, NEEDS_THOUGHT, options)
        except ModelError as error:  # if the server is away, the call itself will tell
            log.info("the model was not asked", error=str(error))
            return None
