"""Versions and their deployments, as files in the data folder. A model of a real deployment tool.

`versions.txt` lists the versions, newest first, one per line. Blank lines and lines that begin with
# are skipped. Without that file there is a list for demonstrations. A deployment writes one new
file to `deployments/`. The newest file there says which version is live.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from ponderd import ToolContext, tool

DEMO_VERSIONS = ("1.4.2", "1.4.1", "1.4.0", "1.3.9")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")


@tool(idempotent=True)
def list_versions(context: ToolContext) -> str:
    """the versions there are, which is newest and which is live"""
    newest, *older = versions(context.data_dir)
    listed = ", ".join([f"{newest} (newest)", *older])
    return f"{listed}. Live: {live(context.data_dir) or 'none'}."


def known_version(version: str, context: ToolContext) -> str:
    """`version` as it is listed. Raises ValueError if it is not listed."""
    version, known = version.strip(), versions(context.data_dir)
    for name in (version, version.removeprefix("v")):
        if name in known:
            return name
    raise ValueError(f"there is no version {version}; there are {', '.join(known)}")


@tool(approval="always", check=known_version)
def deploy(version: str, context: ToolContext) -> str:
    """put one version live; a person is asked for approval by itself"""
    version = known_version(version, context)
    now = datetime.now(UTC)
    key = re.sub(r"[^0-9A-Za-z-]", "-", context.idempotency_key)
    folder = context.data_dir / "deployments"
    folder.mkdir(parents=True, exist_ok=True)
    record = {"version": version, "run": context.run_id, "at": now.isoformat()}
    with (folder / f"{now:%Y%m%dT%H%M%S.%fZ}-{version}-{key}.json").open("x") as file:
        json.dump(record, file)
    return f"{version} is live."


def versions(data_dir: Path) -> tuple[str, ...]:
    """The versions, newest first. Raises ValueError if the file lists none, or something else."""
    try:
        lines = (data_dir / "versions.txt").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return DEMO_VERSIONS
    found = tuple(line.strip() for line in lines if line.strip() and line.strip()[0] != "#")
    for name in found:
        if not _VERSION.fullmatch(name):
            raise ValueError(f"versions.txt: {name!r} is not a version")
    if not found:
        raise ValueError("versions.txt lists no version")
    return found


def live(data_dir: Path) -> str | None:
    """The version that was deployed last, or None."""
    files = sorted((data_dir / "deployments").glob("*.json"))
    return str(json.loads(files[-1].read_text())["version"]) if files else None
