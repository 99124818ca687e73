import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponderd.channels.slack.out.inline import size
from ponderd.channels.slack.out.markdown import lines, mrkdwn
from ponderd.channels.slack.out.pieces import packed
from tests.services.cpu import in_linear_time

LINK = re.compile(r"<((?:https?://|mailto:|tel:)[^<>|\s]+)(?:\|([^<>]*))?>")


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("**bold** and __bold__", "*bold* and *bold*"),
        ("*it* and _it_", "_it_ and _it_"),
        ("***both*** **_both_** _**both**_", "_*both*_ *_both_* _*both*_"),
        ("*a **b** c* **d *e* f**", "_a *b* c_ *d _e_ f*"),
        ("~~old~~ **~~x~~**", "~old~ *~x~*"),
        ("**`kubectl`** and **run `x` now**", "*`kubectl`* and *run `x` now*"),
        ("**a\nb** c", "*a*\n*b* c"),
        ("**a `b\nc` d**", "*a `b c` d*"),
        ("**Note:** x", "*Note:* x"),
        ("*a _b_ c*", "_a b c_"),
        ("## Title ##\ntext", "*Title*\ntext"),
        ("# A **b** `c` _d_", "*A b `c` _d_*"),
        ("Title\n=====\n\ntext", "*Title*\n\ntext"),
        ("[page](https://a.test/?x=1&y=2)", "<https://a.test/?x=1&amp;y=2|page>"),
        ("`**code** <b>`", "`**code** &lt;b&gt;`"),
        ("- a\n- b\n  - c\n    * d\n", "• a\n• b\n    ◦ c\n        ▪ d"),
        ("- a\n\n- b", "• a\n\n• b"),
        ("3. a\n4. b\n   more", "3. a\n4. b\n    more"),
        ("1. a\n1. b", "1. a\n2. b"),
        ("- [ ] a\n- [x] b\n- [link](http://a.test)", "☐ a\n☑ b\n• <http://a.test|link>"),
        ("- a\n  ```sh\n  ls\n  ```\n- b", "• a\n```\nls\n```\n• b"),
        ("> a\n> **b**\n\nc", "&gt; a\n&gt; *b*\n\nc"),
        ("> a\n> > b", "&gt; a\n&gt;     b"),
        ("> a\n> ```\n> x\n> ```\n> b", "&gt; a\n```\nx\n```\n&gt; b"),
        ("a\n\n---\n\nb", "a\n\n────────────\n\nb"),
        ("a  \nb\\\nc\nd", "a\nb\nc\nd"),
        ("&amp; &lt;b&gt; &copy; <b>x</b>", "&amp; &lt;b&gt; © &lt;b&gt;x&lt;/b&gt;"),
        ("\\# a \\[b\\](c) 1\\. \\\\", "# a [b](c) 1. \\"),
        ("[x](javascript:alert(1)) [y](../a.md)", "x (javascript:alert(1)) y (../a.md)"),
        ('_[x](<a b.md> "t")_ ![c](./c_d_.png) [#1](#1)', "_x (a b.md)_ c (./c_d_.png) #1"),
        ("f[i](a.b) f[0](x) [c](d)", "f[i](a.b) f[0](x) [c](d)"),
        ("line<br>two **three<br/>four**", "line\ntwo *three*\n*four*"),
        ("src/**/*.ts lib/**/x /a/*/b _a_ *.c*", "src/**/*\u00ad.ts lib/**/x /a/*/b _a_ _.c_"),
        ("*a*/*b* **c**/**d**, *.tmp foo*.log", "_a_/_b_ *c*/*d*, *\u00ad.tmp foo*.log"),
        (
            "[**x**](http://a.test) **[x](http://a.test)**",
            "*<http://a.test|x>* *<http://a.test|x>*",
        ),
        ("[![build](http://b.test/i.svg)](http://a.test)", "<http://a.test|build>"),
        (
            "![a chart](https://x.test/c.png) ![](http://x.test/d)",
            "<https://x.test/c.png|a chart> <http://x.test/d>",
        ),
        ("<!channel> <@U1> <#C1> @here", "&lt;!channel&gt; &lt;@U1&gt; &lt;#C1&gt; @here"),
    ],
)
def test_markdown_looks_in_slack_as_it_is_meant(markdown: str, expected: str) -> None:
    assert mrkdwn(markdown) == expected


