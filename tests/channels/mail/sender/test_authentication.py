"""Who vouches for a mail, and for what in it: a signature that the relay verified, or we do."""

import asyncio
import time

import pytest

from ponderd.channels.errors import Unavailable
from ponderd.channels.mail.sender.authentication import authenticate
from ponderd.channels.mail.sender.proof import Proof
from tests.channels.mail.mails import OWN_ID, mail
from tests.channels.mail.signing import PUBLIC, Dns, dns, signed

RELAY = "relay:mx.agents.test"
PASSED = "mx.agents.test; dkim=pass header.d=team.test; dmarc=pass header.from=team.test"


async def proof(
    content: bytes, how: str, sender: str = "ann@team.test", lookup: Dns | None = None
) -> Proof | None:
    return await authenticate(content, sender, how, lookup or dns())


def on_top(content: bytes, report: str = PASSED) -> bytes:
    """The mail as the relay hands it on."""
    return f"Authentication-Results: {report}\r\n".encode() + content


class TestRelay:
    """PONDERD_MAIL_AUTHENTICATION=relay:mx.agents.test"""

    async def test_who_wrote_it_is_proven_by_the_report_and_what_by_the_signature(self) -> None:
        before = time.time() - 1
        found = await proof(on_top(signed(mail("yes\n", Cc="bob@team.test"))), RELAY)
        assert found is not None and found.signed_at is not None
        assert found.signed >= {"from", "to", "cc", "subject", "message-id"}
        assert "in-reply-to" not in found.signed
        assert before <= found.signed_at <= time.time()

    async def test_without_a_signature_only_who_wrote_it_is_proven(self) -> None:
        report = "mx.agents.test; dmarc=pass header.from=team.test"
        assert await proof(on_top(mail("yes\n"), report), RELAY) == Proof()
        assert await proof(on_top(mail("yes\n")), RELAY) == Proof()

    @pytest.mark.parametrize("report", ["mx.agents.test; none", "x.test; dmarc=pass", "("])
    async def test_without_a_report_nothing_is(self, report: str) -> None:
        assert await proof(on_top(signed(mail("yes\n")), report), RELAY) is None
        assert await proof(signed(mail("yes\n")), RELAY) is None

    async def test_a_signature_of_another_domain_covers_nothing(self) -> None:
        assert await proof(on_top(signed(mail("yes\n"), "evil.test")), RELAY) == Proof()

    @pytest.mark.parametrize("domain", ["team.test", "mail.team.test", "TEAM.test"])
    async def test_a_forged_signature_beside_the_genuine_one_adds_nothing(
        self, domain: str
    ) -> None:
        genuine = signed(mail("yes\n", In_Reply_To=OWN_ID), include_headers=["from", "subject"])
        forged = f"DKIM-Signature: v=1; d={domain}; s=x; h=from:in-reply-to:date; t=4000000000; b=a"
        above, below = forged.encode() + b"\r\n", forged.encode() + b"\r\nFrom: "
        for content in (above + genuine, genuine.replace(b"From: ", below, 1)):
            found = await proof(on_top(content), RELAY)
            assert found is not None and found.signed_at is not None
            assert found.signed == {"from"}
            assert found.signed_at < 4_000_000_000

    @pytest.mark.parametrize("spoilt", ["v=1; d=team.test; d=team.test; h=from", "x" * 5_000])
    async def test_beside_a_signature_that_cannot_be_read_nothing_is_covered(
        self, spoilt: str
    ) -> None:
        content = f"DKIM-Signature: {spoilt}\r\n".encode() + signed(mail("yes\n"))
        assert await proof(on_top(content), RELAY) == Proof()

    async def test_a_signature_over_a_part_of_the_body_covers_nothing(self) -> None:
        found = await proof(on_top(signed(mail("yes\n"), length=True)), RELAY)
        assert found is not None and found.signed == frozenset()

    async def test_a_passed_signature_that_is_not_there_covers_nothing(self) -> None:
        report = "mx.agents.test; dkim=pass header.d=mail.team.test"
        content = signed(mail("yes\n"), "www.team.test")
        assert await proof(on_top(content, report), RELAY) == Proof()

    async def test_the_name_of_a_signer_may_be_given_by_its_agent_alone(self) -> None:
        report = "mx.agents.test; dkim=pass header.i=ann@mail.team.test header.b=abc"
        found = await proof(on_top(signed(mail("yes\n")), report), RELAY)
        assert found is not None and "to" in found.signed


