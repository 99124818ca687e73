"""Office documents for tests, as small as they can be."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from xml.sax.saxutils import escape

_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def zipped(files: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def xlsx(sheets: Mapping[str, str], strings: Sequence[str] = (), styles: str = "") -> bytes:
    """A workbook; each sheet is the XML of its rows, `styles` that of its style sheet."""
    entries = list(enumerate(sheets.items(), 1))
    listed = "".join(f'<sheet name="{n}" sheetId="{i}" r:id="rId{i}"/>' for i, (n, _) in entries)
    kinds = [(f"rId{i}", "worksheet", f"worksheets/sheet{i}.xml") for i, _ in entries]
    kinds += [("s", "sharedStrings", "sharedStrings.xml"), ("y", "styles", "styles.xml")]
    shared = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
    return zipped(
        {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": related([("rId1", "officeDocument", "xl/workbook.xml")]),
            "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}">'
            f"<sheets>{listed}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": related(kinds),
            "xl/sharedStrings.xml": f'<sst xmlns="{_SHEET}">{shared}</sst>',
            "xl/styles.xml": f'<styleSheet xmlns="{_SHEET}">{styles}</styleSheet>',
            **{
                f"xl/worksheets/sheet{i}.xml": f'<worksheet xmlns="{_SHEET}"><sheetData>{rows}'
                "</sheetData></worksheet>"
                for i, (_, rows) in entries
            },
        }
    )


def related(entries: Sequence[tuple[str, str, str]]) -> str:
    lines = "".join(
        f'<Relationship Id="{key}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for key, kind, target in entries
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{lines}</Relationships>'


def libre(kind: str, body: str, styles: str = "") -> bytes:
    """An OpenDocument file: kind is text, spreadsheet or presentation."""
    names = " ".join(
        f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for short, name in {
            "office": "office",
            "text": "text",
            "table": "table",
            "draw": "drawing",
            "presentation": "presentation",
        }.items()
    )
    names += (
        ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    )
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f"<office:document-content {names}><office:body><office:{kind}>{body}"
            f"</office:{kind}></office:body></office:document-content>",
            "styles.xml": f"<office:document-styles {names}>{styles}</office:document-styles>",
        }
    )


def pdf(*pages: Sequence[tuple[int, int, str]], trailer: str = "") -> bytes:
    """A PDF; each page is texts with the places at which they stand, in points."""
    count = len(pages)
    kids = " ".join(f"{3 + 2 * i} 0 R" for i in range(count))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {count}>>",
    ]
    font = "<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Courier/Encoding/WinAnsiEncoding>>>>>>"
    for number, texts in enumerate(pages):
        stream = "".join(f"BT /F1 10 Tf {x} {y} Td ({text}) Tj ET\n" for x, y, text in texts)
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources{font}"
            f"/Contents {4 + 2 * number} 0 R>>"
        )
        objects.append(f"<</Length {len(stream)}>>stream\n{stream}\nendstream")
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    return out + (
        f"xref\n0 {size}\n0000000000 65535 f \n{table}"
        f"trailer<</Size {size}/Root 1 0 R{trailer}>>\nstartxref\n{len(out)}\n%%EOF"
    ).encode("latin-1")
