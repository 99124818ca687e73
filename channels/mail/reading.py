"""Read the content of mails beside the event loop, within limits.

What strangers send is read in processes of their own, which are killed if that takes too long or
too much memory. They are kept for the next mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from ponderd.channels.errors import Malformed, TooLarge
from ponderd.channels.files import FILES_SECONDS, FileReader
from ponderd.channels.killable import COMMAND, Pool
from ponderd.channels.killable_process import TaskResult
from ponderd.channels.mail.content import Content, read_content
from ponderd.channels.mail.text.quotation import Thread

SECONDS = 10
"""How long the reading of a mail, and then that of each of its files, may take."""
PROCESSES = 2
"""Small mails that are read at the same time; and so many larger ones, and files, beside them: no
mail of a person waits for what takes long."""
SMALL = 128 * 1024
"""Bytes of a mail that is small."""
WAITING = 50
"""Mails that may wait for their turn. The senders of more are told to come back."""

log = structlog.get_logger(__name__)


class Reader:
    """Reads mails for a server. Smaller ones are read first."""

    def __init__(
        self,
        *,
        seconds: int = SECONDS,
        files_seconds: int = FILES_SECONDS,
        processes: int = PROCESSES,
        waiting: int = WAITING,
        command: Sequence[str] = (*COMMAND, "ponderd.channels.mail.content"),
    ) -> None:
        self._seconds = seconds
        self._small = Pool(processes, waiting, command, "mails")
        self._large = Pool(processes, waiting, command, "mails")
        self._files = FileReader(
            seconds=seconds,
            files_seconds=files_seconds,
            processes=processes,
            waiting=waiting,
            command=command,
        )

    async def start(self) -> None:
        """Have a process ready for the first mail. Raises Unavailable if none can be started."""
        await self._small.start()

    async def read(self, content: bytes, thread: Thread) -> Content:
        """Read the whole of a mail. Raises Malformed or TooLarge for one that goes over a limit,
        Unavailable if too many mails wait to be read. A file costs only itself: where it goes over
        a limit, it says so in `unread`."""
        try:
            pool = self._small if len(content) <= SMALL else self._large
            async with pool.turn(len(content)):
                answer = await pool.ask(self._seconds, read_content, content, thread)
        except TimeoutError:
            late = f"the mail takes too long to read (more than {self._seconds} s)"
            raise TooLarge(late) from None
        except (EOFError, OSError):
            raise Malformed("the mail cannot be read: it stops whatever reads it") from None
        found = _content(answer)
        return replace(found, files=await self._files.read(found.files))

    async def close(self) -> None:
        """End all processes. What is being read is given up by whoever asked for it."""
        for pool in (self._small, self._large, self._files):
            await pool.close()


def _content(answer: TaskResult) -> Content:
    match answer.kind, answer.result:
        case "done", Content() as content:
            return content
        case "refused", Exception() as error:
            raise error
        case "memory", _:
            raise TooLarge("the mail takes too much memory to read")
        case _:
            log.error("a mail could not be read", error=answer.result)
            raise Malformed("the mail cannot be read: ponderd has a fault there")
