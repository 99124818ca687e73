"""Files that people attach, as text: what kind they are, and what they say. Pure.

The kind is read from the content, then from the name, last from the label: labels lie most. Nothing
is raised: what cannot be read says why. A reader may take long or much memory over a hostile file,
and calamine may end its process, so read where that can be borne.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO

from ponderd.channels.charset import declared, decode
from ponderd.channels.office.legacy import read_calamine, read_rtf
from ponderd.channels.office.package import Package
from ponderd.channels.office.pdf import read_pdf
from ponderd.channels.office.sheets import read_ods, read_xlsx
from ponderd.channels.office.text import LIMIT, Text, TextFullError, UnreadableError
from ponderd.channels.office.word import read_docx, read_libre, read_pptx
from ponderd.channels.text import clean

FILE_PREVIEW = 4_000
"""Most characters of a file that the agent sees at once."""
MESSAGE_PREVIEW = 5_000
"""Most characters of all files of a message that the agent sees at once. With what the person
wrote, more would not fit into a small context."""
LISTED = 1_000
"""Most entries of an archive that are named."""
_UNPACKED = 16 * 1024 * 1024
"""Most bytes that are unpacked of a compressed text or tar."""
_HTML = 2 * 1024 * 1024
"""Most bytes of HTML that are read."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, or why it cannot be read, in words for the agent and the person."""

    text: str = ""
    unread: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file that somebody sent."""

    name: str
    content_type: str
    content: bytes
    charset: str = ""
    """The label of its encoding, for a file of text."""
    text: str | None = None
    """Its text. None: it was not read yet, or it cannot be."""
    unread: str = ""
    """Why it cannot be read, in words for the agent and the person. Empty: it can."""


def read(
    content: bytes,
    content_type: str,
    name: str,
    charset: str = "",
    enough: Callable[[], bool] = lambda: False,
) -> Document:
    """Read a file. `charset` is the label that came with it, if there was one. `enough` is asked
    before each page of a PDF, which takes longest: whether to stop there."""
    try:
        read = _reader(content, content_type.lower(), name.lower(), enough)
        text = read(content, charset)
    except TextFullError as full:
        text = full.text
    except UnreadableError as error:
        return Document(unread=str(error))
    except RecursionError:
        return Document(unread="it is nested too deeply")
    except MemoryError:
        return Document(unread="it is too large")
    except Exception as error:  # whatever a library makes of a hostile file
        return Document(unread=f"the file is damaged ({type(error).__name__})")
    said = clean(str(text)).strip("\n")
    return Document(said, text.unread or ("" if said.strip() else "there is no text in it"))


def with_text(file: File, enough: Callable[[], bool] = lambda: False) -> File:
    """The file with its text, or with the reason why it has none. `enough` says when to stop in a
    long one."""
    if file.text is not None or file.unread:
        return file
    found = read(file.content, file.content_type, file.name, file.charset, enough)
    return replace(file, text=found.text, unread=found.unread)


def preview(text: str, limit: int) -> str:
    """The beginning of a text, at most `limit` characters, cut at the end of a line or a word if
    there is one in its second half."""
    if len(text) <= limit:
        return text
    beginning = text[: max(0, limit)]
    for mark in ("\n", " "):
        at = beginning.rfind(mark)
        if at > limit // 2:
            return beginning[:at]
    return beginning


# -- which kind --------------------------------------------------------------------------------

_Reader = Callable[[bytes, str], Text]

_ARCHIVES = {
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"BZh": "a bzip2 archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
}
_PICTURES = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"BM",
    b"II*\x00",
    b"MM\x00*",
    b"\x00\x00\x01\x00",
)
_PROGRAMS = (b"MZ", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_SOUNDS = (b"ID3", b"OggS", b"fLaC", b"\x1aE\xdf\xa3")
_UTF_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_TEXT_NAMES = re.compile(r"\.(txt|csv|tsv|log|md|json|xml|ya?ml|ics|vcf|html?|py|js|sql|ini|eml)$")

_PICTURE = "pictures cannot be read yet"
_SOUND = "sound and video cannot be read"


def _reader(content: bytes, kind: str, name: str, enough: Callable[[], bool]) -> _Reader:
    """How to read a file. Raises `UnreadableError` if there is no way."""
    if not content:
        raise UnreadableError("it is empty")
    head = content[:1024]
    if b"%PDF-" in head:
        return lambda data, _: read_pdf(data, enough)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _read_zip
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _read_ole
    if head.lstrip()[:5] == b"{\\rtf":
        return lambda data, _: read_rtf(data)
    if head.startswith(b"\x1f\x8b\x08"):
        return lambda data, charset: _read_gzip(data, charset, name)
    if content[257:262] == b"ustar":
        return lambda data, _: _read_tar(data)
    _refuse_binary(head, kind, name)
    return _read_text if not _is_html(head, kind, name) else _read_html


def _refuse_binary(head: bytes, kind: str, name: str) -> None:
    """Raise `UnreadableError` unless the content is text."""
    for mark, what in _ARCHIVES.items():
        if head.startswith(mark):
            raise UnreadableError(f"{what} cannot be opened; a zip can")
    is_text = _looks_like_text(head)
    if (
        (head.startswith(_PICTURES) and not is_text)
        or head[8:12] == b"WEBP"
        or head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif")
        or (kind.startswith("image/") and (not is_text or "svg" in kind))
    ):
        raise UnreadableError(_PICTURE)
    if is_text:
        return
    if (
        head.startswith(_SOUNDS)
        or head[4:8] == b"ftyp"
        or (head.startswith(b"RIFF") and head[8:12] in (b"WAVE", b"AVI "))
        or kind.startswith(("audio/", "video/"))
    ):
        raise UnreadableError(_SOUND)
    if head.startswith(b"\x78\x9f\x3e\x22"):
        raise UnreadableError(
            "Outlook packed the files of the mail into it, so they cannot be read"
        )
    if head.startswith(_PROGRAMS):
        raise UnreadableError("programs are not read")
    if not (kind.startswith("text/") or _TEXT_NAMES.search(name)):
        raise UnreadableError("a file of this kind cannot be read")


def _looks_like_text(head: bytes) -> bool:
    """Whether there are hardly any control characters, or it is UTF-16."""
    if head.startswith(_UTF_MARKS) or _utf16(head):
        return True
    controls = sum(byte < 32 and byte not in b"\t\n\v\f\r\x1b" for byte in head)
    return b"\0" not in head and controls * 50 <= len(head)


def _utf16(head: bytes) -> str:
    """Which UTF-16 it is without a mark that says so. Empty: none."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if half >= 4 and odd * 10 > half * 7 and even * 10 < half:
        return "utf-16-le"
    if half >= 4 and even * 10 > half * 7 and odd * 10 < half:
        return "utf-16-be"
    return ""


