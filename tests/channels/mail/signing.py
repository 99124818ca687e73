"""What the tests of mail share to sign it: a key, and a name server that knows it."""

from collections.abc import Sequence

import dkim

from ponderd.channels.errors import Unavailable

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
