"""A document that is a zip with XML in it, read within limits. Pure.

Sizes are counted as they come out, for a zip may declare what it likes. Of XML there is no tree,
no document type and so no entity that could grow.
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Literal, NamedTuple
from xml.parsers import expat

from ponderd.channels.office.text import UnreadableError

ENTRIES = 10_000
"""Most files in a zip."""
UNPACKED = 256 * 1024 * 1024
"""Most bytes that may come out of one zip."""
RATIO = 600
"""A file in a zip that shrinks more than this is made to harm. Real ones stay below 150."""
SMALL = 4 * 1024 * 1024
"""A file of fewer bytes may shrink as much as it likes."""

_CHUNK = 64 * 1024
_DAMAGED = (zipfile.BadZipFile, ValueError, OSError, NotImplementedError)


class Node(NamedTuple):
    """A step through XML: an element begins or ends, or text comes (it is the `name`). Names are
    without their namespace."""

    kind: Literal["begin", "end", "text"]
    name: str
    attributes: dict[str, str]


class Package:
    """The files in a zip. Raises `UnreadableError` for a zip that is damaged, hostile or locked."""

    def __init__(self, content: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(BytesIO(content))
        except _DAMAGED as error:
            raise UnreadableError("the file is damaged") from error
        entries = self._zip.infolist()
        if len(entries) > ENTRIES:
            raise UnreadableError(f"it holds more than {ENTRIES:,} files")
        self.names = tuple(entry.filename.replace("\\", "/") for entry in entries)
        # Some programs write names in another case than they refer to them, as Windows allows.
        self._entries = dict(zip(map(str.lower, self.names), entries, strict=True))
        self._left = UNPACKED

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._entries

    def read(self, name: str, limit: int) -> bytes:
        """The first `limit` bytes of a file. Empty if there is no such file."""
        content = bytearray()
        for chunk in self._chunks(name):
            content += chunk
            if len(content) >= limit:
                break
        return bytes(content[:limit])

    def nodes(self, name: str) -> Iterator[Node]:
        """Walk through an XML file. Nothing if there is no such file."""
        walk = _Walk()
        for chunk in self._chunks(name):
            yield from walk.feed(chunk, last=False)
        if walk.begun:
            yield from walk.feed(b"", last=True)

    def related(self, name: str) -> dict[str, tuple[str, str]]:
        """What an OOXML file refers to: its id -> kind and the file, or the address outside."""
        folder, file = posixpath.split(name)
        found = {}
        for node in self.nodes(posixpath.join(folder, "_rels", f"{file}.rels")):
            if node.kind == "begin" and node.name == "Relationship":
                entry = node.attributes
                kind, target = entry.get("Type", "").rpartition("/")[2], entry.get("Target", "")
                if entry.get("TargetMode") != "External":
                    target = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
                found[entry.get("Id", "")] = (kind, target)
        return found

    def _chunks(self, name: str) -> Iterator[bytes]:
        entry = self._entries.get(name.lower())
        if entry is None:
            return
        if entry.flag_bits & 1:
            raise UnreadableError("it is protected by a password")
        if entry.file_size > max(SMALL, entry.compress_size * RATIO):
            raise UnreadableError("it unpacks to far more than it should")
        try:
            with self._zip.open(entry) as file:
                while chunk := file.read(_CHUNK):
                    self._left -= len(chunk)
                    if self._left < 0:
                        raise UnreadableError("it unpacks to far more than it should")
                    yield chunk
        except (*_DAMAGED, zlib.error, EOFError, RuntimeError) as error:
            raise UnreadableError("the file is damaged") from error


class _Walk:
    """Turns the bytes of an XML file into nodes as they come."""

    def __init__(self) -> None:
        self.begun = False
        self._found: list[Node] = []
        self._parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = lambda name: self._add("end", _local(name))
        parser.CharacterDataHandler = lambda text: self._add("text", text)
        parser.StartDoctypeDeclHandler = self._refuse

    def feed(self, data: bytes, *, last: bool) -> list[Node]:
        self.begun, self._found = True, []
        try:
            self._parser.Parse(data, last)
        except (expat.ExpatError, ValueError) as error:
            raise UnreadableError("the file is damaged") from error
        return self._found

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        self._add("begin", _local(name), {_key(key): text for key, text in attributes.items()})

    def _add(
        self,
        kind: Literal["begin", "end", "text"],
        name: str,
        attributes: dict[str, str] | None = None,
    ) -> None:
        self._found.append(Node(kind, name, attributes or {}))

    def _refuse(self, *_: object) -> None:
        raise UnreadableError("its XML has a document type, which no office program writes")


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _key(name: str) -> str:
    """The name of an attribute. One that refers to another file is `r:…`: it often stands beside
    one of the same name."""
    space, _, local = name.rpartition(" ")
    return f"r:{local}" if space.endswith("/relationships") else local
