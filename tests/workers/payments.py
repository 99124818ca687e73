"""A payment that a person must agree to, for tests of approvals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ponderd.workers.agents.agent import Tool, tool
from ponderd.workers.agents.policies import Approvals
from ponderd.workers.run.state import Run, Status
from tests.workers.world import REPLY, THREAD, World

ANN, BOB, EVE = "slack:u1", "email:bob@example.com", "slack:u9"
PAY = {"action": "pay", "to": "zoe", "euro": 50}
EDITED = {"to": "zoe", "euro": 20}


def pay_tool(paid: list[str]) -> Tool:
    def large(arguments: Mapping[str, Any]) -> bool:
        return bool(arguments["euro"] > 10)

    def known(to: str, euro: int) -> None:
        if to == "nobody":
            raise ValueError("there is no account nobody")

    @tool(approval=large, check=known)
    async def pay(to: str, euro: int) -> str:
        """pay somebody"""
        paid.append(f"{euro} to {to}")
        return f"{to} has {euro} euro"

    return pay


def with_payments(world: World) -> World:
    world.become(
        tools=(*world.agent.tools, pay_tool(world.effects.counted)),
        approvals=Approvals(
            approvers=("slack:U1", "email:*@example.com"),
            ask=("slack:COPS", "email:boss@example.com"),
        ),
    )
    world.model.lines = [PAY, REPLY]
    return world


async def asked(world: World, **fields: Any) -> Run:
    """A run that waits for a yes to pay 50 euro."""
    fields = {"channel": "slack", "sender": "U1", "reply_to": THREAD} | fields
    run = await world.advance(await world.write("pay zoe", **fields))
    assert (run.status, run.waits_for) == (Status.WAITING, "approval")
    assert world.effects.counted == []
    return run
