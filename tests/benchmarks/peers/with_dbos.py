"""DBOS on PostgreSQL: `worker` takes runs from a queue, `client` puts them there.

DATABASE_URL=… MODEL_URL=… SLOTS=… POLL=1 python -m tests.benchmarks.peers.with_dbos worker NAME

Every model call and every tool call is a step; workflows and steps are coroutines. POLL is the
queue's polling interval in seconds (its default is 1). `worker` runs what it is told on its
standard input by itself, without the queue.
"""

from __future__ import annotations

import asyncio
import os
import sys

import psycopg
import uvloop
from dbos import DBOS, DBOSClient, DBOSConfig, SetWorkflowID

from tests.benchmarks.peers import agent, lines

URL = os.environ["DATABASE_URL"]
SLOTS = int(os.environ.get("SLOTS", "500"))
POLL = float(os.environ.get("POLL", "1"))
QUEUE = "runs"


@DBOS.step()
async def model(messages: list[agent.Message]) -> str:
    return await agent.ask(messages)


@DBOS.step()
async def tool() -> str:
    return agent.RESULT


@DBOS.workflow(name="run")
async def run(mark: int, calls: int) -> str:
    messages = agent.first(mark, calls)
    while True:
        said = await model(messages)
        messages += agent.answered(said)
        if not agent.wants_tool(said):
            return said
        messages += agent.used(await tool())


async def worker(name: str) -> None:
    config: DBOSConfig = {
        "name": "benchmark",
        "system_database_url": URL,
        "executor_id": name,
        "application_version": "1",
        "log_level": "WARNING",
    }
    DBOS(config=config)
    DBOS.launch()
    await DBOS.register_queue_async(QUEUE, worker_concurrency=SLOTS, polling_interval_sec=POLL)

    async def launch(marks: list[int], calls: int) -> None:
        for mark in marks:
            with SetWorkflowID(str(mark)):
                await DBOS.start_workflow_async(run, mark, calls)

    await lines.serve(launch=launch)


async def client() -> None:
    dbos = DBOSClient(system_database_url=URL)
    database = await psycopg.AsyncConnection.connect(URL, autocommit=True)

    async def enqueue(mark: int, calls: int) -> None:
        await dbos.enqueue_async(
            {"queue_name": QUEUE, "workflow_name": "run", "workflow_id": str(mark)}, mark, calls
        )

    async def launch(marks: list[int], calls: int) -> None:
        await asyncio.gather(*(enqueue(mark, calls) for mark in marks))

    async def completed() -> int:
        found = await database.execute(
            "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'"
        )
        row = await found.fetchone()
        assert row is not None
        return int(row[0])

    await lines.serve(launch=launch, completed=completed)


async def main() -> None:
    await (worker(sys.argv[2]) if sys.argv[1] == "worker" else client())
    os._exit(0)  # its threads would take seconds to end, and nothing is left to do


if __name__ == "__main__":
    uvloop.run(main())
