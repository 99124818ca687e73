"""Uses a tool that needs a person's yes, then replies."""

from ponderd import Agent, tool


@tool(approval="always")
async def nothing(note: str = "") -> str:
    """does nothing, with permission"""
    return "done"


agent = Agent(
    name="careful",
    description="does nothing, with permission",
    prompt="You call the tool, then reply.",
    tools=[nothing],
)
