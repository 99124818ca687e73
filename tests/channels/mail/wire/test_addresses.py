import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponderd.channels.errors import Malformed
from ponderd.channels.mail.wire.addresses import (
    ADDRESS_LIMIT,
    Mailbox,
    allowed,
    parse_list,
    read_address,
    sender_of,
    split_tag,
)
from tests.services.cpu import in_linear_time


class TestTheFormOfAnAddress:
    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("Ann@Team.Test", "ann@team.test"),
            ('"ann.example"@team.test', "ann.example@team.test"),
            ('"ann example"@team.test', '"ann example"@team.test'),
            ('"ann@home"@team.test', '"ann@home"@team.test'),
            ("jürgen@team.test", "jürgen@team.test"),
            ("ju\u0308rgen@team.test", "jürgen@team.test"),
            ("ann@bücher.test", "ann@xn--bcher-kva.test"),
            ("ann@BÜCHER.test", "ann@xn--bcher-kva.test"),
            ("ann@XN--bcher-kva.test", "ann@xn--bcher-kva.test"),
            ("李@例え。test", "李@xn--r8jz45g.test"),
            ("mailto:ann@team.test?subject=x", "ann@team.test"),
            ("@relay.test,@b.test:ann@team.test", "ann@team.test"),
            ("ann..x.@team.test", "ann..x.@team.test"),  # as a Japanese phone company gave them
            ("o'brien+x=y@team.test", "o'brien+x=y@team.test"),
            ("ann@team.test.", "ann@team.test"),
        ],
    )
    def test_one_person_has_one(self, text: str, address: str) -> None:
        assert read_address(text) == address
        assert read_address(address) == address

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "ann",
            "@team.test",
            "ann@",
            "a@b@c",
            "ann@team..test",
            "ann@-team.test",
            "ann@te am.test",
            "an n@team.test",
            "ann@team.test\r\nBcc: eve@evil.test",
            "ann@team.test, eve@evil.test",
            "ann\x00@team.test",
            "ann\ufffd@team.test",
            "ann\u200b@team.test",
            "ann@team\u202e.test",
            "ann@[192.0.2.1]",
            "mar\u212a@team.test",
            '"ann\n"@team.test',
            "a" * 250 + "@team.test",
            "ann@" + "a" * 64 + ".test",
            "ann@" + "a." * 130 + "test",
        ],
    )
    def test_what_is_none(self, text: str) -> None:
        assert read_address(text) is None

    def test_a_tag_stands_behind_a_plus(self) -> None:
        assert split_tag("assistant+invoices+2026") == ("assistant", "invoices+2026")
        assert split_tag("assistant") == ("assistant", "")
        assert split_tag("+x") == ("+x", "")


class TestLists:
    @pytest.mark.parametrize(
        ("text", "mailboxes"),
        [
            ("ann@team.test", [("", "ann@team.test")]),
            ("Ann Example <ann@team.test>", [("Ann Example", "ann@team.test")]),
            ('"Ann (Ops)" <ann@team.test>', [("Ann (Ops)", "ann@team.test")]),
            ("Ann <ann@team.test> (on leave)", [("Ann", "ann@team.test")]),
            ("ann@team.test (Ann)", [("Ann", "ann@team.test")]),
            ("ann (of us) @ (home) team.test", [("of us", "ann@team.test")]),
            ("Ann <ann(of us)@team.test (home)>", [("Ann", "ann@team.test")]),
            ("Ann(a \\) b) <ann@team(x). test>", [("Ann", "ann@team.test")]),
            ("Ann < ann . example @ team.test >", [("Ann", "ann.example@team.test")]),
            ("<mailto:ann@team.test>", [("", "ann@team.test")]),
            ("Example, Ann <ann@team.test>", [("Example, Ann", "ann@team.test")]),
            ("Ann @ Ops <ann@team.test>", [("Ann @ Ops", "ann@team.test")]),
            ("[Ops] Ann E. <ann@team.test>", [("[Ops] Ann E.", "ann@team.test")]),
            ("<Ops> Ann <ann@team.test>", [("<Ops> Ann", "ann@team.test")]),
            ("Ann :( <ann@team.test>", [("Ann :(", "ann@team.test")]),
            ("Ann: Ops <ann@team.test>", [("Ann: Ops", "ann@team.test")]),
            ('Ann "the boss <ann@team.test>', [('Ann "the boss', "ann@team.test")]),
            ("'Ann' <ann@team.test>", [("Ann", "ann@team.test")]),
            ("Ann <ann@team.test", [("Ann", "ann@team.test")]),
            ("Ann ann@team.test", [("Ann", "ann@team.test")]),
            ('"Ann E." ann@team.test', [("Ann E.", "ann@team.test")]),
            ("=?utf-8?q?Example=2C_Ann?= <a@b.test>", [("Example, Ann", "a@b.test")]),
            ("=?utf-8?q?Example,_(Ann)?= <a@b.test>", [("Example, (Ann)", "a@b.test")]),
            ("=?utf-8?q?J=C3=BCrgen?= M <a@b.test>", [("Jürgen M", "a@b.test")]),
            ('"=?utf-8?q?J=C3=BCrgen?=" <a@b.test>', [("Jürgen", "a@b.test")]),
            ("a@x.test, B <b@x.test>", [("", "a@x.test"), ("B", "b@x.test")]),
            ("a@x.test; b@x.test", [("", "a@x.test"), ("", "b@x.test")]),
            ("a@x.test b@x.test", [("", "a@x.test"), ("", "b@x.test")]),
            ('"B, C" <b@x.test>, d@x.test', [("B, C", "b@x.test"), ("", "d@x.test")]),
            ("us: a@x.test, b@x.test;, c@x.test", [("", f"{one}@x.test") for one in "abc"]),
            ("undisclosed-recipients:;", []),
            ("a@x.test,,nobody, <>, b@x.test", [("", "a@x.test"), ("nobody", "b@x.test")]),
        ],
    )  # fmt: skip
    def test_are_read_as_they_are_meant(self, text: str, mailboxes: list[tuple[str, str]]) -> None:
        found = parse_list(text)
        assert [(mailbox.name, mailbox.address) for mailbox in found] == mailboxes

    def test_a_name_is_one_clean_line(self) -> None:
        [mailbox] = parse_list("=?utf-8?q?A=0D=0ABcc=3A=00_b=1B?= <a@x.test>")
        assert mailbox == Mailbox("A Bcc: b", "a@x.test")


