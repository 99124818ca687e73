"""Terminal and API runs: the answer waits in the run until somebody reads it there."""

from __future__ import annotations

from ponderd.channels.message import Reply


class KeptChannel:
    """A channel that carries nothing: `send` only reports that the run holds the reply."""

    def __init__(self, name: str = "terminal") -> None:
        self.name = name

    async def send(self, reply: Reply, *, resend: bool) -> str:
        return "held"

    async def close(self) -> None:
        pass
