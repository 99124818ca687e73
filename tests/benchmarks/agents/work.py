"""Uses a tool that does nothing, as often as the model endpoint says, then replies. What it says
and what the tool returns are about as long as in real runs."""

from ponderd import Agent, Limits, tool

RESULT = "what the tool found, and every time the same, " * 22


@tool(idempotent=True)
async def nothing(note: str = "") -> str:
    """does nothing"""
    return RESULT


agent = Agent(
    name="work",
    description="does nothing, in many steps",
    prompt="You call the tool as often as you are told, then reply.",
    tools=[nothing],
    limits=Limits(model_calls=1_000),
)