def _is_html(head: bytes, kind: str, name: str) -> bool:
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:15].lower()
    if begins.startswith((b"<!doctype html", b"<html")):
        return True
    return "html" in kind.partition(";")[0] or name.endswith((".html", ".htm", ".xhtml"))


# -- how to read it ----------------------------------------------------------------------------

_ESCAPES = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")


def _read_text(content: bytes, charset: str) -> Text:
    label = charset or ("" if content.startswith(_UTF_MARKS) else _utf16(content[:1024]))
    # No character takes more than four bytes.
    return _lines(_decoded(content[: 4 * LIMIT + 4], label))


def _decoded(content: bytes, label: str) -> str:
    for mark, name in zip(_UTF_MARKS, ("utf-8", "utf-16-le", "utf-16-be"), strict=True):
        if content.startswith(mark):
            return content[len(mark) :].decode(name, "replace")
    return decode(content, label)


def _lines(whole: str) -> Text:
    text = Text()
    for line in _ESCAPES.sub("", whole).splitlines():
        text.add(line)
    return text


def _read_html(content: bytes, charset: str) -> Text:
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import ElementNode, HTMLTree

    source = _decoded(content[:_HTML], charset or declared(content))
    tree = HTMLTree.parse(source)
    if _HIDDEN.search(source) and tree.document:
        # A walk, because resiliparse's selectors take quadratic time.
        elements = [node for node in tree.document if isinstance(node, ElementNode)]
        for node in elements:
            hidden = node.hasattr("hidden") or _HIDDEN.search(node.getattr("style") or "")
            if hidden and node.parent:
                node.parent.remove_child(node)
    text = _lines(
        re.sub(r"\t+", _between_cells, extract_plain_text(tree, links=True, alt_texts=True))
    )
    if len(content) > _HTML:
        text.note(f"only the first {_HTML:,} bytes are read")
    return text


