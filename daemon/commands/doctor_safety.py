"""What `ponderd doctor` says of secrets that can be guessed and of what others can reach."""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ponderd.channels.signature import standard_key
from ponderd.daemon.commands.checks import Check
from ponderd.daemon.configuration import Configuration
from ponderd.daemon.routing import Routes

SHORTEST_SECRET = 16
"""Characters of the shortest secret that is not named."""
SHORTEST_KEY = 24
"""Bytes of the shortest key that the Standard Webhooks specification allows."""


def safety_checks(settings: Configuration, routes: Routes) -> list[Check]:
    """One check that is a warning for each thing found, or one that says that nothing was."""
    found = [*_weak(settings, routes), *_open(settings)]
    if not found:
        return [Check(name="safety", level="ok", found="no weak secret, no open folder")]
    return [Check(name="safety", level="warn", found=what, advice=how) for what, how in found]


def _weak(settings: Configuration, routes: Routes) -> Iterator[tuple[str, str]]:
    longer = "make a new one: `openssl rand -base64 32`"
    token = settings.daemon.api_token
    if token and len(token.get_secret_value()) < SHORTEST_SECRET:
        yield f"PONDERD_API_TOKEN has less than {SHORTEST_SECRET} characters", longer
    standard = settings.channels.webhook_secret
    if standard and len(standard_key(standard.get_secret_value())) < SHORTEST_KEY:
        yield f"PONDERD_WEBHOOK_SECRET has less than {SHORTEST_KEY} bytes", longer
    for source, route in sorted(routes.webhooks.items()):
        own = (*route.secret, *route.token)
        if any(len(one.get_secret_value()) < SHORTEST_SECRET for one in own):
            yield f"a secret of [webhooks.{source}] is shorter than {SHORTEST_SECRET}", longer


def _open(settings: Configuration) -> Iterator[tuple[str, str]]:
    host = settings.daemon.host
    if not _is_local(host) and not (settings.channels.public_url or "").startswith("https://"):
        yield (
            f"PONDERD_HOST is {host}: tokens cross the network in clear",
            "put a proxy with TLS in front and set PONDERD_PUBLIC_URL to its https:// address",
        )
    folder = settings.daemon.data_dir
    for path in (folder, folder / "secrets.json", folder / "authorization.header"):
        yield from _reachable(path, path == folder)


def _reachable(path: Path, is_folder: bool) -> Iterator[tuple[str, str]]:
    try:
        found = path.stat()
    except OSError:
        return
    others = stat.S_IWGRP | stat.S_IWOTH if is_folder else stat.S_IRWXG | stat.S_IRWXO
    if found.st_mode & others:
        yield f"others can {'write to' if is_folder else 'read'} {path}", f"chmod go-rwx {path}"
    if found.st_uid not in (os.getuid(), 0) and os.getuid() != 0:
        yield f"{path} belongs to another user", "set PONDERD_DATA_DIR to a folder of your own"


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
