"""Who sent a webhook: signatures and tokens, checked by the methods of its route. Pure.

The time is an argument. Whatever is secret is compared in constant time, with all secrets, so that
the time taken tells nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ponderd.channels.errors import Unauthenticated
from ponderd.channels.webhook.methods import (
    Basic,
    Bearer,
    Detailed,
    Hmac,
    Method,
    StandardWebhooks,
    TokenHeader,
    TokenQuery,
    TwilioSignature,
    detailed,
    is_token,
)
from ponderd.channels.webhook.signed import (
    HookRequest,
    entries_of,
    is_one_of,
    is_signed,
    is_standard,
    is_twilio,
    keys_of,
    parameters,
    standard_keys,
)


@dataclass(frozen=True, slots=True)
class HookSecrets:
    """The secrets of one route. Each may have several, while they are changed."""

    secrets: Sequence[str] = ()
    """For signatures."""
    tokens: Sequence[str] = ()
    """For what is sent in clear: bearer, basic, a token in a header."""
    installation: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Type of a method -> this installation's own, used where the route has none of the kind."""

    def of(self, method: Detailed) -> list[str]:
        """All that may prove this method."""
        own, other = self.secrets, self.tokens
        if is_token(method):
            own, other = other, own
        return [one for one in own or self.installation.get(method.type, ()) or other if one]


def authenticate(
    methods: Sequence[Method], secrets: HookSecrets, request: HookRequest, *, now: float
) -> Detailed | None:
    """Check who sent a request. Returns the method that proved it. Raises Unauthenticated.

    The first method that has a secret, and whose header is there, decides: a wrong signature is not
    saved by a right token. None: it cannot be told before the body is read.
    """
    expanded = [one for method in methods for one in detailed(method) if _fits(one, secrets)]
    method = next((one for one in expanded if _shows(one, request)), None)
    if method is None:
        raise Unauthenticated(f"no signature or token: expected {expected(methods)}")
    if request.body is None and isinstance(method, Hmac | StandardWebhooks | TwilioSignature):
        return None
    if not _proves(method, secrets.of(method), request, now):
        raise Unauthenticated(f"no valid signature or token in {_where(method)}")
    return method


def proving(
    methods: Sequence[Method], secrets: HookSecrets, request: HookRequest, *, now: float
) -> str:
    """The secret by which a request is proven. "": by none."""
    for secret in dict.fromkeys(
        one for method in methods for way in detailed(method) for one in secrets.of(way)
    ):
        try:
            authenticate(methods, HookSecrets((secret,)), request, now=now)
        except Unauthenticated:
            continue
        return secret
    return ""


def expected(methods: Sequence[Method]) -> str:
    """What a request must carry, in words. It names headers, and nothing that is secret."""
    shown = dict.fromkeys(_where(one) for method in methods for one in detailed(method))
    # Said once: "the header a or b", not "the header a or the header b".
    first, *others = sorted(shown, key=lambda place: not place.startswith(_HEADER))
    places = [first, *(place.removeprefix(_HEADER) for place in others)]
    *most, last = places
    return f"{', '.join(most)} or {last}" if most else last


def check_secrets(methods: Sequence[Method], secrets: HookSecrets) -> None:
    """Raises ValueError, in words for an operator, if a method has no secret that fits it."""
    for method in methods:
        ways = detailed(method)
        if not any(_fits(one, secrets) for one in ways):
            name = method if isinstance(method, str) else method.type
            if any(secrets.of(one) for one in ways):
                raise ValueError(f"verify = {name}: {_wanted(ways[0])}")
            entry = "token_env" if is_token(ways[0]) else "secret_env"
            raise ValueError(
                f"verify = {name} needs a secret: {entry} names the variable that holds it"
            )


def _wanted(method: Detailed) -> str:
    if isinstance(method, StandardWebhooks):
        return "a Standard Webhooks secret is whsec_ followed by base64"
    return f"the secret is not {getattr(method, 'key', 'text')}"


def _fits(method: Detailed, secrets: HookSecrets) -> bool:
    usable = secrets.of(method)
    if isinstance(method, StandardWebhooks):
        return bool(standard_keys(usable))
    return bool(keys_of(method.key, usable)) if isinstance(method, Hmac) else bool(usable)


_HEADER = "the header "


def _where(method: Detailed) -> str:
    """The place at which a method looks, in words."""
    match method:
        case Hmac() | TokenHeader():
            return f"{_HEADER}{method.header.lower()}"
        case StandardWebhooks():
            return f"{_HEADER}{method.prefix.lower()}-signature"
        case TwilioSignature():
            return f"{_HEADER}x-twilio-signature"
        case TokenQuery():
            return f"the parameter {method.name} of the address"
        case Bearer():
            return f"{_HEADER}authorization (Bearer)"
        case Basic():
            return f"{_HEADER}authorization (Basic)"


def _shows(method: Detailed, request: HookRequest) -> bool:
    """Whether the request carries what this method looks at."""
    headers = request.headers
    match method:
        case Hmac():
            entries = entries_of(method, headers)
            return any(entry and entry.startswith(method.prefix) for entry in entries)
        case TokenHeader():
            given = headers.get(method.header.lower(), "")
            return bool(given) and given.startswith(method.prefix)
        case StandardWebhooks():
            return bool(headers.get(f"{method.prefix.lower()}-signature"))
        case TwilioSignature():
            return bool(headers.get("x-twilio-signature"))
        case TokenQuery():
            return bool(parameters(request.url, method.name))
        case Bearer() | Basic():
            return _scheme(headers)[0] == method.type


def _scheme(headers: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, given = headers.get("authorization", "").strip().partition(" ")
    return scheme.lower(), given.strip()


def _proves(method: Detailed, usable: list[str], request: HookRequest, now: float) -> bool:
    headers = request.headers
    match method:
        case Hmac():
            return is_signed(method, keys_of(method.key, usable), request, now)
        case StandardWebhooks():
            return is_standard(method, standard_keys(usable), request, now)
        case TwilioSignature():
            return is_twilio(usable, request)
        case TokenHeader():
            given = headers.get(method.header.lower(), "").removeprefix(method.prefix).strip()
            return is_one_of(given, usable)
        case TokenQuery():
            return True in [
                is_one_of(value, usable) for value in parameters(request.url, method.name)
            ]
        case Bearer():
            return is_one_of(_scheme(headers)[1], usable)
        case Basic():
            return _is_basic(method, _scheme(headers)[1], usable)


def _is_basic(method: Basic, given: str, usable: list[str]) -> bool:
    try:
        content = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return False
    try:
        pair = content.decode()
    except UnicodeDecodeError:  # RFC 7617 leaves the set open; some libraries send Latin-1
        pair = content.decode("latin-1")
    user, _, password = pair.partition(":")
    if method.user is not None:
        is_user = is_one_of(user, [method.user])
        return is_one_of(password, usable) and is_user
    return is_one_of(pair, usable)
