"""Which domain may speak for which."""

import pytest

from ponderd.channels.mail.sender.domains import as_ascii, domain_of, is_aligned, organization


@pytest.mark.parametrize(
    ("signer", "domain"),
    [
        ("team.test", "team.test"),
        ("Team.test.", "mail.team.test"),
        ("mail.team.test", "team.test"),
        ("b.team.test", "a.team.test"),
        ("out.team.co.uk", "team.co.uk"),
        ("bücher.example", "www.xn--bcher-kva.example"),
        ("localhost", "localhost"),
        ("ponderd.localhost", "mail.ponderd.localhost"),
    ],
)
def test_domains_of_one_organisation_are_aligned(signer: str, domain: str) -> None:
    assert is_aligned(signer, domain)
    assert is_aligned(domain, signer)


@pytest.mark.parametrize(
    ("signer", "domain"),
    [
        ("test", "a.team.test"),
        ("eam.test", "a.team.test"),
        ("team.test.evil.test", "team.test"),
        ("other.co.uk", "team.co.uk"),
        ("co.uk", "team.co.uk"),
        ("ann.github.io", "bob.github.io"),
        ("", ""),
        ("", "team.test"),
        ("..", "team.test"),
        ("bücher..example", "bücher..example"),
    ],
)
def test_others_are_not(signer: str, domain: str) -> None:
    assert not is_aligned(signer, domain)
    assert not is_aligned(domain, signer)


def test_strictly_only_the_same_domain_is() -> None:
    assert is_aligned("Team.test", "team.test.", strict=True)
    assert not is_aligned("mail.team.test", "team.test", strict=True)
    assert not is_aligned("", "", strict=True)


def test_a_domain_has_one_form() -> None:
    assert as_ascii(" BÜCHER.example. ") == domain_of("a@bücher.example") == "xn--bcher-kva.example"
    assert as_ascii("ü" * 300 + ".test") == as_ascii("bücher..test") == ""
    assert domain_of("team.test") == "team.test"


def test_a_public_suffix_is_no_organisation() -> None:
    assert organization("a.b.team.test") == "team.test"
    assert [organization(domain) for domain in ("com", "co.uk", "github.io", "", "a..b")] == [
        ""
    ] * 5
