"""Reading on in a file that somebody attached."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ponderd import ToolContext, tool
from ponderd.channels.documents import preview
from ponderd.workers.run.attached import fenced

PIECE = 2_000
"""Most characters of a file that one call gives. More would not fit into a small context."""


@tool(idempotent=True)
async def read_attachment(
    file: Annotated[str, Field(min_length=1, max_length=300)],
    context: ToolContext,
    begin: Annotated[int, Field(ge=0)] = 0,
) -> str:
    """read on in an attached file: its number or name, and the character to begin at"""
    number, found = context.files.find(file)
    if found.unread and not found.text:
        raise ValueError(f"{found.name} cannot be read: {found.unread}")
    text = await context.files.text(found)
    piece = preview(text[begin:], PIECE)
    if not piece:
        raise ValueError(f"file {number} has {len(text)} characters, so none at {begin}")
    end = begin + len(piece)
    rest = f"it goes on at {end} of {len(text)}" if end < len(text) else "its end"
    return f"file {number}, characters {begin} to {end}, {rest}\n{fenced(piece)}"
