"""The conversation as the model will see it, before it is rendered: a list of turns."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Turn(NamedTuple):
    """`person`: somebody wrote. `agent`: what the model wrote, word for word (JSON).
    `tool`: what a tool returned. `note`: ponderd tells the model something, such as an error.
    """

    role: Literal["person", "agent", "tool", "note"]
    text: str
