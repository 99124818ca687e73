"""What relays report in Authentication-Results: their forms, and what forgers write below them."""

import pytest

from ponderd.channels.mail.sender.results import (
    MICROSOFT_365,
    Field,
    MethodResult,
    Report,
    read_report,
    reported,
    vouches,
)

ID = "mx.agents.test"
DOMAIN = "team.test"


def fields(*headers: str, name: str = "authentication-results") -> list[Field]:
    """Headers from the top; "Received" stands for a hop."""
    return [
        Field("received", " from a.test by b.test; now") if header == "Received"
        else Field(name, f" {header}")
        for header in headers
    ]  # fmt: skip


def vouched(*headers: str, relay: str = ID, domain: str = DOMAIN) -> bool:
    return vouches(reported(fields(*headers), relay, domain), domain)


@pytest.mark.parametrize(
    "said",
    [
        "mx.agents.test; dmarc=pass header.from=team.test",
        "MX.agents.test 1;\r\n\tspf=fail smtp.mailfrom=evil.test;\r\n\tDMARC = Pass (p=none)"
        "\r\n\t header.from=Team.Test",
        "mx.agents.test; dkim=pass (2048-bit key) header.d=team.test header.i=@team.test "
        'header.b="a;b=c"',
        "mx.agents.test; dkim=pass header.i=@mail.team.test",
        "mx.agents.test; dkim=fail header.d=team.test; dkim=pass header.d=team.test",
        "mx.agents.test; dkim=pass header.d=e.test; dkim=pass header.d=team.test; dmarc=none",
        "mx.agents.test; spf=pass smtp.mailfrom=a=b=c@fwd.test; dkim/1=pass header.d=team.test",
        'mx.agents.test; spf=none (it is 5" (nested \\) )) smtp.helo=x; '
        "dmarc=pass(ok)header.from=team.test",
        '"mx.agents.test" (a comment) 1; dmarc=pass header.from=team.test',
    ],
)
def test_it_vouches(said: str) -> None:
    assert vouched(said)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "mx.agents.test; none",
        "mx.agents.test",
        "other.test; dmarc=pass header.from=team.test",
        "mx.agents.test.evil.test; dmarc=pass header.from=team.test",
        "mx.agents.test; dmarc=fail header.from=team.test; dkim=pass header.d=team.test",
        "mx.agents.test; dmarc=fail header.from=x.test; dmarc=pass header.from=team.test",
        "mx.agents.test; dmarc=pass header.from=team.test; dmarc=pass header.from=team.test",
        "mx.agents.test; dmarc=pass header.from=evil.test",
        "mx.agents.test; dmarc=pass header.from=mail.team.test",
        "mx.agents.test; dmarc=pass",
        "mx.agents.test; dkim=pass header.d=evil.test",
        "mx.agents.test; dkim=pass header.d=test",
        "mx.agents.test; dkim=pass header.d=xteam.test",
        "mx.agents.test; dkim=pass",
        "mx.agents.test; dkim=neutral header.d=team.test",
        "mx.agents.test; spf=pass smtp.mailfrom=team.test",
        "mx.agents.test; dkim=pass header.d=evil.test header.d=team.test",
        "mx.agents.test (; dmarc=pass header.from=team.test",
        "mx.agents.test; spf=fail (dmarc=pass header.from=team.test; dkim=pass) smtp.helo=x",
        'mx.agents.test; spf=fail smtp.helo="x; dmarc=pass header.from=team.test; "@e',
        'mx.agents.test; spf=fail (5" x) smtp.helo="); dmarc=pass header.from=team.test; x="@e',
        'mx.agents.test; spf=fail smtp.helo="\\"; dmarc=pass header.from=team.test; x=\\""',
    ],
)
def test_it_does_not(said: str) -> None:
    assert not vouched(said)


# -- the forms of large relays, as they document them ---------------------------------------------