_HIDDEN = re.compile(
    r"(?i)display\s{0,9}:\s{0,9}none|visibility\s{0,9}:\s{0,9}hidden"
    r"|font-size\s{0,9}:\s{0,9}0(\D|$)|\shidden[\s>=]"
)


def _between_cells(tabs: re.Match[str]) -> str:
    return " | " * ((len(tabs[0]) + 1) // 2)  # resiliparse writes two between two cells


def _read_zip(content: bytes, charset: str) -> Text:
    package = Package(content)
    names = set(package.names)
    mime = package.read("mimetype", 100).decode("ascii", "replace")
    if "META-INF/manifest.xml" in names and b"encryption-data" in package.read(
        "META-INF/manifest.xml", 1_000_000
    ):
        raise UnreadableError("it is protected by a password")
    read: Callable[[Package], Text] | None = None
    if "[Content_Types].xml" in package:
        if "xl/workbook.bin" in package:
            return read_calamine(content)
        types = package.read("[Content_Types].xml", 1_000_000)
        folders = {name.partition("/")[0] for name in names}
        kinds = (
            ("word", b"wordprocessingml", read_docx),
            ("ppt", b"presentationml", read_pptx),
            ("xl", b"spreadsheetml", read_xlsx),
        )
        found = [entry for folder, _, entry in kinds if folder in folders]
        found += [entry for _, word, entry in kinds if word in types]
        read = next(iter(found), None)
    elif "spreadsheet" in mime:
        read = read_ods
    elif "opendocument" in mime:
        read = read_libre
    if read is None:
        return _listed(package.names)
    return read(package)


def _read_ole(content: bytes, charset: str) -> Text:
    """The files of Office before 2007, which are file systems of their own."""

    def holds(stream: str) -> bool:
        return stream.encode("utf-16-le") in content

    if holds("EncryptedPackage"):
        raise UnreadableError("it is protected by a password")
    if holds("WordDocument"):
        raise UnreadableError("the old Word format (.doc) cannot be read; .docx and PDF can")
    if holds("PowerPoint Document"):
        raise UnreadableError("the old PowerPoint format (.ppt) cannot be read; .pptx and PDF can")
    if holds("Workbook") or holds("Book"):
        return read_calamine(content)
    if holds("__properties_version1.0"):
        raise UnreadableError("Outlook's format (.msg) cannot be read; forward the mail itself")
    raise UnreadableError("a file of this kind cannot be read")


def _read_gzip(content: bytes, charset: str, name: str) -> Text:
    unpacked = zlib.decompressobj(wbits=31).decompress(content, _UNPACKED)
    if unpacked[257:262] == b"ustar":
        return _read_tar(unpacked)
    inner = name.removesuffix(".gz")
    read = _reader(unpacked, "", inner, lambda: False)
    if read not in (_read_text, _read_html):
        raise UnreadableError("a compressed file of this kind cannot be read")
    text = read(unpacked, charset)
    if len(unpacked) == _UNPACKED:
        text.note(f"only the first {_UNPACKED:,} bytes are read")
    return text


def _read_tar(content: bytes) -> Text:
    names: list[str] = []
    try:
        with tarfile.open(fileobj=BytesIO(content), mode="r:") as archive:
            for entry in archive:
                names.append(entry.name)
                if len(names) > LISTED:
                    break
    except tarfile.TarError:
        if not names:
            raise
    return _listed(names)


def _listed(names: list[str] | tuple[str, ...]) -> Text:
    text = Text()
    text.unread = "an archive; its files are named but not opened"
    for name in names[:LISTED]:
        text.add(name[:300])
    if len(names) > LISTED:
        text.note("there are more")
    return text
