"""Writing to people and programs outside the conversation, where the operator lets agents do so."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ponderd import Notify, tool
from ponderd.channels.destination import read_destination, write_destination

LONGEST = 20_000
"""Most characters of a message."""


@tool(idempotent=True, destructive=False)
def notify(
    to: Annotated[str, Field(min_length=1, max_length=2_000)],
    text: Annotated[str, Field(min_length=1, max_length=LONGEST)],
) -> Notify:
    """send a message to others; to is such as slack:C0123, email:ops@example.com or an https URL"""
    if not text.strip():
        raise ValueError("the text is empty")
    place = read_destination(to)
    note = f"It is on its way to {write_destination(place)}. Whether it arrives is not known yet."
    return Notify(place, text, note)
