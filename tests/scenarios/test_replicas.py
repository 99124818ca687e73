"""With PONDERD_STATE_REPLICAS nothing is begun that a fail-over could forget: a real primary, its
replica and a Sentinel, and a tool that must not be repeated."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent

from tests.scenarios.script import script
from tests.services.eventually import eventually
from tests.services.model_server import ScriptedModel
from tests.services.stack import Stack, running
from tests.services.state_sentinel import StateSentinel

PAYS = """
    from pathlib import Path

    from ponderd import Agent, ToolContext, tool


    @tool()
    def pay(to: str, context: ToolContext) -> str:
        '''pay somebody'''
        with (context.data_dir / "paid").open("a") as file:
            file.write(f"{to}\\n")
        return f"paid {to}"


    agent = Agent(name="cashier", description="pays", prompt="Pay.", tools=[pay])
"""


def order(to: str) -> str:
    return "!" + json.dumps({"action": "pay", "to": to})


async def test_a_replica_that_was_cut_off_takes_over_and_nothing_is_paid_twice(
    tmp_path: Path, data_dir: Path
) -> None:
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "cashier.py").write_text(dedent(PAYS))
    paid = data_dir / "paid"
    async with ScriptedModel(script) as model:
        with StateSentinel(tmp_path) as state:
            settings = {"PONDERD_STATE_REPLICAS": "1", "PONDERD_AGENTS_DIR": str(agents)}
            stack = Stack(state.url, model.url, data_dir, settings)
            async with running(stack) as client:
                first = await client.launch("cashier", order("ann"))
                await client.until(first, "COMPLETED")
                assert paid.read_text() == "ann\n"

                # A message that is waiting for the model meets a primary without its replica.
                model.gate.clear()
                second = await client.launch("cashier", order("bob"))
                await eventually(lambda: model.in_flight > 0)
                state.cut_off()
                model.gate.set()
                await eventually(lambda: "replicas" in stack.log("work-0"))
                assert paid.read_text() == "ann\n"
                status, view = await client.post_once("/runs", {"agent": "cashier", "text": "hi"})
                assert status == 503 and "PONDERD_STATE_REPLICAS" in json.dumps(view)
                async with client.session.get("/readyz") as response:
                    assert response.status == 503
                    assert "replicas" in (await response.json())["checks"]["state"]

                # Workers report all the same: that they are alive, and that they wait.
                async def counted() -> bool:
                    async with client.session.get("/metrics") as response:
                        page = await response.text()
                    return bool(re.search(r"^ponderd_unconfirmed_total [1-9]", page, re.MULTILINE))

                await eventually(counted)

                state.fail_over()
                # The one that took over has no replica, so still nobody is paid.
                await client.session.get("/readyz")
                assert paid.read_text() == "ann\n"
                state.primary_returns()
                await client.until(second, "COMPLETED")
                assert paid.read_text() == "ann\nbob\n"
