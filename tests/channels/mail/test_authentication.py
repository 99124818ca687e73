"""Who vouches for a mail: what a relay wrote on top of it, or a DKIM signature that we verify."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import dkim
import pytest

from ponderd.channels.errors import Unavailable
from ponderd.channels.mail.authentication import (
    MethodResult,
    is_aligned,
    is_authenticated,
    read_results,
)
from tests.channels.mail.mails import NAMES, OWN_ID, Inbox, mail, settings

# Made for these tests; it signs for team.test and is good for nothing else.
KEY = b"""\
-----BEGIN RSA PRIVATE KEY-----
MIICXAIBAAKBgQCnSQkYqz1QT2arkyGqfpaq701IqbU+cLLmOjfTN7wQwmELQpaQ
hWk2DDbOiOf9kfjtdctBgLXhxOGx2hxi3mu8D+ZhZIki6IneAwTJyvB/rpVWdTOV
s1ZqUska4PPpUAEB18AOFgUZbvTTibJgUQUyhCTclHxN1V9Gs1rdeMaM1wIDAQAB
AoGADBqmw9gwGY2FOkjtGK8MK9Yg228cJCZ3a10vCONxgizuZKguyMo+cKC1noAd
eSWEw3nQeS7c+jcKtZm4kBbT6Kuh0q02ovpJQN1618lA9lFvYmgsSglmWVUvy/oV
aWksM3hLCiaWIIMIXl0nNqQuDdTVTRD9VzIUHYd3fvZXVQECQQDdZFA539P4xRh9
9SvelbiQnrNSoypm/cf8HwzjiDHh5BPUIwR/oWwA45617qudbgGGsEDpHrtoPn6j
2z+IZ71BAkEAwW96tObXeHKmtVcGitDr6e/zmPiZonyMjast9LVFtGxcqHVHsO9w
50V/PslwfxQ4t1Irr/x+6jIvoKoibbWMFwJBAM/mTqw6c40OUTSfUiYAxUQRs+Xr
UXtL4EvzQKA+mlE9ZB13ENdl181x8u14BnKdBhPcWehQsr5uyW/ICP5oJMECQAEq
ddffSE8uibiwFJcDmVhonNRAM1TaYVJ9RKKj8Q6cVJajVlJHryuFrLWpKydo7MqW
ETNXV0B8GvNh8yEsJfMCQGVFIJJWo+rOc3rWcrmq1ATJK+bU0V26d8JF6AzSWV6K
zHqaKNWp8i1d+vT2WeEfgPSlPFtYp8TdqReH+peOVa8=
-----END RSA PRIVATE KEY-----
"""
PUBLIC = (
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCnSQkYqz1QT2arkyGqfpaq701IqbU+cLLmOjfTN7wQ"
    "wmELQpaQhWk2DDbOiOf9kfjtdctBgLXhxOGx2hxi3mu8D+ZhZIki6IneAwTJyvB/rpVWdTOVs1ZqUska"
    "4PPpUAEB18AOFgUZbvTTibJgUQUyhCTclHxN1V9Gs1rdeMaM1wIDAQAB"
)


def dns(**records: str) -> "Dns":
    return Dns({"s1._domainkey.team.test": f"v=DKIM1; k=rsa; p={PUBLIC}", **records})


class Dns:
    """A name server: names and their one TXT record. An empty one is none, `away` no answer."""

    def __init__(self, records: dict[str, str]) -> None:
        self.records = records
        self.asked: list[str] = []

    def __call__(self, name: str) -> Sequence[bytes]:
        self.asked.append(name)
        record = self.records.get(name, "")
        if record == "away":
            raise Unavailable(f"DNS has no answer for {name} now")
        return [record.encode()] if record else []


def signed(content: bytes, domain: str = "team.test", **options: object) -> bytes:
    signature: bytes = dkim.sign(content, b"s1", domain.encode(), KEY, **options)
    return signature + content


async def vouched(
    content: bytes, how: str, sender: str = "ann@team.test", lookup: Dns | None = None
) -> bool:
    return await is_authenticated(content, sender, how, lookup or dns())


class TestRelay:
    """PONDERD_MAIL_AUTHENTICATION=relay:mx.agents.test"""

    HOW = "relay:mx.agents.test"

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
        ],
    )
    async def test_it_vouches(self, said: str) -> None:
        assert await vouched(mail(Authentication_Results=said), self.HOW)

    @pytest.mark.parametrize(
        "said",
        [
            "",
            "mx.agents.test; none",
            "mx.agents.test",
            "other.test; dmarc=pass header.from=team.test",
            "mx.agents.test.evil.test; dmarc=pass header.from=team.test",
            "mx.agents.test; dmarc=fail header.from=team.test; dkim=pass header.d=team.test",
            "mx.agents.test; dmarc=pass header.from=evil.test",
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
    async def test_it_does_not(self, said: str) -> None:
        assert not await vouched(mail(Authentication_Results=said), self.HOW)

    async def test_only_the_topmost_of_its_headers_counts(self) -> None:
        forged = mail(Authentication_Results="mx.agents.test; dmarc=pass header.from=team.test")
        on_top = b"Authentication-Results: other.test; none\r\n"
        assert await vouched(on_top + forged, self.HOW)
        on_top += b"Authentication-Results: mx.agents.test; dmarc=fail header.from=team.test\r\n"
        assert not await vouched(on_top + forged, self.HOW)

    @pytest.mark.parametrize("line_end", ["\r", "\n"])
    async def test_a_mail_that_can_be_read_in_two_ways_counts_in_none(self, line_end: str) -> None:
        passed = "mx.agents.test; dmarc=pass header.from=team.test"
        content = mail(Authentication_Results=passed, Subject="a@b").replace(
            b"a@b", f"a{line_end}b: c".encode()
        )
        assert not await vouched(content, self.HOW)

    def test_results_are_read_as_they_are_written(self) -> None:
        assert read_results('mx.test; a=b c.d="e f" (g); none; h = i j=k@l') == (
            "mx.test",
            (MethodResult("a", "b", {"c.d": "e f"}), MethodResult("h", "i", {"j": "k@l"})),
        )
        assert read_results("") == read_results('a"; b=c') == ("", ())


class TestDkim:
    """PONDERD_MAIL_AUTHENTICATION=dkim"""

    async def test_a_signature_of_the_senders_domain_vouches(self) -> None:
        content = signed(mail("yes\n"), canonicalize=(b"relaxed", b"relaxed"))
        assert await vouched(content, "dkim")
        assert await vouched(signed(mail("yes\n")), "dkim")

    async def test_unsigned_or_changed_mails_are_nobodys(self) -> None:
        content = signed(mail("yes\n"))
        for changed in (
            mail("yes\n"),
            content.replace(b"yes", b"yep"),
            content.replace(b"Question", b"Answer"),
            content.replace(b"ann@team", b"bob@team"),
            content.replace(b"bh=", b"bh=x"),
            content.replace(b"d=team.test", b"d=\xff"),
            b"DKIM-Signature: v=1\r\n" + mail("yes\n"),
        ):
            assert not await vouched(changed, "dkim")

    async def test_a_second_signature_may_be_the_valid_one(self) -> None:
        other = b"DKIM-Signature: v=1; a=rsa-sha256; d=list.test; s=x; h=from; bh=aaaa; b=aaaa\r\n"
        assert await vouched(other + signed(mail("yes\n")), "dkim")

    async def test_another_domain_cannot_vouch_and_is_not_even_looked_up(self) -> None:
        server = dns(**{"s1._domainkey.evil.test": f"p={PUBLIC}"})
        assert not await vouched(signed(mail("yes\n"), "evil.test"), "dkim", lookup=server)
        assert server.asked == []

    async def test_a_domain_above_or_below_vouches_unless_the_policy_is_strict(self) -> None:
        mail_team = {"s1._domainkey.mail.team.test": f"p={PUBLIC}"}
        content = signed(mail("yes\n"), "mail.team.test")
        assert await vouched(content, "dkim", lookup=dns(**mail_team))
        for policy, counts in [
            ("v=DMARC1; p=reject; adkim=r", True),
            ("v=DMARC1; p=none; adkim=s", False),
            ("v=DMARC1;adkim=s;p=none", False),
        ]:
            server = dns(**mail_team, **{"_dmarc.team.test": policy})
            assert await vouched(content, "dkim", lookup=server) is counts

    async def test_a_key_that_is_revoked_broken_or_on_trial_is_none(self) -> None:
        content = signed(mail("yes\n"))
        for record in ("", "v=DKIM1; p=", f"v=DKIM1; t=y; p={PUBLIC}", f"t=s:y; p={PUBLIC}", "p=x"):
            server = dns(**{"s1._domainkey.team.test": record})
            assert not await vouched(content, "dkim", lookup=server)

    async def test_a_signature_over_a_part_of_the_mail_is_none(self) -> None:
        assert not await vouched(signed(mail("yes\n"), length=True), "dkim")

    async def test_an_old_algorithm_is_none(self) -> None:
        content = signed(mail("yes\n"), signature_algorithm=b"rsa-sha1")
        assert not await vouched(content, "dkim")

    async def test_a_header_added_on_top_of_a_signed_one_spoils_it(self) -> None:
        added = b"In-Reply-To: " + OWN_ID.encode() + b"\r\n"
        old = signed(mail("yes\n", In_Reply_To="<other@team.test>"))
        assert not await vouched(added + old, "dkim")

    async def test_a_name_server_that_is_away_means_later(self) -> None:
        server = dns(**{"s1._domainkey.team.test": "away"})
        with pytest.raises(Unavailable):
            await vouched(signed(mail("yes\n")), "dkim", lookup=server)

    async def test_endless_signatures_are_not_read(self) -> None:
        content = b"DKIM-Signature: v=1; b=" + b"a\r\n " * 2_000 + b"!\r\n" + mail("yes\n")
        assert not await vouched(content, "dkim")


def test_of_two_aligned_domains_one_contains_the_other() -> None:
    assert is_aligned("team.test", "team.test")
    assert is_aligned("Team.test.", "mail.team.test")
    assert is_aligned("mail.team.test", "team.test")
    for signer in ("test", "eam.test", "b.team.test", "", "team.test.evil.test"):
        assert not is_aligned(signer, "a.team.test")


async def test_off_means_that_the_marks_alone_prove() -> None:
    assert await vouched(mail(), "off")


class TestServer:
    ANN = NAMES.approve_address("0c-1:7", "ann@team.test")

    @pytest.fixture
    async def inbox(self, tmp_path: Path) -> AsyncIterator[Inbox]:
        inbox = Inbox()
        rules = settings(tmp_path, mail_authentication="dkim")
        async with inbox.serving(rules, lookup=dns(**{"s1._domainkey.away.test": "away"})):
            yield inbox

    async def test_an_answer_counts_if_it_is_signed(self, inbox: Inbox) -> None:
        assert (await inbox.send(signed(mail("yes\n")), self.ANN)).startswith("250 ")
        assert [verdict.by for verdict in inbox.verdicts] == ["email:ann@team.test"]

    @pytest.mark.parametrize("text", ["yes\n", "why?\n"])
    async def test_and_is_refused_if_not(self, text: str, inbox: Inbox) -> None:
        answer = await inbox.send(mail(text), self.ANN)
        assert answer.startswith("550 5.7.1 nothing proves that this is from ann@team.test")
        assert (inbox.verdicts, inbox.triggers) == ([], [])

    async def test_a_mail_in_a_thread_of_ours_is_authentic_if_it_is_signed(
        self, inbox: Inbox
    ) -> None:
        await inbox.send(signed(mail("yes\n", In_Reply_To=OWN_ID)))
        await inbox.send(mail("yes\n", In_Reply_To=OWN_ID))
        await inbox.send(signed(mail("yes\n")))
        assert [trigger.authentic for trigger in inbox.triggers] == [True, False, False]
        assert [trigger.run_id for trigger in inbox.triggers] == ["run1", "run1", None]

    async def test_no_answer_from_dns_means_later(self, inbox: Inbox) -> None:
        address = NAMES.approve_address("0c-1:7", "ann@away.test")
        content = signed(mail("yes\n", From="ann@away.test"), "away.test")
        assert (await inbox.send(content, address)).startswith("451 4.3.0 DNS has no answer")
