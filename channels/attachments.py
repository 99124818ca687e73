"""Keep the files of a message in the blob store, and say what the agent sees of each at once."""

from __future__ import annotations

from collections.abc import Sequence

from ponderd.channels.blobs import Blobs
from ponderd.channels.documents import FILE_PREVIEW, MESSAGE_PREVIEW, File, preview
from ponderd.channels.message import Attachment


async def keep(files: Sequence[File], owner: str, blobs: Blobs) -> tuple[Attachment, ...]:
    """Store the contents of `files` under `owner`. Raises Unavailable if they cannot be stored."""
    room = MESSAGE_PREVIEW
    kept = []
    for file in files:
        text = file.text or ""
        shown = preview(text, min(FILE_PREVIEW, room))
        room -= len(shown)
        kept.append(
            Attachment(
                name=file.name,
                content_type=file.content_type,
                size=len(file.content),
                blob=await blobs.put(owner, file.content),
                text=shown,
                text_blob=await blobs.put(owner, text.encode()) if shown != text else "",
                length=len(text),
                unread=file.unread,
            )
        )
    return tuple(kept)
