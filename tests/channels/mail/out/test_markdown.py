"""An answer's Markdown: what a person sees of it in HTML and in plain text."""

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponderd.channels.mail.out.markdown import LIMIT, render
from tests.services.cpu import in_linear_time

TABLE = "| item | qty |\n|---|--:|\n| Cable | 12 |\n| 変圧器 | 500 |"


class Page(HTMLParser):
    """What a browser makes of a fragment: its text, its tags and where its links lead."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text, self.tags, self.attributes, self.links = "", [], set[str](), list[str]()
        self.open: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in ("br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def plain(source: str) -> str:
    return render(source).plain


def page(source: str) -> Page:
    return Page(render(source).html)


class TestPlain:
    @pytest.mark.parametrize(
        ("source", "shown"),
        [
            ("**Total:** 500 *net* __all in__ _now_", "Total: 500 net all in now"),
            ("~~500~~ 450", "~~500~~ 450"),
            ("# Costs\n\nFine.", "Costs\n=====\n\nFine."),
            ("## Costs\nFine.", "Costs\n-----\n\nFine."),
            ("### Costs", "Costs"),
            ("one\ntwo  \nthree\\\nfour", "one\ntwo\nthree\nfour"),
            ("See [the plan](https://a.test/p).", "See the plan (https://a.test/p)."),
            ('[the plan](https://a.test "today")', 'the plan (https://a.test "today")'),
            ("[https://a.test](https://a.test)", "https://a.test"),
            ("[](https://a.test)", "https://a.test"),
            ("[**b** `c`](https://a.test)", "b `c` (https://a.test)"),
            ("![a chart](https://a.test/c.png)", "a chart (https://a.test/c.png)"),
            (
                "[![build](http://a.test/b)](http://c.test)",
                "build (http://a.test/b) (http://c.test)",
            ),
            ("<https://a.test> or Ann <ann@a.test>", "https://a.test or Ann <ann@a.test>"),
            ("- a\n- b\n  - c\n- d", "- a\n- b\n  - c\n- d"),
            ("* a\n\n* b\n\n  more", "- a\n\n- b\n\n  more"),
            ("1. a\n2. b\n   - c", "1. a\n2. b\n   - c"),
            ("1. a\n1. b\n1. c", "1. a\n2. b\n3. c"),
            ("1. a\n4. b\n9. c", "1. a\n4. b\n9. c"),
            ("3) a\n4) b", "3) a\n4) b"),
            ("- [x] done\n- [ ] open", "- [x] done\n- [ ] open"),
            ("> a\n> b\n\nc", "> a\n> b\n\nc"),
            ("```python\nif x:\n    y()\n```", "    if x:\n        y()"),
            ("```see this first\ny()\n```", "    see this first\n    y()"),
            ("run `make up` now", "run `make up` now"),
            ("a\n\n---\n\nb", "a\n\n---\n\nb"),
            (TABLE, "item     qty\n------   ---\nCable     12\n変圧器   500"),
            (
                "| a | b |\n|---|:-:|\n| 1<br>2 | x |\n| | 3 |",
                "a      b\n----   -\n1; 2   x\n       3",
            ),
            ("| a |\n|---|\n| 1 |\nTotal: 1", "a\n-\n1\n\nTotal: 1"),
            ("| a |\n|---|\n| `x` |", "a\n-\nx"),
            ("| a | b |\n|---|---|\n| 1 | 2 | 3 | 4 |", "a   b\n-   ---------\n1   2 | 3 | 4"),
            ("&lt;b&gt; AT&amp;T", "<b> AT&T"),
            ("a\x1b[31m\x00b\ud800", "a[31mb"),
            ("", ""),
        ],
    )
    def test_it_reads_as_a_person_would_write_it(self, source: str, shown: str) -> None:
        assert plain(source) == shown

    def test_a_table_that_is_too_wide_is_told_row_by_row(self) -> None:
        wide = f"| name | text |\n|---|---|\n| a | {'x' * 200} |\n| b | short |"
        assert plain(wide) == f"name: a\ntext: {'x' * 200}\n\nname: b\ntext: short"


class TestHtml:
    @pytest.mark.parametrize(
        ("source", "shown"),
        [
            ("**a** *b* ~~c~~", "<strong>a</strong> <em>b</em> <s>c</s>"),
            ("one\ntwo", "one<br>\ntwo"),
            ("[p](https://a.test/?a=1&b=2)", '<a href="https://a.test/?a=1&amp;b=2">p</a>'),
            ("[p](<https://a.test/a b>)", '<a href="https://a.test/a%20b">p</a>'),
            ("[p](www.a.test)", '<a href="https://www.a.test">p</a>'),
            ("see https://a.test/x.", '<a href="https://a.test/x">https://a.test/x</a>.'),
            ("| a |\n|---|\n| 1<br>2 |", "1<br>2"),
            ("1. a\n4. b", '<li value="4"'),
            ("```\n<b> &amp;\n```", "&lt;b&gt; &amp;amp;"),
            ("    code", ">code</pre>"),
            ("שלום", '<p dir="auto"'),
        ],
    )
    def test_it_has_the_elements_of_a_mail(self, source: str, shown: str) -> None:
        assert shown in render(source).html

    def test_a_table_has_borders_in_every_mail_program(self) -> None:
        shown = render(TABLE).html
        assert '<table border="1"' in shown and "border-collapse:collapse" in shown
        cell = re.search(r"<td [^>]*>500</td>", shown)
        assert cell and "border:1px solid" in cell[0] and "text-align:right" in cell[0]

    def test_a_picture_is_a_link(self) -> None:
        assert page("![a chart](https://a.test/c.png)").links == ["https://a.test/c.png"]
        assert "img" not in page("![a chart](https://a.test/c.png)").tags

    @pytest.mark.parametrize(
        ("source", "host"),
        [
            ("[https://bank.test](https://evil.test/x)", "(evil.test)"),
            ("[bank.test](https://bank.test@evil.test)", "(evil.test)"),
            ("[Log in at www.bank.test](http://evil.test:8080)", "(evil.test)"),
            ("[ann@bank.test](https://evil.test)", "(evil.test)"),
            ("https://bank.test@evil.test/", "(evil.test)"),
            ("[bank.test](mailto:a@evil.test?subject=x)", "(evil.test)"),
            ("[bank.test](https://www.bank.test/x)", ""),
            ("[https://bank.test/x](https://bank.test/x?y)", ""),
            ("[notes.txt](https://a.test/notes.txt)", ""),
            ("[the plan of e.g. May](https://a.test)", ""),
            ("https://web.test/https://a.test", ""),
        ],
    )
    def test_a_label_that_looks_like_another_host_shows_the_real_one(
        self, source: str, host: str
    ) -> None:
        shown = page(source).text
        assert host in shown if host else "(" not in shown

    @pytest.mark.parametrize(
        "source",
        [
            "<script>alert(1)</script>",
            '<img src="cid:p.png" onerror="x()">',
            "<b onmouseover=x()>bold</b><!-- hidden -->",
            "<style>*{display:none}</style>\n\n<div>\n\nx\n\n</div>",
            "[x](javascript:alert(1))",
            "[x](data:text/html;base64,PHNjcmlwdD4=)",
            "[x](JaVaScRiPt&colon;alert(1))",
            "[x](vbscript:x) <javascript:x>",
            "[x](file:///etc/passwd)",
            "[x](//evil.test) [x](docs/a.md) f[i](x)",
            "<ponderd:x> List<std::string>",
        ],
    )
    def test_what_is_not_harmless_is_shown_as_it_was_typed(self, source: str) -> None:
        shown = page(source)
        assert shown.links == []
        assert set(shown.tags) <= {"p", "br"}
        for word in re.findall(r"\w+", html.unescape(source)):
            assert word in shown.text and word in plain(source)

    def test_an_attribute_cannot_be_left(self) -> None:
        shown = page("[x](<https://a.test/\"onclick='x()'>) [y](https://b.test '\"><script>')")
        assert set(shown.tags) == {"p", "a"}
        assert shown.attributes == {"dir", "style", "href", "title"}


@pytest.mark.parametrize(
    "text",
    [
        "a*b*c = 2*3*4 and (a+b)*(c+d)*(e+f)",
        "2**3**4 and f(*args, **kwargs)",
        "snake_case_name and __init__.py, __all__",
        r"C:\new\_old_\*.txt and \\server\share\_x_",
        "https://a.test/_a_/b*c_d",
        "<ann@team.test> wrote <html> to List<int>",
        "[1] and f[0](x) and [a][b]",
        "#5 and #topic",
        "5 > 3 < 4, -5, +49 30 123",
        "> 5 % of all",
        "2024 was good.\n1986 was not.",
        "x | y",
        "Regards\n-- \nAnn",
        "~5 and ~6, a ~ b",
        "a_b_ *c d",
        "$x^2$ and 10 % | 20 %",
        "[a]: http://a.test 'b'",
    ],
)
def test_what_only_looks_like_markdown_stays_as_it_is(text: str) -> None:
    lines = [line.strip() for line in text.split("\n")]
    assert plain(text).split("\n") == lines
    assert page(text).text.strip().split("\n") == lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("这是**重点**吗", "重点"),
        ("**注意：**请", "注意："),
        ("これは**「重要」**です", "「重要」"),
        ("**Total:**500", "Total:"),
        ("**API**s", "API"),
    ],
)
def test_emphasis_needs_no_blanks_around_it(text: str, shown: str) -> None:
    assert f"<strong>{shown}</strong>" in render(text).html


WORDS = [f"w{number}" for number in range(40)]
PIECES = [
    *("*", "**", "_", "__", "~~", "`", "[", "](", "](http://a.test/", ")", "![", "](<", ">", "<"),
    *("\n", "\n\n", "\n- ", "\n1. ", "\n7) ", "\n> ", "\n# ", "\n    ", "\n\t", "  \n", "\\"),
    *("\\\n", "\n```\n", "\n~~~\n", "\n---\n", "|", "\n|", "|\n|---|---|\n", "\n--|--\n", "<br>"),
    *("<!--", "-->", "http://", "https://", "www.", "mailto:", "://", "C:\\", '"', "'", ":", "&"),
    *("&#", " ", "  ", "]: http://a.test", "=", "\n===\n", "é", "漢", "ש", "\u200b", "\u202e"),
    *("\ud83d", "\x00", "😀"),
]


@st.composite
def texts(draw: st.DrawFn) -> str:
    pieces = draw(st.lists(st.sampled_from(PIECES), max_size=39))
    return "".join(piece + word for piece, word in zip(pieces, WORDS, strict=False))


@settings(max_examples=400, deadline=None)
@given(texts())
def test_no_word_is_lost_and_nothing_is_injected(text: str) -> None:
    shown = render(text)
    found = Page(shown.html)
    assert found.open == []
    assert set(found.tags) <= set(
        "p br h1 ul ol li blockquote pre code strong em s a table tr th td hr".split()
    )
    assert found.attributes <= set(
        "dir style href title value border cellpadding cellspacing".split()
    )
    assert all(re.match(r"https?://|mailto:|tel:", link) for link in found.links)
    both = shown.html + shown.plain
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", both)
    lost = re.findall(r"(?:```|~~~)\s*w\d+", text)  # a language behind a fence
    for word in WORDS:
        if re.search(rf"{word}(?!\d)", text) and not lost:
            assert word in shown.plain, word
            assert word in shown.html, word


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "![" * 25_000,
        "[" * 20_000 + "](http://x)" * 10_000,
        "[a](" * 20_000,
        "*a **b ~~c " * 8_000,
        "_a*" * 30_000,
        "> " * 50_000,
        "- > " * 20_000,
        "- a\n  - b\n" * 4_000,
        "`a" * 40_000,
        "".join("`" * length + " " for length in range(400)),
        "|a" * 4_000 + "|\n" + "|-" * 4_000 + "|\n" + "|x\n" * 5_000,
        "|a|b|\n|-|-|\n" + "|x|" * 30_000,
        "|a|\n|-|\n|" + "<br>" * 20_000,
        "|a|b|\n|-|-|\n" + f"|{'x' * 20_000}|\n" * 3 + "|a|\n" * 10_000,
        "http://x.t/" + "(" * 60_000 + ")_" * 30_000,
        "https://" * 20_000,
        "C:\\a" * 20_000,
        "\\a" * 45_000,
        "__a" * 30_000,
        "[" + "a." * 30_000 + "](http://x.t)",
        "<a@b> " * 15_000,
        "&amp;" * 20_000,
        "> 5\n" * 20_000,
    ],
    ids=range(24),
)
def test_no_answer_takes_long(text: str) -> None:
    with in_linear_time():
        shown = render(text)
    assert len(shown.html) + len(shown.plain) < 100 * len(text)


@pytest.mark.parametrize("text", ["> " * 200 + "deep", "- " * 200 + "deep", "x" * (LIMIT + 1)])
def test_what_is_too_deep_or_too_long_is_shown_as_it_was_typed(text: str) -> None:
    assert plain(text) == text.strip("\n")
    assert page(text).tags == ["pre"] and page(text).text.strip() == text.strip()
