"""What must be remembered between two messages in Slack. The daemon keeps it in the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class KnownRun:
    """The run to which a thread or a conversation belongs."""

    id: str
    asks: Literal["", "answer", "approval"]
    """What it waits for people to say."""
    listens: bool
    """Its agent hears whatever is written in its threads."""
    busy_until: float
    """When it last did or said something, Unix seconds. Infinite while it is not done."""
    asks_since: float = 0.0
    """When it asked, Unix seconds."""
    asked_ts: str = ""
    """The ts of the question, if it stands in Slack."""
    works: bool = False
    """Its agent is at work: whether it asks something will be known soon."""


class SlackMemory(Protocol):
    """All methods raise Unavailable.

    A `place` is a message that can have a thread, as "team:channel:ts", or the direct messages with
    one person, as "team:channel".
    """

    async def put(self, key: str, event: bytes) -> None:
        """Keep an event until it is worked off."""
        ...

    async def drop(self, key: str) -> None:
        """Forget an event that is worked off."""
        ...

    async def waiting(self) -> dict[str, bytes]:
        """The events that are not worked off yet."""
        ...

    async def run_at(self, place: str) -> KnownRun | None:
        """The run that `place` belongs to: whose conversation began there, or who posted it."""
        ...

    async def asking_in(self, direct: str) -> list[KnownRun]:
        """The runs that ask something in these direct messages just now, the newest last."""
        ...

    async def addressed(self, place: str, sender: str) -> None:
        """Remember who spoke to us last in the thread of `place`."""
        ...

    async def addressed_by(self, place: str) -> str:
        """What `addressed` remembers, or ""."""
        ...

    async def belongs(self, place: str, run_id: str) -> None:
        """Remember that `place` belongs to a run."""
        ...

    async def heard_until(self, place: str) -> str:
        """The ts of the newest message of the thread that its run has, or ""."""
        ...

    async def heard(self, place: str, ts: str) -> None:
        """Remember that the run of the thread has the message `ts`."""
        ...

    async def current(self, direct: str) -> str | None:
        """What `move` kept for these direct messages."""
        ...

    async def move(self, direct: str, expected: str | None, value: str) -> bool:
        """Keep `value` if `expected` is kept now. Returns whether it was."""
        ...

    async def is_first(self, key: str, seconds: float) -> bool:
        """Whether this was not asked for the same key within so many seconds."""
        ...

    async def brake(self, bot: str, channel: str, thread: str, key: str) -> None:
        """Count a message of a bot. Raises TooMany."""
        ...

    def about(self, text: str, sender: str) -> Literal["", "command", "verdict"]:
        """What a text alone shows of its aim: a command, or a yes, a no, or something like it."""
        ...
