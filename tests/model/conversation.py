"""Talk to one agent on a real model, tools included, without a store or a channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workers.agent import Agent, ToolContext
from workers.answers import Rejected, interpret, schema
from workers.context import render
from workers.events import Answer, Decision, Question, ToolCall
from workers.llm.client import Completion, ModelClient
from workers.thinking.policy import decide
from workers.tool_calls import call_tool
from workers.turns import Turn

Choice = ToolCall | Answer | Question | Rejected


@dataclass
class Conversation:
    client: ModelClient
    agent: Agent
    data_dir: Path
    turns: list[Turn] = field(default_factory=list)
    completions: list[Completion] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    async def say(self, text: str, verdict: str = "") -> Sequence[Choice]:
        """What the agent chose, one after the other, until it answered or asked.

        A call that needs approval ends it too, unless `verdict` says what became of it.
        """
        self.turns.append(Turn("person", text))
        choices: list[Choice] = []
        mode, rejected = None, None
        while len(choices) < 6:
            decision = decide(
                agent=self.agent,
                text=text,
                mode_before=mode,
                rejections=sum(isinstance(choice, Rejected) for choice in choices),
                last_rejection=rejected,
                budgets=await self.client.budgets(),
            )
            completion = await self.client.complete(
                render(self.turns, self.agent, limit_chars=12_000),
                schema=schema(self.agent),
                decision=decision,
                max_tokens=self.agent.limits.answer_tokens,
            )
            self.completions.append(completion)
            self.decisions.append(decision)
            mode, rejected = decision.mode, None
            choice = interpret(completion.content, self.agent)
            choices.append(choice)
            self.turns.append(Turn("agent", completion.content))
            match choice:
                case Rejected(reason, detail):
                    rejected = reason
                    self.turns.append(Turn("note", f"That was not usable: {detail}"))
                case ToolCall(tool=name) as call:
                    tool = self.agent.tool(name)
                    assert tool is not None
                    outcome = verdict
                    if not tool.needs_approval(call.arguments):
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
