from ponderd.channels.kept import KeptChannel
from ponderd.channels.message import Address, Reply


async def test_the_reply_waits_in_the_run() -> None:
    channel = KeptChannel("api")
    reply = Reply(
        key="run1:7",
        run_id="run1",
        agent="assistant",
        conversation="c1",
        kind="answer",
        text="4",
        to=Address(channel="api", to=""),
    )
    assert channel.name == "api"
    assert await channel.send(reply, resend=False) == "held"
