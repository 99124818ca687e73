import pytest

from ponderd.channels.markdown.dialect import parse
from ponderd.channels.markdown.tree import columns, inline, other_host, tree, words


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("abc", 3),
        ("é", 1),
        ("e\u0301", 1),
        ("日本語", 6),
        ("👍", 2),
        ("👍🏽", 2),
        ("👨\u200d👩\u200d👧", 2),
        ("⚠\ufe0f", 2),
        ("🇩🇪", 2),
        ("1\ufe0f\u20e3", 2),
        ("a\u200bb", 2),
    ],
)
def test_columns_are_those_that_a_terminal_takes(text: str, width: int) -> None:
    assert columns(text) == width


@pytest.mark.parametrize(
    ("label", "href", "host"),
    [
        ("https://bank.test", "https://evil.test/x", "evil.test"),
        ("bank.test", "https://evil.test", "evil.test"),
        ("https://a.test/x", "https://a.test/y", ""),
        ("www.a.test", "https://a.test", ""),
        ("the page", "https://evil.test", ""),
        ("main.go", "https://a.test/main.go", ""),
        ("https://a.test", "https://a.test@evil.test", "evil.test"),
    ],
)
def test_a_label_that_names_another_host_is_found(label: str, href: str, host: str) -> None:
    assert other_host(label, href) == host


def shape(source: str) -> list[tuple[str, str]]:
    tokens = parse(source)
    assert tokens is not None
    return [(node.kind, words(inline(node))) for node in tree(tokens)]


def links(source: str) -> list[str]:
    tokens = parse(source)
    assert tokens is not None
    return [
        str(child.attrGet("href"))
        for token in tokens
        for child in token.children or ()
        if child.type == "link_open"
    ]


def test_a_reference_that_links_use_is_no_text_and_any_other_stays() -> None:
    source = (
        "[a][1] and [b]\n\n[1]: https://a.test/_(x)\n[b]: <https://b.test> 'B'\n[c]: https://c.test"
    )
    assert links(source) == ["https://a.test/_(x)", "https://b.test", "https://c.test"]
    assert shape(source) == [
        ("paragraph", "a and b"),
        ("paragraph", "[c]: https://c.test"),
    ]


def test_equals_signs_underline_a_heading_and_dashes_are_a_rule() -> None:
    assert shape("Title\n===\ntext\n---\nmore\n==\n") == [
        ("heading", "Title"),
        ("paragraph", "text"),
        ("hr", ""),
        ("paragraph", "more =="),
    ]


@pytest.mark.parametrize(
    ("source", "href"),
    [
        ("see https://a.test/x_y__z*q~r|s?a=1&b=2>c.", "https://a.test/x_y__z*q~r%7Cs?a=1&b=2%3Ec"),
        ("see https://a.test/q*r*~s~ and", "https://a.test/q*r*~s"),
        ("**https://a.test/x**", "https://a.test/x"),
        ("*https://a.test/x*.", "https://a.test/x"),
        ("<a href=https://a.test>x</a>", "https://a.test"),
        ("(https://a.test/(x))", "https://a.test/(x)"),
        ("見てhttps://a.test/xを", "https://a.test/x"),
    ],
)
def test_an_address_ends_where_its_reader_would_end_it(source: str, href: str) -> None:
    assert links(source) == [href]
