"""What a person sees in an HTML mail, and which of it they wrote."""

import re

import pytest

from ponderd.channels.mail.text.html import read_html
from tests.channels.mail.text.test_quotation import thread
from tests.services.cpu import in_linear_time

ADDRESS = "assistant &lt;assistant@agents.test&gt;"
WROTE = f"On Tue, 5 May 2026 at 10:15, {ADDRESS} wrote:"
BLOCK = (
    f"<b>From:</b> {ADDRESS}<br><b>Sent:</b> Tuesday, May 5, 2026 10:15 AM<br><b>To:</b> Ann<br>"
    "<b>Subject:</b> RE: Offer"
)


def text(source: str) -> str:
    """The text of a mail that begins a conversation."""
    return read_html(source, thread(answers_us=False, knows_us=False, subject="")).text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>one</p><DIV>two</DIV>", "one\n\ntwo"),
        ("a<br/>b<!-- <p>hidden</p> -->c", "a\nbc"),
        ("<div>one</div><div><br></div><div>two</div>", "one\n\ntwo"),
        ("<STYLE>p {}</style><script>if (1 < 2) x()</Script>seen", "seen"),
        ("2 &lt; 3 < 4 &amp; <b>bold</b>\r\nword", "2 < 3 < 4 & bold word"),
        ("Approved\r\n only <span\r\nstyle='color:red'>if</span>\n all", "Approved only if all"),
        ("<!doctype html><?xml?><html>x</html>", "x"),
        ("İ<script>x</script>y", "İy"),
        ("cut <a href=", "cut"),
        ("a&nbsp;b  c so&shy;ft ze\u200bro", "a b c soft zero"),
        ("<h1>Title</h1>text<hr>below", "Title\n\ntext\n---\nbelow"),
        ("<p>f:</p><pre>def f(x):\n    return x\n</pre>", "f:\n\ndef f(x):\n    return x"),
        ("<div style='white-space:pre-wrap'>a\n  b</div>", "a\n  b"),
        ("<div>x:</div><div>&nbsp;&nbsp;&nbsp;&nbsp;y</div>", "x:\n    y"),
        (
            "<style>p.M{margin:0in}</style><p class=M>a<p class=M>b<p class=M>&nbsp;<p>c",
            "a\nb\n\nc",
        ),
        ("<ul><li>one<ul><li>in</ul><li><p>two</p></ul>", "- one\n  - in\n- two"),
        ("<ol start=3><li>c<li value=7>g<li>h</ol>", "3. c\n7. g\n8. h"),
        ("<ol type=a><li>x<li>y</ol>", "a. x\nb. y"),
        ("<dl><dt>Name<dd>Ann</dl>", "Name\n  Ann"),
        ("<p>Said:</p><blockquote>my words<br>again</blockquote>", "Said:\n\n> my words\n> again"),
        ("m<sup>2</sup>, H<sub>2</sub>O, 1<sup>st</sup>", "m^2, H_2O, 1st"),
        ("<del>old</del> <s>gone</s> <q>so</q>", "~~old~~ ~~gone~~ “so”"),
        ("<span style='text-decoration: line-through'>yes</span> no", "~~yes~~ no"),
        ("<input type=checkbox checked>done<br><input type=radio>open", "[x] done\n[ ] open"),
        ("<select><option>a<option selected>b</select>", "b"),
        ("<details><summary>More</summary>inside</details>", "More\ninside"),
        ("<p>שלום <bdo dir=ltr>abc</bdo></p>", "שלום abc"),
        (
            "<img alt='Sales by month'><img alt='image001.png'><img alt=''>",
            "[image: Sales by month]",
        ),
        ("Hi <img alt='😀' src=x><img alt=pixel width=1 height=1>", "Hi 😀"),
        ("<p>x<![if !mso]>seen<![endif]><o:p>&nbsp;</o:p></p>", "xseen"),
        ("<center>a</center><address>b</address>c", "a\nb\nc"),
        ("<textarea>a\n b</textarea>", "a\n b"),
    ],
)
def test_what_a_reader_can_tell_apart_is_apart(source: str, expected: str) -> None:
    assert text(source) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("<tr><th>Item<th>Qty<tr><td>Cable<td>12", "Item | Qty\nCable | 12"),
        ("<tr><td>Cable<td><td>500<tr><td>Plug<td>3<td>9", "Cable |  | 500\nPlug | 3 | 9"),
        ("<tr><td rowspan=2>A<td>1<tr><td>2<tr><td>B<td>3", "A | 1\nA | 2\nB | 3"),
        ("<tr><td colspan=2>x<td>3<tr><td>a<td>b<td>c", "x |  | 3\na | b | c"),
        ("<tr><td>Cable<br>red<td>12<tr><td>Plug<td>3", "Cable / red | 12\nPlug | 3"),
        ("<caption>List</caption><tr><td>a<td>b<tr><td>c<td>d", "List\n\na | b\nc | d"),
        # Layout: a logo beside a signature, columns of text, a mail inside one cell.
        ("<tr><td><img src=x></td><td>Ann<br>Sales</td></tr>", "Ann\nSales"),
        ("<tr><td>&nbsp;</td></tr><tr><td>one<tr><td>two", "one\ntwo"),
        ("<tr><td><table><tr><td>a<td>b<tr><td>c<td>d</table>", "a | b\nc | d"),
    ],
)
def test_cells_of_tables_are_apart(rows: str, expected: str) -> None:
    assert re.sub(r"\n+", "\n", text(f"<table>{rows}</table>")) == expected.replace("\n\n", "\n")


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("<a href='https://t.test/plan'>the plan</a>", "the plan (https://t.test/plan)"),
        ("<a href='https://t.test/'>t.test</a>", "t.test"),
        ("<a href='https://t.test/a'>https://t.test/a</a>", "https://t.test/a"),
        ("<a href='mailto:bob@t.test?subject=x'>Bob</a>", "Bob (bob@t.test)"),
        ("<a href='mailto:bob@t.test'>bob@t.test</a>", "bob@t.test"),
        ("<a href='#top'>top</a> <a href='javascript:x()'>run</a> <a name=x>y</a>", "top run y"),
        (
            "<a href='https://eu1.safelinks.protection.outlook.com/?url=https%3A%2F%2Ft.test%2Fa"
            "%3Fb%3D1&data=5'>doc</a>",
            "doc (https://t.test/a?b=1)",
        ),
        (
            "<a href='https://urldefense.com/v3/__https://t.test/a__;!!x$'>d</a>",
            "d (https://t.test/a)",
        ),
        (
            "<a href='https://urldefense.proofpoint.com/v2/url?u=https-3A__t.test_a&d=x'>d</a>",
            "d (https://t.test/a)",
        ),
        ("<a href='https://t.test'><img src=x></a>y", "y"),
        ("<a href='https://t.test'><img alt='Our shop'></a>", "[image: Our shop] (https://t.test)"),
    ],
)
def test_links_can_be_followed(link: str, expected: str) -> None:
    assert text(f"<p>{link}</p>") == expected


