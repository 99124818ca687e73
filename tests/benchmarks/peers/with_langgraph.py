"""LangGraph with its PostgreSQL checkpointer.

DATABASE_URL=… MODEL_URL=… SLOTS=… python -m tests.benchmarks.peers.with_langgraph

It is a library and has no queue: what launches a run is the process that runs it. Settings as its
documentation has them: a connection pool with autocommit and dict rows, durability `async` (its
default: a step's checkpoint is written while the next one runs) unless DURABILITY says `sync`.
A saver serves one caller at a time; with SAVERS > 1 there are as many graphs and savers, and runs
take turns. CHANNEL=delta stores the messages in a DeltaChannel (beta).
"""

from __future__ import annotations

import asyncio
import operator
import os
from contextlib import AsyncExitStack
from typing import Annotated, Any, TypedDict

import uvloop
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from tests.benchmarks.peers import agent, lines

SLOTS = int(os.environ.get("SLOTS", "500"))
SAVERS = int(os.environ.get("SAVERS", "1"))
DURABILITY: Any = os.environ.get("DURABILITY", "async")


class Whole(TypedDict):
    messages: Annotated[list[agent.Message], operator.add]


def _extended(
    messages: list[agent.Message], writes: list[list[agent.Message]]
) -> list[agent.Message]:
    return [*messages, *(message for write in writes for message in write)]


class Deltas(TypedDict):
    messages: Annotated[list[agent.Message], DeltaChannel(_extended)]


State = Deltas if os.environ.get("CHANNEL") == "delta" else Whole


async def model(state: Any) -> Any:
    return {"messages": agent.answered(await agent.ask(state["messages"]))}


async def tool(state: Any) -> Any:
    return {"messages": agent.used(agent.RESULT)}


def wants(state: Any) -> str:
    return "tool" if agent.wants_tool(state["messages"][-1][1]) else END


def build(saver: AsyncPostgresSaver) -> Any:
    graph: Any = StateGraph(State)
    graph.add_node("model", model)
    graph.add_node("tool", tool)
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", wants, ["tool", END])
    graph.add_edge("tool", "model")
    return graph.compile(checkpointer=saver)


async def main() -> None:
    slots = asyncio.Semaphore(SLOTS)
    running: set[asyncio.Task[None]] = set()
    done = 0
    async with AsyncExitStack() as stack:
        pool = AsyncConnectionPool(
            os.environ["DATABASE_URL"],
            min_size=SAVERS,
            max_size=max(20, SAVERS),
            open=False,
            kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
        )
        await stack.enter_async_context(pool)
        savers = [AsyncPostgresSaver(pool) for _ in range(SAVERS)]
        await savers[0].setup()
        graphs = [build(saver) for saver in savers]

        async def run(mark: int, calls: int) -> None:
            nonlocal done
            async with slots:
                config = {"configurable": {"thread_id": str(mark)}, "recursion_limit": 10_000}
                state = {"messages": agent.first(mark, calls)}
                await graphs[mark % SAVERS].ainvoke(state, config, durability=DURABILITY)
            done += 1

        async def launch(marks: list[int], calls: int) -> None:
            for mark in marks:
                running.add(asyncio.create_task(run(mark, calls)))

        async def completed() -> int:
            """Raises what any run raised."""
            for task in [task for task in running if task.done()]:
                running.discard(task)
                task.result()
            return done

        await lines.serve(launch=launch, completed=completed)


if __name__ == "__main__":
    uvloop.run(main())
