"""The URLs of Redis or Valkey: one server, a cluster, or primaries that Sentinel names.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

Kind = Literal["server", "cluster", "sentinel", "socket"]

_KINDS: dict[str, Kind] = {
    "redis": "server",
    "redis+cluster": "cluster",
    "redis+sentinel": "sentinel",
    "unix": "socket",
}
_PORTS = {"server": 6379, "cluster": 6379, "sentinel": 26379}

TLS_FILES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_TLS = (*sorted(TLS_FILES), "ssl_cert_reqs", "ssl_check_hostname")
_SENTINEL = ("sentinel_username", "sentinel_password")


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """What a URL says."""

    kind: Kind
    hosts: tuple[tuple[str, int], ...] = ()
    """Host and port of the server, of one node, or of the Sentinels. Empty for a socket."""
    path: str = ""
    """Of the socket."""
    service: str = ""
    """The name under which the Sentinels know the primary."""
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    db: int = 0
    tls_options: Mapping[str, str | bool] = field(default_factory=dict)
    """As redis-py names them. Empty without TLS."""


def parse_redis_url(url: str) -> RedisUrl:
    """Raises ValueError, which says what is wrong and never repeats a password."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError("it is not a URL") from error
    tls = parts.scheme.startswith("rediss")
    kind = _KINDS.get(parts.scheme.replace("rediss", "redis", 1))
    if kind is None or not url.startswith(f"{parts.scheme}://"):
        raise ValueError(
            "it must begin with redis://, redis+sentinel:// or redis+cluster:// (with TLS "
            "rediss://, rediss+sentinel:// or rediss+cluster://), or with unix://"
        )
    if parts.fragment:
        raise ValueError("a # in a password is written %23")
    options = _options(parts, kind, tls)
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    path, service = parts.path, ""
    if kind == "sentinel":
        service, _, path = path.removeprefix("/").partition("/")
        if not service:
            raise ValueError(
                "after the Sentinels comes the name of the service: "
                "redis+sentinel://host:26379,host:26379/service"
            )
    if kind == "socket" and (hosts or not path.strip("/")):
        raise ValueError("a socket is written unix:///path/to/socket")
    said = options.pop("db", "") if kind == "socket" else path.strip("/") or options.pop("db", "0")
    db = _db(said or "0")
    if kind == "cluster" and db:
        raise ValueError("a cluster has only the database 0")
    return RedisUrl(
        kind=kind,
        hosts=() if kind == "socket" else _hosts(hosts, kind),
        path=unquote(path) if kind == "socket" else "",
        service=unquote(service),
        tls=tls,
        username=unquote(username) or None,
        password=unquote(password) or None,
        db=db,
        **{name: options.pop(name, None) for name in _SENTINEL},
        tls_options={
            name: value != "false" if name == "ssl_check_hostname" else value
            for name, value in options.items()
        },
    )


def _options(parts: SplitResult, kind: Kind, tls: bool) -> dict[str, str]:
    known = (*(_TLS if tls else ()), *(_SENTINEL if kind == "sentinel" else ()), "db")
    try:
        options = dict(
            parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        )
    except ValueError as error:
        raise ValueError("after the ? come settings such as ssl_ca_certs=/path") from error
    for name, value in options.items():
        if name not in known:
            hint = " without TLS (rediss://)" if name in _TLS else ""
            raise ValueError(f"it has no setting {name!r}{hint}; there are {', '.join(known)}")
        if not value:
            raise ValueError(f"{name} is empty")
    if options.get("ssl_cert_reqs", "required") not in ("required", "optional", "none"):
        raise ValueError("ssl_cert_reqs is required, optional or none")
    if options.get("ssl_check_hostname", "true") not in ("true", "false"):
        raise ValueError("ssl_check_hostname is true or false")
    if options.get("ssl_cert_reqs") == "none":  # a name that nobody vouches for proves nothing
        options["ssl_check_hostname"] = "false"
    return options


def _hosts(text: str, kind: Kind) -> tuple[tuple[str, int], ...]:
    if not text and kind != "sentinel":
        return (("127.0.0.1", _PORTS[kind]),)
    entries = text.split(",")
    if len(entries) > 1 and kind != "sentinel":
        raise ValueError("several hosts are for redis+sentinel:// only; a cluster tells the others")
    return tuple(_host(entry, _PORTS[kind]) for entry in entries)


def _host(text: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        found, port = parts.hostname, parts.port or port
    except ValueError as error:
        raise ValueError("a host is written host:port or [IPv6]:port") from error
    if not found:
        raise ValueError("a host is missing")
    return found, port


def _db(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise ValueError("the database is a number, such as /0")
    return int(text)