HIDING = [
    "style='display:none'",
    "style='DISPLAY : None !important'",
    "style='visibility:hidden'",
    "style='visibility:collapse'",
    "style='opacity:0'",
    "style='opacity:0.01'",
    "style='font-size:0'",
    "style='font-size:1px;line-height:1px'",
    "style='font:0/0 a'",
    "style='color:#fff'",
    "style='color:white'",
    "style='color:rgb(255, 255, 255)'",
    "style='color:rgba(0,0,0,0)'",
    "style='color:hsl(0, 0%, 100%)'",
    "style='color:#fefefe'",
    "style='color:transparent'",
    "style='background:#123456;color:#123457'",
    "style='width:0;height:0;overflow:hidden'",
    "style='max-height:0px;overflow:hidden'",
    "style='height:1px;width:1px;overflow:hidden;position:absolute'",
    "style='text-indent:-9999px'",
    "style='position:absolute;left:-9999px'",
    "style='position:fixed;top:-200em'",
    "style='position:relative;left:-10000px'",
    "style='margin-left:-5000px'",
    "style='position:absolute;clip:rect(0 0 0 0)'",
    "style='clip-path:inset(100%)'",
    "style='clip-path: circle(0)'",
    "style='transform:scale(0)'",
    "style='filter:opacity(0)'",
    "style='mso-hide:all'",
    "hidden",
    "class=away",
    "id=gone",
    "class='box'",
    "data-x=secret",
]
SHEET = (
    "<style><!-- /* } */ p.away, .other {display:none} #gone{color:#FFF} "
    "div .box{font-size:0} [data-x=secret]{visibility:hidden} --></style>"
)