MICROSOFT = (
    "spf=pass (sender IP is 192.0.2.7)\r\n smtp.mailfrom=team.test; dkim=pass (signature was"
    " verified)\r\n header.d=team.test;dmarc=pass action=none\r\n"
    " header.from=team.test;compauth=pass reason=100"
)
GOOGLE = (
    "mx.google.com;\r\n       dkim=pass header.i=@team.test header.s=s1 header.b=Zq8fKx1a;\r\n"
    "       spf=pass (google.com: domain of ann@team.test designates 192.0.2.7 as permitted sender)"
    " smtp.mailfrom=ann@team.test;\r\n"
    "       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=team.test"
)
RSPAMD = (
    "mx.agents.test;\r\n\tdkim=pass header.d=team.test header.s=s1 header.b=Zq8fKx1a;\r\n"
    '\tspf=pass (mx.agents.test: domain of "ann@team.test" designates 192.0.2.7 as permitted'
    " sender) smtp.mailfrom=ann@team.test;\r\n\tdmarc=pass (policy=reject) header.from=team.test"
)
EXIM = (
    "mx.agents.test;\r\n\tiprev=pass (out.team.test) smtp.remote-ip=192.0.2.7;\r\n"
    "\tspf=pass smtp.mailfrom=team.test;\r\n"
    "\tdkim=pass header.d=team.test header.s=s1 header.a=rsa-sha256;\r\n"
    "\tdmarc=pass header.from=team.test;\r\n\tarc=none"
)
PROOFPOINT = (
    "ppops.net;\r\n\tspf=pass smtp.mailfrom=ann@team.test;\r\n"
    "\tdkim=pass header.d=team.test header.s=s1;\r\n\tdmarc=pass header.from=team.test"
)
MIMECAST = (
    "relay.mimecast.com;\r\n\tdkim=pass header.d=team.test header.s=s1 header.b=Zq8fKx1a;\r\n"
    "\tdmarc=pass (policy=reject) header.from=team.test;\r\n"
    "\tspf=pass (relay.mimecast.com: domain of ann@team.test designates 192.0.2.7 as permitted"
    " sender) smtp.mailfrom=ann@team.test"
)
FASTMAIL = (
    "mx5.messagingengine.com;\r\n    x-csa=none;\r\n    x-ptr=pass smtp.helo=out.team.test"
    " policy.ptr=out.team.test;\r\n    bimi=skipped (DMARC Policy is not at enforcement);\r\n"
    "    arc=none (no signatures found);\r\n    dkim=pass (2048-bit rsa key sha256)"
    " header.d=team.test header.i=@team.test header.b=Zq8fKx1a\r\n      header.a=rsa-sha256"
    " header.s=s1;\r\n    dmarc=pass policy.published-domain-policy=none\r\n"
    "      policy.applied-disposition=none policy.evaluated-disposition=none\r\n"
    "      (p=none,d=none,d.eval=none) policy.policy-from=p\r\n      header.from=team.test;\r\n"
    "    iprev=pass smtp.remote-ip=192.0.2.7 (out.team.test);\r\n"
    "    spf=pass smtp.mailfrom=ann@team.test smtp.helo=out.team.test"
)
AMAZON = (
    "amazonses.com;\r\n spf=pass (spfCheck: domain of team.test designates 192.0.2.7 as permitted"
    " sender) client-ip=192.0.2.7; envelope-from=ann@team.test; helo=out.team.test;\r\n"
    " dkim=pass header.i=@team.test;\r\n dmarc=pass header.from=team.test;"
)
OPENDKIM = (
    "mx.agents.test;\r\n\tdkim=pass (2048-bit key; unprotected) header.d=team.test"
    ' header.i=@team.test header.b="Zq8fKx1a";\r\n\tdkim-atps=neutral'
)
OPENDMARC = "mx.agents.test; dmarc=pass (p=reject dis=none) header.from=team.test"
POLICYD_SPF = (
    "mx.agents.test; spf=pass (sender SPF authorized) smtp.mailfrom=team.test"
    " (client-ip=192.0.2.7; helo=out.team.test; envelope-from=ann@team.test;"
    " receiver=mx.agents.test)"
)

RELAYS = {
    MICROSOFT_365: MICROSOFT,
    "mx.google.com": GOOGLE,
    "ppops.net": PROOFPOINT,
    "relay.mimecast.com": MIMECAST,
    "*.messagingengine.com": FASTMAIL,
    "amazonses.com": AMAZON,
}


@pytest.mark.parametrize(("relay", "said"), RELAYS.items(), ids=RELAYS)
def test_large_relays_are_understood(relay: str, said: str) -> None:
    assert vouched(said, relay=relay)
    assert vouched("Received", "Received", said, "Received", relay=relay)
    methods = {found.method for found in reported(fields(said), relay, DOMAIN) if found.passed}
    assert methods == {"dkim", "dmarc"}
    for changed in (
        said.replace("dmarc=pass", "dmarc=fail"),
        said.replace("=team.test", "=evil.test").replace("@team.test", "@evil.test"),
    ):
        assert not vouched(changed, relay=relay)
        assert not vouched(changed, said, relay=relay)


@pytest.mark.parametrize("said", [RSPAMD, EXIM, OPENDKIM, OPENDMARC])
def test_so_are_filters_of_ones_own_server(said: str) -> None:
    assert vouched(said)
    assert not vouched(said, domain="evil.test")


def test_two_filters_with_one_name_make_one_report() -> None:
    assert vouched(OPENDMARC, OPENDKIM)
    assert vouched(POLICYD_SPF, OPENDKIM)
    assert vouched(POLICYD_SPF, "Received", OPENDKIM)  # Postfix writes its own between them
    assert vouched(POLICYD_SPF, OPENDMARC, OPENDKIM)
    assert vouched(OPENDMARC, POLICYD_SPF.replace("spf=pass", "spf=fail"), OPENDKIM)
    assert vouched(POLICYD_SPF, OPENDKIM, "other.test; dkim=fail header.d=team.test")


