"""The files that came with the messages of a run, as its tools get them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ponderd.channels.errors import NotFound
from ponderd.channels.message import Attachment


@dataclass(frozen=True, slots=True)
class Files:
    """They are numbered from 1, as the model is told of them. Nobody else's can be had here."""

    attached: tuple[Attachment, ...] = ()
    get: Callable[[str], Awaitable[bytes]] | None = None
    """The blob store's; None: no contents can be had here."""
    before: int = 0
    """How many came before these, which can no longer be had."""

    def find(self, wanted: str) -> tuple[int, Attachment]:
        """A file and its number, by its number or its name; of two with one name, the newer one.
        Raises `NotFound`."""
        numbered = list(enumerate(self.attached, self.before + 1))
        wanted = wanted.strip().removeprefix("file ").strip()
        for number, file in reversed(numbered):
            if wanted in (str(number), file.name):
                return number, file
        for number, file in reversed(numbered):
            if wanted and wanted.lower() == file.name.lower():
                return number, file
        listed = ", ".join(f"{number} {file.name}" for number, file in numbered[-50:])
        raise NotFound(f"there is no file {wanted}; " + (f"there are: {listed}" if listed else ""))

    async def content(self, file: Attachment) -> bytes:
        """The bytes of one of the files. Raises `NotFound` if they are not kept (any more),
        `Unavailable` if they cannot be had now."""
        return await self._get(file, file.blob)

    async def text(self, file: Attachment) -> str:
        """The whole text of one of the files, "" if it has none. Raises as `content` does."""
        if not file.text_blob:
            return file.text
        return (await self._get(file, file.text_blob)).decode("utf-8", "replace")

    async def _get(self, file: Attachment, handle: str) -> bytes:
        if file not in self.attached:
            raise NotFound(f"{file.name} is not a file of this run")
        if not handle or self.get is None:
            raise NotFound(f"the content of {file.name} is not kept")
        return await self.get(handle)
