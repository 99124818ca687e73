"""Where callbacks may go: to public addresses, and to hosts that the operator listed.

A name is checked twice. The first check, at admission, lets the sender know. The second checks the
addresses to which we really connect: a name may resolve to others by then (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Collection

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from ponderd.channels.destination import split_callback
from ponderd.channels.errors import Forbidden, Malformed

# A NAT64 gateway turns these into the IPv4 address in their last 32 bits (RFC 6052).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Not private by name, and still no place on the open internet: services of a cloud's own host,
# relays that hand packets on into a network, and what was reserved after Python's list was made.
_INSIDE = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # Azure's host
            "192.0.0.0/24",  # IETF protocols; a cloud's metadata stand there, too
            "192.88.99.0/24",  # 6to4 relays
            "64:ff9b:1::/48",  # NAT64 of one network
            "fec0::/10",  # site-local
            "3fff::/20",  # examples
            "5f00::/16",  # segment routing
        ),
    )
)

PORTS = (80, 443, 8080, 8443)
"""The ports of web servers. Others must be listed: there may be anything."""
RESOLVE_SECONDS = 3.0
"""How long a sender waits for its callback to be looked up."""


class RefusedAddress(OSError):
    """The host of a callback has no address to which we may connect."""


def is_public(address: str) -> bool:
    """Whether an address is on the open internet, and any IPv4 address inside it is too.

    False for anything that is not an IP address.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if any(parsed.version == inside.version and parsed in inside for inside in _INSIDE):
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return parsed.is_global and not parsed.is_multicast
    if parsed.ipv4_mapped:
        return is_public(str(parsed.ipv4_mapped))
    if parsed in _NAT64:
        return is_public(str(ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)))
    # 6to4 and Teredo addresses carry IPv4 addresses, to which a gateway would forward.
    return (
        parsed.is_global
        and not parsed.is_multicast
        and not parsed.is_reserved
        and all(
            is_public(str(inside))
            for inside in (parsed.sixtofour, *(parsed.teredo or ()))
            if inside is not None
        )
    )


def is_listed(host: str, port: int, allow: Collection[str]) -> bool:
    """Whether the operator listed `host` or `host:port`."""
    host = host.lower().rstrip(".")
    names = {host, f"{host}:{port}", f"[{host}]", f"[{host}]:{port}"}
    return any(entry.lower() in names for entry in allow)


def refuse_literal(url: str, allow: Collection[str] | None) -> None:
    """Refuse a malformed URL and, unless `allow` is None, one with a private IP address as host or
    with a port that is not one of a web server.

    aiohttp asks no resolver about such a host, so `CallbackResolver` would not see it.
    Raises Malformed or Forbidden.
    """
    host, port = split_callback(url)
    if allow is None or is_listed(host, port, allow):
        return
    if port not in PORTS:
        raise Forbidden(
            f"callbacks go to the ports {', '.join(map(str, PORTS))}; PONDERD_CALLBACK_ALLOW may "
            f"list {host}:{port}"
        )
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    if not is_public(host):
        raise Forbidden(f"{host} is not a public address; PONDERD_CALLBACK_ALLOW may list it")


async def check_callback(
    url: str, allow: Collection[str], *, resolver: AbstractResolver | None = None
) -> None:
    """Refuse a callback that now leads to a private address. Raises Malformed or Forbidden.

    A name that does not resolve in time passes: it is checked again when we connect.
    """
    refuse_literal(url, allow)
    host, port = split_callback(url)
    if is_listed(host, port, allow):
        return
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await (resolver or ThreadedResolver()).resolve(host, port, socket.AF_UNSPEC)
    except UnicodeError:  # an empty label, or one of more than 63 characters
        raise Malformed(f"{host!r} is not a host name") from None
    except OSError:  # TimeoutError is one
        return
    if not all(is_public(entry["host"]) for entry in found):
        raise Forbidden(f"{host} is not a public host; PONDERD_CALLBACK_ALLOW may list it")


class CallbackResolver(AbstractResolver):
    """Resolves names, and returns only addresses to which a callback may connect."""

    def __init__(self, allow: Collection[str], resolver: AbstractResolver) -> None:
        self._allow = allow
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if is_listed(host, port, self._allow):
            return found
        public = [entry for entry in found if is_public(entry["host"])]
        if not public:
            raise RefusedAddress(f"{host} is not a public host")
        return public

    async def close(self) -> None:
        await self._resolver.close()
