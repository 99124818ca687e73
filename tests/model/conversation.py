"""Talk to one agent on a real model, tools included, without a store or a channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ponderd.workers.agents.actions import Rejected, interpret, schema
from ponderd.workers.agents.agent import Agent, ToolContext
from ponderd.workers.context.render import render
from ponderd.workers.execution.tool_call import call_tool
from ponderd.workers.llm.client import Completion, ModelClient
from ponderd.workers.run.choices import Answer, Question, ToolCall
from ponderd.workers.run.model_call import ThinkingDecision
from ponderd.workers.run.state import Turn
from ponderd.workers.thinking.case import Case, kind_of
from ponderd.workers.thinking.criteria import read
from ponderd.workers.thinking.policy import RULES_ONLY, decide

Choice = ToolCall | Answer | Question | Rejected


@dataclass
class Conversation:
    client: ModelClient
    agent: Agent
    data_dir: Path
    turns: list[Turn] = field(default_factory=list)
    completions: list[Completion] = field(default_factory=list)
    decisions: list[ThinkingDecision] = field(default_factory=list)

    async def say(self, text: str, verdict: str = "") -> Sequence[Choice]:
        """What the agent chose, one after the other, until it answered or asked.

        A call that needs approval ends it too, unless `verdict` says what became of it.
        """
        self.turns.append(Turn("person", text))
        choices: list[Choice] = []
        arms = await self.client.arms()
        kind = kind_of(self.agent)
        case = Case(self.agent.name, kind, self.agent.thinks, arms, read(text))
        while len(choices) < 6:
            decision = decide(case, RULES_ONLY, 0.5)
            assert isinstance(decision, ThinkingDecision)
            completion = await self.client.complete(
                render(self.turns, self.agent, limit_chars=12_000),
                schema=schema(self.agent),
                decision=decision,
                max_tokens=self.agent.limits.answer_tokens,
            )
            self.completions.append(completion)
            self.decisions.append(decision)
            choice = interpret(completion.content, self.agent)
            choices.append(choice)
            rejected = isinstance(choice, Rejected)
            case = replace(
                case,
                arm=decision.arm,
                first_arm=case.first_arm or decision.arm,
                trouble="schema" if rejected else None,
                last_rejection=choice.reason if isinstance(choice, Rejected) else None,
                retries=case.retries + rejected,
            )
            self.turns.append(Turn("agent", completion.content))
            match choice:
                case Rejected(_, detail):
                    self.turns.append(Turn("note", f"That was not usable: {detail}"))
                case ToolCall(tool=name) as call:
                    tool = self.agent.tool(name)
                    assert tool is not None
                    outcome = verdict
                    if tool.approval == "never":
                        outcome = await self._run(call)
                    if not outcome:
                        break
                    self.turns.append(Turn("tool", f"{name}: {outcome}"))
                case Answer() | Question():
                    break
        return choices

    async def _run(self, call: ToolCall) -> str:
        context = ToolContext("run", f"run:{len(self.turns)}", self.data_dir)
        try:
            return await call_tool(self.agent, call, context)
        except Exception as error:
            return f"failed: {error}"