def test_what_a_stranger_wrote_below_one_filter_is_not_the_report_of_the_next() -> None:
    forged = "mx.agents.test; dmarc=pass header.from=team.test"
    for spf in (
        POLICYD_SPF.replace("team.test", "evil.test"),
        POLICYD_SPF.replace("spf=pass", "spf=softfail"),
        "mx.agents.test; spf=pass smtp.helo=team.test",
        "mx.agents.test; spf=pass smtp.mailfrom=team.test; spf=fail smtp.mailfrom=evil.test",
        "mx.agents.test; none",
        "mx.agents.test",
        "mx.agents.test; iprev=pass",
    ):
        assert not vouched(spf, forged)
    for between in ("other.test; none", "(", POLICYD_SPF):
        assert not vouched(POLICYD_SPF, between, forged)


# -- what forgers write ---------------------------------------------------------------------------

FORGED = "mx.agents.test; dmarc=pass header.from=team.test; dkim=pass header.d=team.test"


def test_the_topmost_of_the_relays_headers_decides() -> None:
    assert vouched("other.test; none", FORGED)
    assert not vouched("mx.agents.test; dmarc=fail header.from=team.test", FORGED)
    assert not vouched("mx.agents.test; dkim=none; dmarc=none header.from=team.test", FORGED)


@pytest.mark.parametrize(
    "genuine",
    [
        'mx.agents.test; spf=fail (mailfrom "a(b"@evil.test) smtp.helo=x; dmarc=fail',
        "mx.agents.test; spf=fail (a ( b) smtp.helo=x; dmarc=fail header.from=team.test",
        'mx.agents.test; spf=fail smtp.mailfrom=a"b@evil.test; dmarc=fail header.from=team.test',
        "other.test (",
    ],
)
def test_below_one_that_cannot_be_read_nothing_counts(genuine: str) -> None:
    assert not vouched(genuine, FORGED)
    assert not vouched(genuine, MICROSOFT, relay=MICROSOFT_365)


def test_two_headers_that_say_who_the_sender_is_prove_nothing() -> None:
    assert not vouched(FORGED, FORGED)
    assert not vouched(OPENDMARC, "mx.agents.test; dmarc=fail header.from=team.test")
    assert not vouched(OPENDKIM, "Received", OPENDKIM)
    assert not vouched(POLICYD_SPF, OPENDKIM, OPENDKIM)


class TestMicrosoft365:
    """Its header names no server, so all hangs on its place."""

    @pytest.mark.parametrize("on_top", ["evil.test; none", GOOGLE, "(", "", MICROSOFT.replace(
        "pass", "fail")])  # fmt: skip
    def test_only_the_topmost_header_of_the_mail_counts(self, on_top: str) -> None:
        assert not vouched(on_top, MICROSOFT, relay=MICROSOFT_365)

    def test_what_stands_below_it_does_not_matter(self) -> None:
        for below in (GOOGLE, MICROSOFT, "(", MICROSOFT.replace("pass", "fail")):
            assert vouched(MICROSOFT, below, relay=MICROSOFT_365)

    def test_an_older_form_names_the_recipient_between_the_results(self) -> None:
        older = MICROSOFT.replace(";dmarc", ";agents.test; dmarc").replace(
            "; dkim", "; agents.test; dkim"
        )
        assert older != MICROSOFT
        assert vouched(older, relay=MICROSOFT_365)

    def test_its_own_words_for_a_guess_are_no_proof(self) -> None:
        guess = MICROSOFT.replace("dmarc=pass", "dmarc=bestguesspass")
        guess = guess.replace("dkim=pass", "dkim=none").replace("d=team.test", "d=none")
        assert not vouched(guess, relay=MICROSOFT_365)

    def test_a_header_without_a_name_is_believed_of_nobody_else(self) -> None:
        assert not vouched(MICROSOFT)
        assert not vouched(MICROSOFT, relay="*.agents.test")


def test_a_star_stands_for_the_servers_below_a_domain() -> None:
    for name, counts in [
        ("mx1.agents.test", True),
        ("a.mx1.agents.test", True),
        ("agents.test", False),
        ("xagents.test", False),
    ]:
        said = OPENDMARC.replace("mx.agents.test", name)
        assert vouched(said, relay="*.Agents.test") is counts


def test_other_headers_do_not_count() -> None:
    for name in ("arc-authentication-results", "x-authentication-results", "subject"):
        assert not vouches(reported(fields(FORGED, name=name), ID, DOMAIN), DOMAIN)


def test_results_are_read_as_they_are_written() -> None:
    assert read_report('mx.test; a=b c.d="e f" (g); none; h = i j=k@l') == Report(
        "mx.test", (MethodResult("a", "b", {"c.d": "e f"}), MethodResult("h", "i", {"j": "k@l"}))
    )
    assert read_report("a=b; c=d") == Report(
        "", (MethodResult("a", "b", {}), MethodResult("c", "d", {}))
    )
    assert read_report("") == Report("", ())
    assert read_report('a"; b=c') is read_report("a; b=c (") is None