class TestBothWays:
    @pytest.fixture(params=["dkim", RELAY])
    def how(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.mark.parametrize("line_end", [b"\r", b"\n"])
    async def test_a_mail_that_can_be_read_in_two_ways_counts_in_none(
        self, how: str, line_end: bytes
    ) -> None:
        content = on_top(signed(mail("yes\n", Subject="a@b")))
        assert await proof(content, how)
        assert await proof(content.replace(b"a@b", b"a" + line_end + b"b: c"), how) is None

    @pytest.mark.parametrize("name", ["From", "To", "Date", "In-Reply-To", "in-reply-to "])
    async def test_a_header_that_comes_twice_spoils_it(self, how: str, name: str) -> None:
        old = on_top(signed(mail("yes\n", In_Reply_To="<o@team.test>", Date="now")))
        assert await proof(old, how)
        assert await proof(f"{name}: {OWN_ID}\r\n".encode() + old, how) is None

    async def test_an_address_without_a_domain_is_nobodys(self, how: str) -> None:
        assert await proof(on_top(signed(mail("yes\n"))), how, sender="ann") is None

    async def test_a_domain_is_the_same_in_its_two_forms(self, how: str) -> None:
        domain = "xn--bcher-kva.test"
        report = f"mx.agents.test; dkim=pass header.d={domain}; dmarc=pass header.from={domain}"
        content = on_top(signed(mail("yes\n", From=f"a@{domain}"), domain), report)
        server = dns(**{f"s1._domainkey.{domain}": f"p={PUBLIC}"})
        for sender in (f"a@{domain}", "a@BÜCHER.test"):
            found = await proof(content, how, sender, server)
            assert found is not None and "to" in found.signed


class TestDkim:
    """PONDERD_MAIL_AUTHENTICATION=dkim"""

    async def test_a_signature_of_the_senders_domain_vouches(self) -> None:
        for form in (b"relaxed", b"simple"):
            content = signed(mail("yes\n"), canonicalize=(form, form))
            found = await proof(content, "dkim")
            assert found is not None and found.signed >= {"from", "to", "subject"}

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
            assert await proof(changed, "dkim") is None

    async def test_a_second_signature_may_be_the_valid_one(self) -> None:
        other = b"DKIM-Signature: v=1; a=rsa-sha256; d=list.test; s=x; h=from; bh=aaaa; b=aaaa\r\n"
        assert await proof(other + signed(mail("yes\n")), "dkim")
        assert await proof(other * 3 + signed(mail("yes\n")), "dkim") is None

    async def test_another_domain_cannot_vouch_and_is_not_even_looked_up(self) -> None:
        server = dns(**{"s1._domainkey.evil.test": f"p={PUBLIC}"})
        assert await proof(signed(mail("yes\n"), "evil.test"), "dkim", lookup=server) is None
        assert server.asked == []

    async def test_any_domain_of_the_organisation_vouches_unless_the_policy_is_strict(
        self,
    ) -> None:
        other = {"s1._domainkey.out.team.test": f"p={PUBLIC}"}
        content = signed(mail("yes\n", From="ann@mail.team.test"), "out.team.test")
        for at in ("mail.team.test", "team.test"):
            for policy, counts in [
                ("v=DMARC1; p=reject; adkim=r", True),
                ("v=DMARC1; p=none; adkim=s", False),
                ("v=DMARC1;adkim=s;p=none", False),
            ]:
                server = dns(**other, **{f"_dmarc.{at}": policy})
                found = await proof(content, "dkim", "ann@mail.team.test", server)
                assert (found is not None) is counts

    async def test_a_key_that_is_revoked_broken_or_on_trial_is_none(self) -> None:
        content = signed(mail("yes\n"))
        for record in (
            *("", "v=DKIM1; p=", f"v=DKIM1; t=y; p={PUBLIC}", f"t=s:y; p={PUBLIC}", "p=x"),
            f"n={'x' * 4_000}; p={PUBLIC}",
        ):
            server = dns(**{"s1._domainkey.team.test": record})
            assert await proof(content, "dkim", lookup=server) is None

    async def test_a_signature_over_a_part_of_the_mail_is_none(self) -> None:
        assert await proof(signed(mail("yes\n"), length=True), "dkim") is None

    async def test_an_old_algorithm_is_none(self) -> None:
        content = signed(mail("yes\n"), signature_algorithm=b"rsa-sha1")
        assert await proof(content, "dkim") is None

    async def test_a_name_server_that_is_away_means_later(self) -> None:
        server = dns(**{"s1._domainkey.team.test": "away"})
        with pytest.raises(Unavailable):
            await proof(signed(mail("yes\n")), "dkim", lookup=server)

    async def test_but_not_if_another_signature_proves_it(self) -> None:
        server = dns(**{"s1._domainkey.out.team.test": "away"})
        content = signed(signed(mail("yes\n")), "out.team.test")
        found = await proof(content, "dkim", lookup=server)
        assert found is not None and "to" in found.signed

    async def test_dns_is_asked_in_a_thread(self) -> None:
        loops = []

        class Asking(Dns):
            def __call__(self, name: str) -> list[bytes]:
                try:
                    loops.append(asyncio.get_running_loop())
                except RuntimeError:
                    loops.append(None)
                return list(super().__call__(name))

        assert await proof(signed(mail("yes\n")), "dkim", lookup=Asking(dns().records))
        assert loops and set(loops) == {None}

    async def test_endless_signatures_are_not_read(self) -> None:
        content = b"DKIM-Signature: v=1; b=" + b"a\r\n " * 2_000 + b"!\r\n" + mail("yes\n")
        assert await proof(content, "dkim") is None