class TestTheSender:
    @pytest.mark.parametrize(
        "text",
        [
            "ann@team.test <ann@team.test>",
            "'ann@team.test' <ann@team.test>",
            '"ann@team.test" <ann@team.test>',
            "Ann@Team.Test <ann@team.test>",
            "Ann@Ops <ann@team.test>",
            "Support @ booking.test <ann@team.test>",
            "ann@team.test ann@team.test",
            "<ann@team.test> <ann@team.test>",
            '"boss@team.test," <ann@team.test>',
            "=?utf-8?q?boss=40team.test?= <ann@team.test>",
            "(boss@team.test) ann@team.test",
            "us: ann@team.test;",
        ],
    )
    def test_is_one_address_whatever_the_name(self, text: str) -> None:
        assert sender_of([text]).address == "ann@team.test"

    def test_may_have_an_apostrophe(self) -> None:
        assert sender_of(["o'brien@x.test <o'brien@x.test>"]).address == "o'brien@x.test"

    @pytest.mark.parametrize(
        ("values", "why"),
        [
            ([], "there is no From header"),
            ([""], "the From header is empty"),
            (["nobody"], "the From header holds no address: nobody"),
            (["a@b@c"], "the From header holds no address: a@b@c"),
            (["(" * 900], r"the From header holds no address: \("),
            (["boss@team.test <ann@team.test>"], "two addresses: boss@team.test and ann@team.test"),
            (["'boss@team.test' <ann@team.test>"], "two addresses: boss@"),
            (['"boss"@team.test <ann@team.test>'], "two addresses: boss@"),
            (["<boss@team.test> <ann@team.test>"], "two addresses: boss@"),
            (["<ann@team.test> boss@team.test"], "two addresses: boss@"),
            (["Ann [boss@team.test] <ann@team.test>"], "two addresses: boss@"),
            (["a@x.test, b@x.test, c@x.test"], "3 addresses"),
            (["us: boss@team.test; ann@team.test"], "two addresses"),
            (["ann@team.test", "eve@evil.test"], "the From headers name two addresses"),
        ],
    )
    def test_is_refused_with_a_reason(self, values: list[str], why: str) -> None:
        with pytest.raises(Malformed, match=why):
            sender_of(values)


class TestTheAllowList:
    @pytest.mark.parametrize(
        ("address", "entry"),
        [
            ("ann@team.test", "@team.test"),
            ("ann@team.test", " Ann@Team.test "),
            ("ann+x@team.test", "ann@team.test"),
            ("ann+x@team.test", "ann+x@team.test"),
            ("jürgen@bücher.test", "jürgen@xn--bcher-kva.test"),
            ("a@xn--bcher-kva.test", "@Bücher.test"),
        ],
    )
    def test_covers(self, address: str, entry: str) -> None:
        assert allowed(address, ("eve@evil.test", entry))

    @pytest.mark.parametrize(
        ("address", "entry"),
        [
            ("ann@sub.team.test", "@team.test"),
            ("ann@xteam.test", "@team.test"),
            ("ann@team.test.evil.test", "@team.test"),
            ("bob@team.test", "ann@team.test"),
            ("ann@team.test", "ann+x@team.test"),
            ("ann+y@team.test", "ann+x@team.test"),
            ("no address", "@"),
            ("", ""),
        ],
    )
    def test_does_not_cover(self, address: str, entry: str) -> None:
        assert not allowed(address, (entry,))


BITS = st.sampled_from(
    [
        *'",;:<>()@.\\= \t',
        "a@b.test",
        "<a@b.test>",
        "Ann",
        "=?utf-8?q?",
        "?=",
        "ü",
        "\x00",
        "\ud800",
    ]
)


class TestWhateverArrives:
    @settings(max_examples=2_000, deadline=None, database=None)
    @given(st.one_of(st.lists(BITS, max_size=30).map("".join), st.text(max_size=60)))
    def test_is_read_or_refused(self, text: str) -> None:
        for mailbox in parse_list(text):
            assert read_address(mailbox.address) == mailbox.address
            assert len(mailbox.address) <= ADDRESS_LIMIT
            assert mailbox.name.encode() is not None
            assert mailbox.name == " ".join(mailbox.name.split())
        try:
            assert sender_of([text]) in parse_list(text)
        except Malformed as error:
            assert "From" in str(error)

    @pytest.mark.parametrize(
        "bit",
        [
            *',;:<>()@"=\\', "a,", "<a", "(a", '"a', "<a@b.test>", "a@b.test ", "((", ":a",
            "=?a?q?", '<"', '"\\', "a@b.test:", "<>", "x <", "a@",
        ],
    )  # fmt: skip
    def test_takes_linear_time(self, bit: str) -> None:
        with in_linear_time():
            for tail in ("", ";", "@", '"', ">", ")"):
                parse_list(bit * (100_000 // len(bit)) + tail)
