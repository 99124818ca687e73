"""Files that take too long, or end what reads them, and their neighbours."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace

from ponderd.channels.mail.content import File
from ponderd.channels.mail.reading_files import read_files
from tests.channels.documents import pdf, xlsx

LONG = 600.0


def file(name: str, content: bytes = b"said") -> File:
    return File(name, "text/plain", content)


def reader(found: File, enough: Callable[[], bool]) -> File:
    match found.name:
        case "ends":
            os._exit(134)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "raises":
            raise ValueError
        case "endless":
            time.sleep(LONG)
        case "pages":
            while not enough():
                time.sleep(0.001)
    return replace(found, text=f"text of {found.name}")


def read(*names: str, seconds: float = LONG) -> list[tuple[str | None, str]]:
    files = read_files([file(name) for name in names], seconds, reader)
    assert [found.name for found in files] == list(names)
    return [(found.text, found.unread) for found in files]


def test_all_are_read_in_their_order() -> None:
    assert read("a", "b") == [("text of a", ""), ("text of b", "")]
    assert read() == []


def test_one_that_ends_its_reader_costs_no_other() -> None:
    for how in ("ends", "killed", "raises"):
        assert read("a", how, "b") == [
            ("text of a", ""),
            (None, "it stops whatever reads it"),
            ("text of b", ""),
        ]


def test_one_that_takes_too_long_is_given_up() -> None:
    found = read("a", "endless", "b", seconds=1)
    # On a busy machine the first may not be read in time, either.
    assert found[1:] == [(None, "it takes too long to read")] * 2


def test_a_long_one_is_told_when_to_stop() -> None:
    assert read("pages", seconds=5) == [("text of pages", "")]


def test_real_files_are_read() -> None:
    files = read_files(
        [
            File("a.csv", "text/csv", b"a,b"),
            File("b.pdf", "application/pdf", pdf([(72, 700, "hello")])),
            File("c.xlsx", "", xlsx({"S": '<row r="1"><c><v>1</v></c></row>'})),
            File("d.eml", "message/rfc822", b"x", text="known before"),
        ],
        LONG,
    )
    assert [found.text for found in files] == ["a,b", "hello", "--- sheet S ---\n1", "known before"]
    assert files[0].content == b"a,b"