@pytest.mark.parametrize(
    "text",
    [
        "set my__var__name and my_var_name",
        "2 ** 3 ** 4, 2*3*4 and 2 * 3 * 4",
        "__init__ and *.py and *args, **kwargs",
        "~/a and ~/b, ~5 to ~10",
        "12:30:45 a|b",
        "C:\\temp\\my_new_\\*.txt",
        "f(x) = x^2; a[0]; #42; $HOME; 50%",
    ],
)
def test_what_only_looks_like_markup_stays_as_it_was_typed(text: str) -> None:
    assert mrkdwn(text) == text


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("これは**重要**です", "これは\u200b*重要*\u200bです"),
        ("見て*これ*。", "見て\u200b_これ_\u200b。"),
        ("un**believ**able", "un\u200b*believ*\u200bable"),
        ("`kubectl`s", "`kubectl`\u200bs"),
        ("**a***b*", "*a*\u200b_b_"),
        ("это **важно**, да", "это *важно*, да"),
        ("**a**, (**b**) “**c**”", "*a*, (*b*) “\u200b*c*\u200b”"),
    ],
)
def test_marks_inside_words_are_seen_by_slack(markdown: str, expected: str) -> None:
    assert mrkdwn(markdown) == expected


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        (r"\*not bold\*", "*\u00adnot bold*"),
        (r"\_not it\_ and \~not gone\~", "_\u00adnot it_ and ~\u00adnot gone~"),
        (r"**a\* b**", "*a*\u00ad b*"),
        (r"\`not code\`", "`\u00adnot code`"),
        (r"\> no quotation", "\u00ad&gt; no quotation"),
        ("> 5 % is much", "\u00ad&gt; 5 % is much"),
        (r"a \`\`\` b", "a `\u200b`\u200b` b"),
    ],
)
def test_what_was_typed_literally_does_not_format(markdown: str, expected: str) -> None:
    assert mrkdwn(markdown) == expected


ADDRESSES = [
    "https://git.test/o/r/blob/main/pkg/__init__.py",
    "https://wiki.test/Set_(mathematics)",
    "https://a.test/~user/*x*/a_b_c?q=1&r=2#s",
    "http://[2001:db8::1]:8080/a_b",
    "https://a.test/pkg/__init__",
    "https://user:pw@a.test:8080/a_b~c;d=e,f",
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "form",
    [
        "see {} now",
        "<{}>",
        "[x](<{}>)",
        "[x]({})",
        "[x][1]\n\n[1]: {}",
        "**[x]({})**",
        "- {}",
        "> {}",
        "*{}*",
        "| a |\n|---|\n| [x]({}) |",
    ],
)
def test_an_address_is_never_changed(address: str, form: str) -> None:
    shown = html.unescape(mrkdwn(form.format(address)))
    assert address in shown


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("[x](<https://a.test/a b>)", "<https://a.test/a%20b|x>"),
        ("<https://a.test/a|b>", "<https://a.test/a%7Cb>"),
        ("https://a.test/a|b>c", "<https://a.test/a%7Cb%3Ec|https://a.test/a|b&gt;c>"),
        ("<me@a.test>", "<mailto:me@a.test|me@a.test>"),
        (
            "[https://bank.test](https://evil.test/x)",
            "<https://evil.test/x|https://bank.test> (evil.test)",
        ),
        ("[bank.test/login](https://evil.test)", "<https://evil.test|bank.test/login> (evil.test)"),
        ("[a|b > c](http://a.test)", "<http://a.test|a|b &gt; c>"),
        ("[`f()`](http://a.test)", "<http://a.test|f()>"),
    ],
)
def test_a_link_says_where_it_leads(markdown: str, expected: str) -> None:
    assert mrkdwn(markdown) == expected


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("```python\nprint(1)\n```", "```\nprint(1)\n```"),
        ('```python title="a.py"\nx\n```', "```\nx\n```"),
        ("```{.sh}\nx\n```", "```\nx\n```"),
        ("~~~c++\nx *a* <b> & __c__\n~~~", "```\nx *a* &lt;b&gt; &amp; __c__\n```"),
        ("    x **a**\n      y", "```\nx **a**\n  y\n```"),
        ("```\nx **a**", "```\nx **a**\n```"),
        ("~~~\na ``` b\n~~~", "```\na `\u200b`\u200b` b\n```"),
        ("``a`b``", "a`b"),
    ],
)
def test_code_is_never_changed(markdown: str, expected: str) -> None:
    assert mrkdwn(markdown) == expected


