from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from ponderd.channels.errors import Unauthenticated
from ponderd.channels.links import approval_link, check_link

SECRET = b"a secret of the signer"
ANN = "email:ann+ops@team.test"


def opened(link: str) -> tuple[str, str, str]:
    """What a server finds in it: id, person, mark."""
    parts = urlsplit(link)
    query = parse_qs(parts.query)
    return unquote(parts.path.rpartition("/")[2]), query["as"][0], query["mark"][0]


@pytest.mark.parametrize("base", ["https://agents.test", "https://agents.test/"])
def test_a_link_names_who_may_use_it_and_proves_it(base: str) -> None:
    link = approval_link(base, SECRET, "0c-1:7", ANN)
    assert link.startswith("https://agents.test/approvals/0c-1:7?as=email")
    prompt, person, mark = opened(link)
    assert (prompt, person) == ("0c-1:7", ANN)
    check_link(SECRET, prompt, person, mark)


def test_a_link_is_good_for_nothing_and_nobody_else() -> None:
    prompt, person, mark = opened(approval_link("http://x", SECRET, "0c-1:7", ANN))
    for forged in [
        (SECRET, "0c-1:8", person, mark),
        (SECRET, prompt, "email:bob@team.test", mark),
        (SECRET, prompt, person, mark[:-1]),
        (SECRET, prompt, person, ""),
        (b"another secret", prompt, person, mark),
    ]:
        with pytest.raises(Unauthenticated):
            check_link(*forged)


def test_without_a_secret_no_link_is_good() -> None:
    prompt, person, mark = opened(approval_link("http://x", b"", "0c-1:7", ANN))
    with pytest.raises(Unauthenticated):
        check_link(b"", prompt, person, mark)
