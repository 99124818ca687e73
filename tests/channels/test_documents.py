"""What people attach, as text: one kind a class, with what is usual and what is hostile in it."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from io import BytesIO
from xml.sax.saxutils import escape

import docx
import pptx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from hypothesis import given
from hypothesis import strategies as st
from pptx.util import Inches
from pypdf import PdfReader, PdfWriter

from ponderd.channels.documents import Document, preview, read
from ponderd.channels.office.legacy import read_calamine
from ponderd.channels.office.sheets import COLUMNS, ROWS
from ponderd.channels.office.text import LIMIT
from tests.channels.documents import libre, pdf, xlsx, zipped

OCTETS = "application/octet-stream"


def text(content: bytes, kind: str = OCTETS, name: str = "file") -> str:
    found = read(content, kind, name)
    assert found.unread == ""
    return found.text


def unread(content: bytes, kind: str = OCTETS, name: str = "file") -> str:
    found = read(content, kind, name)
    assert found.unread
    return found.unread


class TestPlainText:
    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            ("text/csv", "a.csv"),
            (OCTETS, "a.csv"),
            ("application/vnd.ms-excel", "a.csv"),  # as Windows labels a CSV
            ("", ""),
        ],
    )
    def test_is_known_by_its_content(self, kind: str, name: str) -> None:
        assert text(b"item,qty\r\ncable,12\r\n", kind, name) == "item,qty\ncable,12"

    @pytest.mark.parametrize(
        "said",
        ['{"a": 1}', "<a><b>1</b></a>", "a:\n  - b", "def f():\n    return x", "BEGIN:VCARD\nFN:A"],
    )
    def test_of_every_kind_comes_as_it_is(self, said: str) -> None:
        assert text(said.encode()) == said

    @pytest.mark.parametrize(
        "content",
        [
            "Grüße, 見積\nÄ".encode("utf-8-sig"),
            "Grüße, 見積\nÄ".encode(),
            "Grüße, 見積\nÄ".encode("utf-16"),
            b"\xfe\xff" + "Grüße, 見積\nÄ".encode("utf-16-be"),
        ],
    )
    def test_in_unicode_of_any_kind(self, content: bytes) -> None:
        assert text(content) == "Grüße, 見積\nÄ"

    def test_in_utf_16_without_a_mark(self) -> None:
        assert text("item,qty\ncable,12\n".encode("utf-16-le")) == "item,qty\ncable,12"
        assert text("item,qty\ncable,12\n".encode("utf-16-be")) == "item,qty\ncable,12"

    def test_by_the_label_that_came_with_it(self) -> None:
        assert read("Grüße, was kostet es?".encode("cp1252"), "text/plain", "a", "cp1252") == (
            Document("Grüße, was kostet es?")
        )

    def test_of_a_log_without_its_colours(self) -> None:
        assert text(b"\x1b[31mERROR\x1b[0m disk full") == "ERROR disk full"

    def test_that_is_long_is_cut_and_says_so(self) -> None:
        found = text(b"line\n" * 300_000)
        assert LIMIT <= len(found) < LIMIT + 200
        assert found.endswith(
            "[the rest is left out: of one file at most 1,000,000 characters are read]"
        )


class TestHtml:
    def test_keeps_what_a_reader_can_tell_apart(self) -> None:
        found = text(
            b"<table><tr><th>Item<th>Qty<th>Price<tr><td>Cable<td>12<td>500"
            b"<tr><td>Lamp<td><td>7</table><pre>def f():\n    return x</pre>"
            b"<a href='https://x.test/plan'>the plan</a><ul><li>one<li>two</ul>",
            "text/html",
            "a.html",
        )
        assert "Item | Qty | Price\nCable | 12 | 500\nLamp |  | 7" in found
        assert "\n    return x" in found
        assert "https://x.test/plan" in found

    def test_is_known_without_its_label(self) -> None:
        assert text("<!DOCTYPE html><p>Grüße</p>".encode()) == "Grüße"

    def test_says_its_charset(self) -> None:
        assert text('<html><meta charset="cp1252"><p>Grüße, 5 €</p>'.encode("cp1252")) == (
            "Grüße, 5 €"
        )

    @pytest.mark.parametrize(
        "how",
        ["hidden", 'style="display: none"', 'style="visibility:hidden"', 'style="font-size:0"'],
    )
    def test_what_nobody_sees_is_left_out(self, how: str) -> None:
        assert text(f"<html><p>seen</p><div {how}>un<b>seen</b></div>".encode()) == "seen"

    def test_nested_without_end_costs_little(self) -> None:
        assert len(text(b"<html>a" + b'<b style="display:none"><table><tr><td>x' * 20_000)) < 100


class TestWord:
    def test_paragraphs_and_tables_in_their_order(self) -> None:
        document = docx.Document()
        document.add_paragraph("Before")
        table = document.add_table(2, 3)
        for row, cells in enumerate((("Item", "Qty", "Price"), ("Cable", "", "500"))):
            for column, said in enumerate(cells):
                table.cell(row, column).text = said
        document.add_paragraph("After", style="List Bullet")
        document.sections[0].header.paragraphs[0].text = "Offer 4711"
        document.sections[0].footer.paragraphs[0].text = "Page of Ann Ltd"
        assert text(saved(document)) == (
            "Header:\nOffer 4711\nBefore\nItem | Qty | Price\nCable |  | 500\nAfter\n"
            "Footer:\nPage of Ann Ltd"
        )

    @pytest.mark.parametrize(
        ("inner", "seen"),
        [
            ("<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r>", "a\tb\nc"),
            ("<w:r><w:t>old</w:t></w:r><w:ins><w:r><w:t> new</w:t></w:r></w:ins>", "old new"),
            (
                "<w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:r><w:t>new</w:t></w:r>",
                "new",
            ),
            ("<w:r><w:rPr><w:vanish/></w:rPr><w:t>unseen</w:t></w:r><w:r><w:t>a</w:t></w:r>", "a"),
            ('<w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>seen</w:t></w:r>', "seen"),
            ("<w:sdt><w:sdtContent><w:r><w:t>chosen</w:t></w:r></w:sdtContent></w:sdt>", "chosen"),
            ('<w:pPr><w:numPr><w:ilvl w:val="0"/></w:numPr></w:pPr><w:r><w:t>a</w:t></w:r>', "- a"),
            (
                "<w:r><w:pict><w:p><w:r><w:t>box</w:t></w:r></w:p></w:pict><w:t>a</w:t></w:r>",
                "box\na",
            ),
        ],
    )
    def test_takes_what_a_reader_sees(self, inner: str, seen: str) -> None:
        document = docx.Document()
        document.element.body.insert(0, parse_xml(f"<w:p {nsdecls('w')}>{inner}</w:p>"))
        assert text(saved(document)) == seen

    def test_links_notes_and_comments(self) -> None:
        document = docx.Document()
        paragraph = document.add_paragraph("see ")
        key = document.part.relate_to(
            "https://x.test/a", docx.opc.constants.RELATIONSHIP_TYPE.HYPERLINK, True
        )
        paragraph._p.append(
            parse_xml(
                f'<w:hyperlink {nsdecls("w", "r")} r:id="{key}"><w:r><w:t>the plan</w:t></w:r>'
                '<w:r><w:footnoteReference w:id="2"/></w:r></w:hyperlink>'
            )
        )
        document.add_comment(paragraph.runs, text="too dear", author="Bob")
        notes = (
            f'<w:footnotes {nsdecls("w")}><w:footnote w:id="2"><w:p><w:r><w:footnoteRef/></w:r>'
            "<w:r><w:t>until May</w:t></w:r></w:p></w:footnote></w:footnotes>"
        )
        found = text(saved(document, {"word/footnotes.xml": notes}))
        assert "see the plan[2] <https://x.test/a>" in found
        assert "Footnotes:\n[2] until May" in found
        assert "Comments:\n[Bob] too dear" in found

    def test_tables_in_tables_stay_in_their_cell(self) -> None:
        document = docx.Document()
        outer = document.add_table(1, 2)
        outer.cell(0, 0).text = "a"
        inner = outer.cell(0, 1).add_table(1, 2)
        inner.cell(0, 0).text, inner.cell(0, 1).text = "b", "c"
        assert text(saved(document)) == "a | b | c"

    def test_an_entity_that_grows_is_refused(self) -> None:
        bomb = (
            '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
            '<w:document xmlns:w="w"><w:p><w:r><w:t>&b;</w:t></w:r></w:p></w:document>'
        )
        assert "document type" in unread(saved(docx.Document(), {"word/document.xml": bomb}))


class TestSlides:
    def test_slides_in_order_with_tables_and_notes(self) -> None:
        deck = pptx.Presentation()
        first = deck.slides.add_slide(deck.slide_layouts[5])
        first.shapes.title.text = "Plan"
        table = first.shapes.add_table(1, 2, 0, 0, Inches(2), Inches(1)).table
        table.cell(0, 0).text, table.cell(0, 1).text = "12", "500"
        first.notes_slide.notes_text_frame.text = "say it slowly"
        second = deck.slides.add_slide(deck.slide_layouts[6])
        box = second.shapes.add_textbox(0, 0, Inches(2), Inches(1)).text_frame
        run = box.paragraphs[0].add_run()
        run.text, run.hyperlink.address = "Thanks", "https://x.test/t"
        out = BytesIO()
        deck.save(out)
        assert text(out.getvalue()) == (
            "--- slide 1 ---\nPlan\n12 | 500\nNotes:\nsay it slowly\n"
            "--- slide 2 ---\nThanks <https://x.test/t>"
        )


class TestSheets:
    STYLES = (
        '<numFmts><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd hh:mm"/>'
        '<numFmt numFmtId="165" formatCode="&quot;days&quot; 0.00"/></numFmts><cellXfs>'
        '<xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="10"/>'
        '<xf numFmtId="165"/><xf numFmtId="20"/></cellXfs>'
    )

    def test_rows_as_a_person_reads_them(self) -> None:
        rows = (
            '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c></row>'
            '<row r="3"><c r="A3"><v>500</v></c><c r="B3"><v>0.30000000000000004</v></c>'
            '<c r="C3" s="1"><v>46082</v></c><c r="D3" s="2"><v>46082.5</v></c>'
            '<c r="E3" s="3"><v>0.19</v></c><c r="F3" s="4"><v>7.5</v></c>'
            '<c r="G3" s="5"><v>0.75</v></c><c r="H3" t="b"><v>1</v></c>'
            '<c r="I3"><f>SUM(A1:A2)</f></c><c r="J3" t="inlineStr"><is><t>in</t></is></c></row>'
        )
        found = text(xlsx({"Q1": rows, "Empty": ""}, ["Item, long", "Qty"], self.STYLES))
        assert found == (
            '--- sheet Q1 ---\n"Item, long",,Qty\n\n'
            "500,0.3,2026-03-01,2026-03-01 12:00,19%,7.5,18:00,TRUE,=SUM(A1:A2),in\n"
            "--- sheet Empty ---"
        )

    def test_names_with_backslashes_or_in_another_case_are_found(self) -> None:
        content = xlsx({"S": '<row><c t="s"><v>0</v></c></row>'}, ["a_x000D_\nb"])
        with zipfile.ZipFile(BytesIO(content)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        odd = {name.replace("/", "\\").replace("shared", "SHARED"): files[name] for name in files}
        assert text(zipped(odd)) == "--- sheet S ---\na / b"

    def test_a_cell_at_the_end_of_the_world_costs_nothing(self) -> None:
        rows = (
            '<row r="1"><c r="A1"><v>1</v></c></row>'
            '<row r="1048576"><c r="B1048576"><v>2</v></c><c r="XFD1048576"><v>3</v></c></row>'
        )
        assert text(xlsx({"S": rows})) == "--- sheet S ---\n1\n\n\n,2"

    def test_many_rows_are_cut_and_say_so(self) -> None:
        rows = "".join(f'<row r="{n}"><c><v>{n % 7}</v></c></row>' for n in range(1, ROWS + 9))
        assert text(xlsx({"S": rows})).endswith("[only the first 50,000 rows are read]")

    def test_of_libre_office(self) -> None:
        cells = (
            '<table:table-cell office:value-type="float" office:value="500"><text:p>500,00 €'
            "</text:p></table:table-cell>"
            '<table:table-cell table:number-columns-repeated="2"/>'
            '<table:table-cell office:value-type="date" office:date-value="2026-03-01">'
            "<text:p>01.03.26</text:p></table:table-cell>"
            "<table:table-cell><text:p>two</text:p><text:p>lines</text:p></table:table-cell>"
        )
        room = (
            '<table:table-row table:number-rows-repeated="1048570"><table:table-cell '
            'table:number-columns-repeated="16384"/></table:table-row>'
        )
        body = (
            f'<table:table table:name="Q1"><table:table-row>{cells}</table:table-row>{room}'
            "</table:table>"
        )
        assert text(libre("spreadsheet", body)) == (
            "--- sheet Q1 ---\n500,,,2026-03-01,two / lines"
        )

    def test_a_value_repeated_without_end_is_cut(self) -> None:
        body = (
            '<table:table table:name="S"><table:table-row table:number-rows-repeated="1048576">'
            '<table:table-cell table:number-columns-repeated="16384"><text:p>x</text:p>'
            "</table:table-cell></table:table-row></table:table>"
        )
        found = text(libre("spreadsheet", body))
        assert len(found) < LIMIT + 200
        assert len(found.splitlines()[1].split(",")) == COLUMNS

    def test_of_older_excel_come_the_same_way(self) -> None:
        rows = '<row r="1"><c r="A1"><v>500</v></c><c r="B1" s="1"><v>46082</v></c></row>'
        found = read_calamine(xlsx({"S": rows}, styles=self.STYLES))
        assert str(found) == "--- sheet S ---\n500,2026-03-01"


class TestLibreOffice:
    def test_text_with_tables_lists_links_and_notes(self) -> None:
        body = (
            "<text:h>Plan</text:h><text:tracked-changes><text:p>deleted</text:p>"
            "</text:tracked-changes><text:p>a<text:s text:c='3'/>b<text:tab/>c<text:line-break/>d"
            "<office:annotation><dc:date>2026-11-30</dc:date><text:p>remark</text:p>"
            "</office:annotation></text:p>"
            '<text:p>see <text:a xlink:href="https://x.test/a">this</text:a></text:p>'
            "<text:list><text:list-item><text:p>one</text:p></text:list-item></text:list>"
            "<table:table><table:table-row><table:table-cell><text:p>12</text:p></table:table-cell>"
            "<table:table-cell><text:p>500</text:p></table:table-cell></table:table-row></table:table>"
        )
        assert text(libre("text", body, "<text:p>Page 1</text:p>")) == (
            "Plan\nremark\na   b\tc\nd\nsee this <https://x.test/a>\n- one\n12 | 500\n"
            "Header and footer:\nPage 1"
        )

    def test_slides(self) -> None:
        body = (
            "<draw:page><draw:frame><draw:text-box><text:p>Hello</text:p></draw:text-box>"
            "</draw:frame></draw:page><draw:page/>"
        )
        assert text(libre("presentation", body)) == "--- slide 1 ---\nHello\n--- slide 2 ---"

    def test_protected_by_a_password(self) -> None:
        content = zipped(
            {
                "mimetype": "application/vnd.oasis.opendocument.text",
                "content.xml": b"\x00\x01",
                "META-INF/manifest.xml": "<manifest:encryption-data/>",
            }
        )
        assert "password" in unread(content)


class TestPdf:
    def test_pages_and_their_text(self) -> None:
        found = text(pdf([(72, 700, "First page")], [(72, 700, "Second page")]))
        assert found == "--- page 1 ---\nFirst page\n--- page 2 ---\nSecond page"

    def test_cells_of_a_table_keep_their_columns(self) -> None:
        rows = [("Item", "Qty", "Price"), ("Cable", "12", "500"), ("Lamp", "", "7,50")]
        page = [
            (72 + 120 * column, 700 - 20 * row, said)
            for row, cells in enumerate(rows)
            for column, said in enumerate(cells)
            if said
        ]
        lines = text(pdf(page)).splitlines()
        assert [line.split() for line in lines] == [[c for c in cells if c] for cells in rows]
        assert lines[2].index("7,50") == lines[1].index("500"), "the empty cell is seen"

    def test_wide_gaps_take_little_room(self) -> None:
        page = [
            (x, 700 - 20 * n, f"{said}{n}") for n in range(3) for x, said in ((9, "a"), (550, "b"))
        ]
        assert text(pdf(page)) == "a0   b0\na1   b1\na2   b2"

    def test_columns_of_text_are_read_one_after_the_other(self) -> None:
        left = [f"left column line {n} with many words" for n in range(5)]
        right = [f"right column line {n} with many words" for n in range(5)]
        page = [(50, 700 - 20 * n, said) for n, said in enumerate(left)]
        page += [(330, 700 - 20 * n, said) for n, said in enumerate(right)]
        assert text(pdf(page)).splitlines() == left + right

    def test_far_out_and_tiny_text_is_not_laid_out(self) -> None:
        page = [(72, 700, "a"), (900_000_000, 690, "b"), (72, 680, "c")]
        assert text(pdf(page)).split() == ["a", "b", "c"]

    def test_a_scan_says_so(self) -> None:
        assert unread(pdf([])) == "a scan without text"

    def test_one_scanned_page_among_others_is_named(self) -> None:
        assert text(pdf([(72, 700, "a")], [])).endswith("perhaps scanned or empty: page 2]")

    def test_a_password_to_read_it_is_missed_and_one_to_change_it_not(self) -> None:
        for user, readable in (("secret", False), ("", True)):
            writer = PdfWriter(clone_from=PdfReader(BytesIO(pdf([(72, 700, "hello")]))))
            writer.encrypt(user_password=user, owner_password="owner", algorithm="RC4-128")
            out = BytesIO()
            writer.write(out)
            if readable:
                assert text(out.getvalue()) == "hello"
            else:
                assert "password" in unread(out.getvalue())

    def test_a_damaged_one_says_so(self) -> None:
        assert "damaged" in unread(b"%PDF-1.7\nnothing of use")


class TestRichText:
    def test_words_and_tables(self) -> None:
        source = (
            rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\pict "
            + b"ab" * 5000
            + rb"}\pard Gr\'fc\'dfe, \u8364? 500\par\trowd\cellx9\cellx99 Cable\cell 12\cell\row}"
        )
        assert text(source, "application/msword", "a.doc") == "Grüße, € 500\nCable | 12"


class TestWhatCannotBeRead:
    @pytest.mark.parametrize(
        ("content", "kind", "why"),
        [
            (b"", OCTETS, "empty"),
            (b"\x89PNG\r\n\x1a\n\0\0", OCTETS, "pictures cannot be read yet"),
            (b"\xff\xd8\xff\xe0\0", OCTETS, "pictures"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", "pictures"),
            (b"\0\0\0\x18ftypheic\0", OCTETS, "pictures"),
            (b"\0\0\0\x18ftypmp42\0", OCTETS, "sound and video"),
            (b"ID3\x04\0\0", "audio/mpeg", "sound and video"),
            (b"MZ\x90\0\x03\0", OCTETS, "programs"),
            (b"7z\xbc\xaf\x27\x1c\0", OCTETS, "a 7-Zip archive"),
            (b"\x78\x9f\x3e\x22\0\0", "application/ms-tnef", "Outlook packed"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument".encode("utf-16-le"), "", ".docx"),
            (
                b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
                "",
                "password",
            ),
            (b"\x00\x01\x02\x03" * 9, OCTETS, "of this kind"),
        ],
    )
    def test_says_why(self, content: bytes, kind: str, why: str) -> None:
        assert why in unread(content, kind)

    def test_of_an_archive_the_names_of_its_files(self) -> None:
        found = read(zipped({"plan.txt": "a", "b/c.png": "d"}), "application/zip", "a.zip")
        assert found.text == "plan.txt\nb/c.png"
        assert "not opened" in found.unread

    def test_of_a_tar_too_also_a_compressed_one(self) -> None:
        out = BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("plan.txt"))
        for content in (out.getvalue(), gzip.compress(out.getvalue(), mtime=0)):
            found = read(content, OCTETS, "a.tgz")
            assert (found.text, bool(found.unread)) == ("plan.txt", True)

    def test_a_compressed_log_is_read(self) -> None:
        assert text(gzip.compress(b"disk full\n", mtime=0), name="a.log.gz") == "disk full"

    def test_compressed_without_end_is_bounded(self) -> None:
        found = text(gzip.compress(b"a\n" * 30_000_000, mtime=0), name="a.log.gz")
        assert len(found) < LIMIT + 500

    def test_a_zip_that_grows_is_refused_before_it_does(self) -> None:
        bomb = "<w:document xmlns:w='w'>" + " " * 60_000_000
        content = saved(docx.Document(), {"word/document.xml": bomb})
        assert len(content) < 200_000
        assert "unpacks to far more" in unread(content)

    def test_a_zip_that_lies_about_its_size_is_refused_as_it_does(self) -> None:
        content = bytearray(saved(docx.Document(), {"word/document.xml": "<a>" * 100_000}))
        at = content.find(b"PK\x01\x02")
        while at >= 0:
            content[at + 24 : at + 28] = (10).to_bytes(4, "little")
            at = content.find(b"PK\x01\x02", at + 1)
        assert unread(bytes(content))

    @given(
        st.binary(max_size=300),
        st.sampled_from(["", "%PDF-1.4\n", "PK\x03\x04", "{\\rtf1", "<html>"]),
    )
    def test_nothing_is_raised(self, content: bytes, head: str) -> None:
        found = read(head.encode() + content, OCTETS, "a")
        assert found.text or found.unread

    @given(st.data())
    def test_nor_for_a_damaged_document(self, data: st.DataObject) -> None:
        content = bytearray(data.draw(st.sampled_from(DAMAGED)))
        for _ in range(3):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        found = read(bytes(content), OCTETS, "a")
        assert found.text or found.unread


class TestPreview:
    def test_a_short_text_is_its_own(self) -> None:
        assert preview("a\nb", 3) == "a\nb"

    @pytest.mark.parametrize(
        ("whole", "beginning"),
        [
            ("one\ntwo\nthree", "one\ntwo"),
            ("one two three", "one two"),
            ("onetwothreefour", "onetwothre"),
            ("a\nbcdefghijklmn", "a\nbcdefghi"),
        ],
    )
    def test_a_long_one_is_cut_where_it_hurts_least(self, whole: str, beginning: str) -> None:
        assert preview(whole, 10) == beginning

    @given(st.text(), st.integers(0, 50))
    def test_is_always_the_beginning(self, whole: str, limit: int) -> None:
        cut = preview(whole, limit)
        assert whole.startswith(cut)
        assert len(cut) <= limit


def saved(document: docx.document.Document, more: dict[str, str] | None = None) -> bytes:
    """The bytes of a document, with more files in it, or others."""
    out = BytesIO()
    document.save(out)
    if not more:
        return out.getvalue()
    with zipfile.ZipFile(out) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return zipped(files | {name: said.encode() for name, said in more.items()})


DAMAGED = [
    pdf([(72, 700, escape("a < b"))]),
    saved(docx.Document()),
    xlsx({"S": '<row r="1"><c r="A1"><v>500</v></c></row>'}),
    libre("text", "<text:p>hello</text:p>"),
]