@pytest.mark.parametrize("hiding", HIDING)
def test_text_that_nobody_can_see_is_out(hiding: str) -> None:
    source = f"{SHEET}<div>seen<p {hiding}>secret <b>and <i>more</i></b></p>also</div>"
    assert "".join(text(source).split()) == "seenalso"


@pytest.mark.parametrize(
    "element", ["title", "template", "noscript", "object", "iframe", "script", "style", "svg"]
)
def test_elements_that_are_not_shown_are_out(element: str) -> None:
    assert text(f"a<{element}>secret</{element}>b") == "ab"
    assert text(f"a<{element.upper()} x='>'>secret</{element} >b") == "ab"


def test_comments_of_programs_are_out() -> None:
    assert text("a<!--[if mso]><p>secret</p><![endif]-->b<!-- > --><!---->c") == "abc"


@pytest.mark.parametrize(
    "source",
    [
        "<p aria-hidden=true>seen</p>",
        "<div style='visibility:hidden'><b style='visibility:visible'>seen</b></div>",
        "<div style='font-size:0'><b style='font-size:12px'>seen</b></div>",
        "<div style='color:#fff'><b style='color:#000'>seen</b></div>",
        "<div style='background:#000'><b style='color:#fff'>seen</b></div>",
        "<table bgcolor='#000080'><tr><td><font color=white>seen</font></table>",
        "<div style='background:url(x.png)'><b style='color:#fff'>seen</b></div>",
        "<style>.dark{background-color:#222}</style><p class=dark style='color:#eee'>seen</p>",
        "<a style='color:#fff;background-color:#07c;mso-hide:all'>seen</a>",
        "<style>@media print{p{display:none}}</style><p>seen</p>",
        "<style>@media (max-width:9px){p{display:none} b{color:#fff}}</style><p>seen</p>",
        "<style>.x{display:none} #y{display:block}</style><p class=x id=y>seen</p>",
        "<style>.x{display:none}</style><p class=x style='display:block'>seen</p>",
        "<style>p:not(.x){display:none} .a .b{display:none}</style><p class=b>seen</p>",
        "<p style='font-size:1em;opacity:.9;max-height:none;height:0'>seen</p>",
        "<p style='color:#eeeeee;background:#333 url()'>seen</p>",
        "<p style='margin-left:-5px;text-indent:-18.0pt;position:absolute;left:0'>seen</p>",
    ],
)
def test_text_that_can_be_seen_is_kept(source: str) -> None:
    assert text(source) == "seen"


