"""The tree of errors that the module's docstring draws is the tree that there is."""

from __future__ import annotations

import importlib
import pkgutil
import re

import ponderd
from ponderd.channels import errors


def drawn() -> set[tuple[str, str]]:
    """(class, its parent) for each line of the picture."""
    assert errors.__doc__ is not None
    found, above = set(), {-1: ""}
    for line in errors.__doc__.splitlines():
        if node := re.match(r"([│├└─ ]*)([A-Z]\w+)(?:  |$)", line):
            depth = len(node[1]) // 4
            above[depth] = node[2]
            found.add((node[2], above[depth - 1]))
    return found


def defined() -> set[tuple[str, str]]:
    for module in pkgutil.walk_packages(ponderd.__path__, "ponderd."):
        importlib.import_module(module.name)
    found, left = set(), [Exception]
    while left:
        parent = left.pop()
        for child in parent.__subclasses__():
            left.append(child)
            if child.__module__.startswith("ponderd."):
                found.add((child.__name__, parent.__name__))
    return found


def test_every_error_of_ours_is_on_the_screen() -> None:
    assert drawn() >= defined() >= {("StartupError", "PonderdError"), ("LeaseLost", "Exception")}


def test_nothing_else_is_but_their_bases() -> None:
    assert drawn() - defined() == {("Exception", ""), ("OSError", "Exception")}


def test_it_is_one_screen() -> None:
    assert errors.__doc__ is not None
    assert len(errors.__doc__.splitlines()) <= 32
