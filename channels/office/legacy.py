"""Older office formats as text: Excel's binary ones, and rich text. Pure.

calamine may end its process on a hostile .xls or .xlsb, so call this where that can be borne.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, time, timedelta
from io import BytesIO

from ponderd.channels.office.sheets import COLUMNS, add_sheet, shown, shown_date
from ponderd.channels.office.text import Text, UnreadableError

_RTF_LIMIT = 4_000_000
"""Most characters of rich text, pictures not counted."""
_HEX = re.compile(r"[0-9a-fA-F\s]{1000,}")


def read_calamine(content: bytes) -> Text:
    """A spreadsheet of Excel: .xls or .xlsb."""
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetVisibleEnum

    text = Text()
    try:
        book = CalamineWorkbook.from_filelike(BytesIO(content))
        for meta in book.sheets_metadata:
            rows = book.get_sheet_by_name(meta.name).iter_rows()
            hidden = meta.visible != SheetVisibleEnum.Visible
            add_sheet(text, meta.name, map(_cells, rows), hidden=hidden)
    except PasswordError as error:
        raise UnreadableError("it is protected by a password") from error
    except CalamineError as error:
        raise UnreadableError("the file is damaged") from error
    return text


def read_rtf(content: bytes) -> Text:
    """Rich text, as old word processors and mail programs write it."""
    from striprtf.striprtf import rtf_to_text

    source = _HEX.sub("", content.decode("latin-1"))
    cut, source = len(source) > _RTF_LIMIT, source[:_RTF_LIMIT]
    text = Text()
    for line in rtf_to_text(source, errors="replace").splitlines():  # type: ignore[no-untyped-call]
        text.add(" | ".join(line.split("|")).rstrip(" |") if line.endswith("|") else line)
    if cut:
        text.note("the rest of the file is left out")
    return text


def _cells(row: Sequence[object]) -> list[str]:
    return list(_shown(row[:COLUMNS]))


def _shown(values: Sequence[object]) -> Iterator[str]:
    for value in values:
        match value:
            case bool():
                yield str(value).upper()
            case float():
                yield shown(value)
            case date():  # a datetime, too
                yield shown_date(value)
            case time():
                yield value.strftime("%H:%M:%S" if value.second else "%H:%M")
            case timedelta():
                minutes = round(value.total_seconds() / 60)
                yield f"{minutes // 60}:{minutes % 60:02}"
            case _:
                yield str(value)
