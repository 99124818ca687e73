"""Read the content of mails beside the event loop, within limits."""

from __future__ import annotations

import asyncio

from ponderd.channels.mail.content import Content, read_content
from ponderd.channels.mail.quotation import Thread


class Reader:
    """Reads mails for a server."""

    async def read(self, content: bytes, thread: Thread) -> Content:
        """Read the whole of a mail. Raises Malformed or TooLarge for one that goes over a limit."""
        return await asyncio.to_thread(read_content, content, thread)

    async def close(self) -> None:
        """End what is being read."""
