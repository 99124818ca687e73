"""The locked requirements are what pyproject.toml asks for: `make lock` writes them."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement

from tests.packaging.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(file: str) -> dict[str, set[str]]:
    """Versions by name; several where they depend on Python's version."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / file).read_text(), re.M):
        found.setdefault(name, set()).add(version)
    return found


def missing(wanted: list[str], file: str) -> list[str]:
    """What has no pin in `file`, or one that does not fit."""
    have = pins(file)
    return [
        line
        for line in wanted
        for one in [Requirement(line)]
        if not have.get(one.name.lower()) or not all(map(one.specifier.contains, have[one.name]))
    ]


def test_a_server_has_what_is_declared_and_no_extra() -> None:
    project, extras = PROJECT["project"], PROJECT["project"]["optional-dependencies"]
    assert missing(project["dependencies"], "requirements.txt") == []
    assert (
        pins("requirements.txt").keys()
        & {Requirement(line).name for name in ("local", "plot") for line in extras[name]}
        == set()
    )


def test_make_up_has_the_same_and_two_extras() -> None:
    server, local = pins("requirements.txt"), pins("requirements-local.txt")
    assert {name: local.get(name) for name in server} == server
    extras = PROJECT["project"]["optional-dependencies"]
    assert missing([*extras["local"], *extras["plot"]], "requirements-local.txt") == []


def test_developers_have_their_tools_at_versions_that_go_together() -> None:
    dev, local = pins("requirements-dev.txt"), pins("requirements-local.txt")
    assert missing(PROJECT["dependency-groups"]["dev"], "requirements-dev.txt") == []
    assert [name for name in dev if name in local and dev[name] != local[name]] == []


def test_the_image_installs_what_a_server_needs() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    assert re.findall(r"\S*requirements\S*\.txt", dockerfile) == ["requirements.txt"] * 2
    assert "requirements-local.txt" in (ROOT / "Makefile").read_text()
