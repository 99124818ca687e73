"""Spreadsheets as text: a line for each row, with the values as a person reads them. Pure.

Excel's and LibreOffice's own formats are read step by step: calamine lays a sheet out in memory as
wide and long as its outermost cell, which may be the last of 17 billion.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from io import StringIO

from ponderd.channels.office.package import Node, Package
from ponderd.channels.office.text import Text, UnreadableError

COLUMNS = 1_000
"""Most columns of a sheet that are read."""
ROWS = 50_000
"""Most rows of a sheet that are read."""
_STRINGS = 2_000_000
"""Most strings that the sheets of one file may share."""

_DATES = {
    14: "d", 15: "d", 16: "d", 17: "d", 18: "t", 19: "t", 20: "t", 21: "t", 22: "dt", 45: "t",
    46: "h", 47: "t", **dict.fromkeys((*range(27, 32), *range(34, 37), *range(50, 59)), "d"),
    32: "t", 33: "t", 9: "%", 10: "%",
}  # fmt: skip
_FORMAT_NOISE = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]', re.IGNORECASE)
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_REF = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


def read_xlsx(package: Package) -> Text:
    """Sheet by sheet."""
    main = next(
        (target for kind, target in package.related("").values() if kind == "officeDocument"),
        "xl/workbook.xml",
    )
    if main not in package:
        raise UnreadableError("the file is damaged")
    related = package.related(main)
    by_kind = dict(related.values())
    strings = list(_shared_strings(package, by_kind.get("sharedStrings", "")))
    formats = _formats(package, by_kind.get("styles", ""))
    text, sheets, epoch = Text(), [], 0
    for node in package.nodes(main):
        if node.kind == "begin" and node.name == "sheet":
            sheets.append(node.attributes)
        elif node.kind == "begin" and node.name == "workbookPr":
            epoch = 1462 if node.attributes.get("date1904") in ("1", "true") else 0
    for sheet in sheets:
        kind, target = related.get(sheet.get("r:id", ""), ("", ""))
        if kind == "worksheet":
            hidden = sheet.get("state", "visible") != "visible"
            rows = _xlsx_rows(package.nodes(target), strings, formats, epoch)
            add_sheet(text, sheet.get("name", ""), rows, hidden=hidden)
    return text


def read_ods(package: Package) -> Text:
    """Sheet by sheet."""
    text = Text()
    nodes = package.nodes("content.xml")
    for node in nodes:
        if node.kind == "begin" and node.name == "table":
            add_sheet(text, node.attributes.get("name", ""), _ods_rows(nodes))
    return text


def add_sheet(text: Text, name: str, rows: Iterable[list[str]], *, hidden: bool = False) -> None:
    """Add a sheet as CSV, without the empty rows at its end and cells at the end of its rows."""
    text.add(f"--- sheet {name or 'without a name'}{' (hidden)' if hidden else ''} ---")
    empty = 0
    for number, cells in enumerate(rows):
        if number >= ROWS:
            text.note(f"only the first {ROWS:,} rows are read")
            break
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            empty += 1
            continue
        for _ in range(min(empty, 2)):  # a gap is a gap, however wide
            text.add()
        empty = 0
        text.add(_as_csv(cells))


def shown(number: float) -> str:
    """A number as people write it: 500, not 500.0, and 0.3, not 0.30000000000000004."""
    if number == int(number) and abs(number) < 1e15:
        return str(int(number))
    return f"{number:.15g}"


def shown_date(moment: date | datetime) -> str:
    """A date in ISO 8601, with the time if it is not midnight."""
    if isinstance(moment, datetime) and moment.time() != moment.min.time():
        return moment.isoformat(" ", "minutes" if moment.second == 0 else "seconds")
    return moment.isoformat()[:10]


def _as_csv(cells: list[str]) -> str:
    out = StringIO()
    csv.writer(out, lineterminator="").writerow([" / ".join(cell.splitlines()) for cell in cells])
    return out.getvalue()


def _shared_strings(package: Package, name: str) -> Iterator[str]:
    parts: list[str] = []
    count = 0
    phonetic = reading = False
    for node in package.nodes(name):
        if node.kind == "text":
            if reading and not phonetic:
                parts.append(node.name)
        elif node.name == "t":
            reading = node.kind == "begin"
        elif node.name == "rPh":
            phonetic = node.kind == "begin"
        elif node.name == "si" and node.kind == "end":
            count += 1
            if count > _STRINGS:
                raise UnreadableError("it holds too many texts")
            yield _unescaped("".join(parts))
            parts = []


def _unescaped(text: str) -> str:
    """Excel writes what XML cannot hold as _x000D_."""
    return _ESCAPED.sub(lambda code: chr(int(code[1], 16)), text)


def _formats(package: Package, name: str) -> list[str]:
    """For each style of cells: "" a plain number, "d" a date, "t" a time, "dt" both, "h" hours,
    "%" percent."""
    own: dict[str, str] = {}
    kinds: list[str] = []
    in_cells = False
    for node in package.nodes(name):
        if node.name == "cellXfs":
            in_cells = node.kind == "begin"
        elif node.kind == "begin" and node.name == "numFmt":
            own[node.attributes.get("numFmtId", "")] = node.attributes.get("formatCode", "")
        elif node.kind == "begin" and node.name == "xf" and in_cells:
            number = node.attributes.get("numFmtId", "0")
            known = _DATES.get(int(number), "") if number.isdecimal() else ""
            kinds.append(_kind(own[number]) if number in own else known)
    return kinds


def _kind(code: str) -> str:
    first = _FORMAT_NOISE.sub("", code[:500].partition(";")[0]).lower()
    if re.search(r"\[h+\]", first):
        return "h"
    day, time = bool(re.search("[yd]", first)), bool(re.search("[hs]", first))
    if not day and not time:
        return "%" if "%" in first else "d" if re.fullmatch("m+", first.strip()) else ""
    return "d" * day + "t" * time


def _xlsx_rows(
    nodes: Iterator[Node], strings: list[str], formats: list[str], epoch: int
) -> Iterator[list[str]]:
    """The rows, with empty ones for those that a sheet leaves out."""
    due = 1  # the number of the row that comes next
    cells: list[str] = []
    cell: dict[str, str] = {}
    parts: dict[str, list[str]] = {}
    reading = ""
    for node in nodes:
        name = node.name
        if node.kind == "text":
            if reading:
                parts.setdefault(reading, []).append(name)
        elif node.kind == "begin":
            if name == "row":
                at = node.attributes.get("r", "")
                here = int(at) if re.fullmatch("[0-9]{1,7}", at) else due
                yield from ([] for _ in range(min(max(0, here - due), 3)))
                due, cells = max(here, due) + 1, []
            elif name == "c":
                cell, parts = node.attributes, {}
            elif name in ("v", "f", "t"):
                reading = name
            elif name == "rPh":
                reading = "phonetic"
        elif name in ("v", "f", "t", "rPh"):
            reading = ""
        elif name == "c":
            column = _column(cell.get("r", ""), len(cells))
            if column < COLUMNS:
                cells.extend([""] * (column - len(cells)))
                said = {key: "".join(value) for key, value in parts.items()}
                cells.append(_xlsx_value(cell, said, strings, formats, epoch))
        elif name == "row":
            yield cells
        elif name == "sheetData":
            return


def _column(reference: str, usual: int) -> int:
    match = _REF.fullmatch(reference)
    if match is None:
        return usual
    number = 0
    for letter in match[1]:
        number = number * 26 + ord(letter) - ord("A") + 1
    return max(usual, number - 1)


def _xlsx_value(
    cell: dict[str, str],
    said: dict[str, str],
    strings: list[str],
    formats: list[str],
    epoch: int,
) -> str:
    value = said.get("v", "")
    match cell.get("t", "n"):
        case "s":
            return strings[int(value)] if value.isdecimal() and int(value) < len(strings) else ""
        case "inlineStr":
            return _unescaped(said.get("t", ""))
        case "d":
            return value.replace("T", " ").removesuffix(" 00:00:00")
        case "b":
            return "TRUE" if value == "1" else "FALSE"
        case "n" if value:
            style = cell.get("s", "0")
            index = int(style) if style.isdecimal() else 0
            return _number(value, formats[index] if index < len(formats) else "", epoch)
    if not value and "f" in said:  # a program wrote it that does not calculate
        return f"={said['f']}"
    return value


def _number(value: str, kind: str, epoch: int) -> str:
    try:
        number = float(value)
    except ValueError:
        return value
    if kind == "%":
        return f"{shown(round(number * 100, 10))}%"
    if kind == "h":
        minutes = round(number * 24 * 60)
        return f"{minutes // 60}:{minutes % 60:02}"
    if kind and 0 <= number < 2_958_466:
        moment = datetime(1899, 12, 30) + timedelta(days=number + epoch, microseconds=0)
        moment = (moment + timedelta(microseconds=500_000)).replace(microsecond=0)
        if kind == "t" or (number < 1 and "t" in kind):
            return moment.strftime("%H:%M:%S" if moment.second else "%H:%M")
        return shown_date(moment if "t" in kind else moment.date())
    return shown(number)


def _ods_rows(nodes: Iterator[Node]) -> Iterator[list[str]]:
    """The rows up to the end of the table. What is repeated at the end is only room."""
    cells: list[str] = []
    repeat_row = repeat = 1
    value, depth, in_comment = "", 0, False
    lines: list[str] = []
    for node in nodes:
        kind, name, attributes = node
        if name == "annotation" and kind != "text":
            in_comment = kind == "begin"
        elif in_comment:
            continue
        elif kind == "text":
            if depth and lines:
                lines[-1] += name
        elif kind == "begin":
            if name == "table-row":
                cells, repeat_row = [], _repeated(attributes, "number-rows-repeated")
            elif name in ("table-cell", "covered-table-cell"):
                repeat = _repeated(attributes, "number-columns-repeated")
                value, lines = _ods_value(attributes), []
            elif name == "p":
                lines.append("")
                depth += 1
            elif name == "s" and lines:
                count = attributes.get("c", "1")
                lines[-1] += " " * (min(int(count), 200) if count.isdecimal() else 1)
            elif name == "line-break" and lines:
                lines[-1] += "\n"
        elif name == "p":
            depth -= 1
        elif name in ("table-cell", "covered-table-cell"):
            said = value or "\n".join(lines)
            cells.extend([said] * max(0, min(repeat, COLUMNS - len(cells))))
        elif name == "table-row":
            filled = any(cells)
            yield from (list(cells) for _ in range(repeat_row if filled else min(repeat_row, 3)))
        elif name == "table":
            return


def _ods_value(attributes: dict[str, str]) -> str:
    """A value that is clearer than what the cell shows. Empty: take what it shows."""
    match attributes.get("value-type"):
        case "float":
            return _number(attributes.get("value", ""), "", 0)
        case "date":
            return attributes.get("date-value", "")[:19].replace("T", " ").removesuffix(" 00:00:00")
        case _:
            return ""


def _repeated(attributes: dict[str, str], name: str) -> int:
    text = attributes.get(name, "1")
    return min(int(text), ROWS + 1) if re.fullmatch("[0-9]{1,9}", text) else 1