def test_a_table_is_padded_code() -> None:
    table = (
        "| svc | **p95** | 名前 |\n|:--|--:|:-:|\n| api | `210` ms | 日 |\n"
        "| [w](http://w.test) | a<br>b | 👍🏽 |"
    )
    assert mrkdwn(table).split("\n") == [
        "```",
        "svc                   p95  名前",
        "-----------------  ------  ----",
        "api                210 ms   日",
        "w (http://w.test)    a; b   👍🏽",
        "```",
    ]


def test_what_is_struck_through_in_a_table_stays_so() -> None:
    assert mrkdwn("| a | b |\n|---|---|\n| ~~1~~ | 2 |") == "*a*: ~1~\n*b*: 2"


def test_a_wide_table_is_written_row_by_row() -> None:
    text = "word " * 12
    shown = mrkdwn(
        f"| a | b_b |\n|---|---|\n| **{text.strip()}** | [x](http://a.test) |\n| {text} | <br>y |"
    )
    assert "```" not in shown and "|" not in shown.replace("|x>", "")
    assert f"*a*: *{text.strip()}*\n*b_b*: <http://a.test|x>\n\n*a*: {text.strip()}\n" in shown


SOURCES = st.text("ab *_~`<>&|#-[]()!\\\n1.:é日👍\u200b\u202e", max_size=300) | st.lists(
    st.sampled_from(
        [
            "**",
            "*",
            "_",
            "~~",
            "`",
            "```",
            "\n",
            "\n\n",
            " ",
            "a",
            "日",
            "# ",
            "- ",
            "> ",
            "1. ",
            "|",
            "|-|-|\n",
            "[x](http://a.test/_b_)",
            "https://a.test/x_y",
            "<@U1>",
            "<!here>",
            "&amp;",
            "~~~",
            "    ",
            "\\",
        ]
    ),
    max_size=60,
).map("".join)


@settings(max_examples=400, deadline=None)
@given(SOURCES)
def test_every_answer_is_well_formed_markup(source: str) -> None:
    shown = mrkdwn(source)
    check(shown)
    if not re.search(r"[\[&]|http|```|~~~", source):  # words are kept, in order
        assert letters(html.unescape(shown)) == letters(source)
    for limit in (120, 400):
        for piece in packed(lines(source), limit):
            check(piece)


def letters(text: str) -> str:
    return "".join(char for char in text if char.isalpha())


def check(markup: str) -> None:
    assert markup.count("```") % 2 == 0
    rest = LINK.sub("", markup)
    assert "<" not in rest and ">" not in rest
    assert not re.search(r"&(?!amp;|lt;|gt;)", rest)


@pytest.mark.parametrize(
    "piece",
    [
        "**&> ",
        "x",
        "&",
        "**a** ",
        "`",
        "`a",
        "[a](",
        "# ",
        "- a\n",
        "> ",
        "_*~`",
        "a\n",
        "\\*a ",
        "https://a.test/_ ",
        "<@U1>",
    ],
)
def test_every_answer_is_converted_quickly(piece: str) -> None:
    text = piece * (75_000 // len(piece))
    with in_linear_time():
        pieces = packed(lines(text), 3_900)
    assert all(size(each) <= 3_900 for each in pieces)


def test_what_is_too_long_or_too_deep_for_markdown_is_shown_as_it_was_typed() -> None:
    for text in ("*a* " * 60_000, "> " * 200 + "a **b**"):
        shown = mrkdwn(text)
        assert shown.startswith("```\n") and html.unescape(shown[4:-4]).startswith(text[:200])
