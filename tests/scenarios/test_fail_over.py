"""The whole of ponderd on a primary, a replica and a Sentinel."""

from __future__ import annotations

from pathlib import Path

from tests.scenarios.script import script
from tests.services.model_server import ScriptedModel
from tests.services.stack import Stack, running
from tests.services.state_sentinel import StateSentinel


async def test_processes_follow_the_sentinel(tmp_path: Path, data_dir: Path) -> None:
    async with ScriptedModel(script) as model:
        with StateSentinel(tmp_path) as state:
            stack = Stack(state.url, model.url, data_dir)
            async with running(stack) as client:
                before = await client.launch("assistant", "hello")
                await client.until(before, "COMPLETED")
                state.fail_over()
                after = await client.launch("assistant", "hello again")
                await client.until(after, "COMPLETED")
                assert (await client.get(f"/runs/{before}"))["status"] == "COMPLETED"
                assert all(process.poll() is None for process in stack.processes.values())
            assert "Traceback" not in stack.log("serve") + stack.log("work-0")
