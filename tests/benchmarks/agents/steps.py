"""Calls a tool that does nothing, as often as the model endpoint says, then replies."""

from ponderd import Agent, tool


@tool(idempotent=True)
async def nothing() -> str:
    """does nothing"""
    return "done"


agent = Agent(
    name="steps",
    description="does nothing, in several steps",
    prompt="You call the tool as often as you are told, then reply.",
    tools=[nothing],
)