ANSWER = "<p>The invoice is 4711.</p>"
HISTORIES = {
    "Gmail": f"<div class='gmail_quote gmail_quote_container'><div class='gmail_attr'>{WROTE}<br>"
    f"</div><blockquote class='gmail_quote'>{ANSWER}</blockquote></div>",
    "Gmail, another language": "<div class=gmail_quote><div class=gmail_attr>assistant bu yazını "
    f"göndərdi:</div><blockquote class=gmail_quote>{ANSWER}</blockquote></div>",
    "Outlook": "<div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in"
    f" 0in'><p class=MsoNormal>{BLOCK}</p></div></div>{ANSWER}",
    "Outlook 2010, a language not listed": "<div style='border:none;border-top:solid #B5C4DF 1.0pt;"
    f"padding:3.0pt 0cm 0cm 0cm'><p><b>Kimdən:</b> {ADDRESS}<br><b>Göndərildi:</b> 5 may 2026 "
    f"10:15<br><b>Kimə:</b> Ann<br><b>Mövzu:</b> RE: Offer</p></div>{ANSWER}",
    "Outlook on the web": "<div id='appendonsend'></div><hr style='width:98%'>"
    f"<div id='divRplyFwdMsg' dir='ltr'><font>{BLOCK}</font></div>{ANSWER}",
    "Outlook on the web, one line": "<hr><div id='divRplyFwdMsg'>assistant, 5.5.2026</div>"
    f"{ANSWER}",
    "Outlook mobile": "<hr><div id='mail-editor-reference-message-container'>"
    f"<div>{BLOCK}</div>{ANSWER}</div>",
    "Apple Mail": f"<br><blockquote type='cite'><div>{WROTE}</div>{ANSWER}</blockquote>",
    "Thunderbird": f"<div class='moz-cite-prefix'>Am 05.05.26 um 10:15 schrieb assistant:<br></div>"
    f"<blockquote type='cite' cite='mid:x@agents.test'>{ANSWER}</blockquote>",
    "Yahoo": f"<div class='ydp1yahoo_quoted'><div>{WROTE}</div>{ANSWER}</div>",
    "Proton": f"<div class='protonmail_quote'>{WROTE}<br><blockquote class='protonmail_quote' "
    f"type='cite'>{ANSWER}</blockquote></div>",
    "Zoho": f"<div class='zmail_extra'>---- {WROTE} ----<blockquote>{ANSWER}</blockquote></div>",
    "GMX": f"<div name='quote' style='margin:10px'><b>Gesendet:</b> Dienstag<br>{ANSWER}</div>",
    "QQ": "<div><includetail><div>------------------ Original ------------------</div>"
    f"<div>发件人: {ADDRESS};</div>{ANSWER}</includetail></div>",
    "QQ, box": f"<div class='qmbox'><div>原文</div>{ANSWER}</div>",
    "NetEase": f"<div id='isReplyContent'><p>在 2026-05-05 10:15:00，{ADDRESS} 写道：</p>"
    f"<blockquote>{ANSWER}</blockquote></div>",
    "NetEase Master": f"<div class='ntes-mailmaster-quote'>---- 回复的原邮件 ----{ANSWER}</div>",
    "Alimail": f"<div class='__aliyun_previous_email'>原始{ANSWER}</div>",
    "Yandex": f"<div>05.05.2026, 10:15, {ADDRESS}:</div><blockquote>{ANSWER}</blockquote>",
    "Mail.ru": "<blockquote style='border-left:1px solid #0857A6'>Вторник, 5 мая 2026, 10:15 +03:00"
    f" от {ADDRESS}:<br>{ANSWER}</blockquote>",
    "Spark": f"<div name='messageReplySection'>{WROTE}<br><blockquote>{ANSWER}</blockquote></div>",
    "Tutanota": f"<div>{WROTE}</div><blockquote class='tutanota_quote'>{ANSWER}</blockquote>",
    "Fastmail": f"<div>{WROTE}</div><blockquote type='cite' id='qt'>{ANSWER}</blockquote>",
    "Zimbra": f"<hr id='zwchr'><div data-marker='__HEADERS__'>{BLOCK}</div>"
    f"<div data-marker='__QUOTED_TEXT__'>{ANSWER}</div>",
    "Roundcube": f"<p id='reply-intro'>{WROTE}</p><blockquote type='cite'>{ANSWER}</blockquote>",
    "Samsung": f"<div>-------- Original message --------</div><div>{BLOCK}</div>{ANSWER}",
    "plain text in HTML": f"<div>{WROTE}</div><div>&gt; The invoice is 4711.</div>",
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_history_is_known_by_the_structure_of_each_program(history: str) -> None:
    mail = f"<html><body><div dir=ltr>Yes, <b>go</b>.</div><br>{history}</body></html>"
    reading = read_html(mail, thread())
    assert (reading.text, reading.own) == ("Yes, go.", "Yes, go.")
    assert "4711" in reading.cut
    asked = read_html(mail, thread(answers_us=False, knows_us=False))
    assert "4711" in asked.text
    assert (asked.own, asked.cut) == ("Yes, go.", "")


def test_answers_between_quotations_are_kept() -> None:
    gmail = (
        f"<div class=gmail_quote><div class=gmail_attr>{WROTE}</div>"
        "<blockquote class=gmail_quote>One?</blockquote><div>First.</div>"
        "<blockquote class=gmail_quote>Two?</blockquote><div>Second.</div></div>"
    )
    apple = (
        f"<blockquote type=cite><div>{WROTE}</div>One?</blockquote><div>First.</div>"
        "<blockquote type=cite>Two?</blockquote><div>Second.</div>"
    )
    for source in (gmail, apple):
        reading = read_html(source, thread())
        assert reading.own.split() == reading.text.split() == ["First.", "Second."]
        assert "One?" in reading.cut
        assert "Two?" in reading.cut


def test_a_quotation_of_the_person_is_kept_in_a_reply() -> None:
    said = "<div>He says:</div><blockquote style='margin:0 0 0 40px'>pay now</blockquote>"
    reading = read_html(f"{said}<div>True?</div>{HISTORIES['Gmail']}", thread())
    assert reading.own == "He says:\n\n> pay now\n\nTrue?"


@pytest.mark.parametrize(
    "forward",
    [
        "<div class=gmail_quote><div class=gmail_attr>---------- Forwarded message ---------<br>"
        "From: Bob &lt;bob@team.test&gt;<br>Subject: Heat<br></div>Room 7 is cold.</div>",
        "<div>Begin forwarded message:</div><blockquote type=cite>From: Bob<br>Room 7 is cold."
        "</blockquote>",
        "<div class=moz-forward-container>-------- Weitergeleitete Nachricht --------<table>"
        "<tr><th>Betreff:</th><td>Heat</td></tr></table>Room 7 is cold.</div>",
    ],
)
def test_what_is_forwarded_is_kept(forward: str) -> None:
    reading = read_html(f"<div>Please handle.</div>{forward}", thread())
    assert reading.own == "Please handle."
    assert "Room 7 is cold." in reading.text
    assert reading.cut == ""


@pytest.mark.parametrize(
    "signature",
    [
        "<div class=gmail_signature>Ann Example</div>",
        "<div id=Signature>Ann Example</div>",
        "<pre class=moz-signature>Ann Example</pre>",
        "<div id=ms-outlook-mobile-signature>Ann Example</div>",
        "<div name=messageSignatureSection>Ann Example</div>",
    ],
)
def test_signatures_are_text_but_no_words_of_the_person(signature: str) -> None:
    reading = read_html(f"<div>Yes.</div>{signature}{HISTORIES['Gmail']}", thread())
    assert reading.own == "Yes."
    assert reading.text.split() == ["Yes.", "Ann", "Example"]


def test_a_banner_in_a_table_is_nobodys_word() -> None:
    banner = "CAUTION: This email originated from outside of the company."
    source = f"<table><tr><td>{banner}</td></tr></table><p>Yes.</p>"
    assert read_html(source, thread()).text == "Yes."


HOSTILE = {
    name: piece * (1_000_000 // len(piece))
    for name, piece in {
        "div": "<div>", "b": "<b>", "p": "<p>x", "cells": "<td>x</td>", "less": "<",
        "tables": "<table><tr><td>", "rows": "<tr><td>a<td>b", "lists": "<ul><li>", "amp": "&",
        "cite": "<blockquote type=cite>x", "links": "<a href=http://x.y>z", "comments": "<!--",
        "quotes": '<a b="', "attributes": "<a =", "breaks": "<br>", "rules": "<hr>",
        "dividers": "<div id=appendonsend></div>", "sup": "<sup>", "pre": "<pre>\n",
        "gmail": "<div class=gmail_quote><blockquote class=gmail_quote>x</blockquote>y",
    }.items()
} | {
    "many attributes": "<a " + " ".join(f"a{n}=1" for n in range(100_000)) + ">y",
    "one long attribute": "<a href='" + "x" * 1_000_000 + "'>y",
    "blanks in a tag": "<a" + " " * 1_000_000,
    "fonts": "".join(f"<font size={n}>" for n in range(20_000)) + "<p>x" * 100_000,
    "styles": "".join(f"<p style='font-size:{n}px'>x" for n in range(30_000)),
    "sheet": "<style>" + ".x .y .z{color:red}" * 9_000 + "</style>" + "<b class='x z'>" * 40_000,
    "comments in a sheet": "<style>" + "/*" * 90_000 + "</style>x",
    "wide table": "<table><tr>" + "<td rowspan=50>x" * 60_000,
}  # fmt: skip


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_a_megabyte_of_anything_is_read_quickly(source: str) -> None:
    with in_linear_time():
        read_html(source, thread(answers_us=False))


def test_what_is_not_read_is_said() -> None:
    assert "goes on" in text("<p>x</p>" * 200_000).splitlines()[-1]
    assert "goes on" not in text("<p>x</p>" * 2_000)
