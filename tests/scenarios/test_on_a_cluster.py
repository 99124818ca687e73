"""The whole of ponderd with its state in a Redis Cluster and its pokes elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.scenarios.script import script
from tests.services.model_server import ScriptedModel
from tests.services.stack import Stack, running


async def test_messages_are_answered(cluster_url: str, redis_url: str, data_dir: Path) -> None:
    async with ScriptedModel(script) as model:
        stack = Stack(cluster_url, model.url, data_dir, {"PONDERD_BROKER_URL": redis_url})
        async with running(stack, workers=2) as client:
            ids = await asyncio.gather(
                *(client.launch("assistant", f"hello {i}") for i in range(20))
            )
            for run_id in ids:
                await client.until(run_id, "COMPLETED")
            assert len((await client.get("/runs?limit=100"))["runs"]) == 20
            assert "Traceback" not in stack.log("serve") + stack.log("work-0")
