"""One word, one meaning: docs/glossary.md names what is in the code, and names it once."""

from __future__ import annotations

import ast
import importlib
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"
MODULES = [
    file
    for package in ("channels", "workers", "daemon")
    for file in sorted((ROOT / package).rglob("*.py"))
]


class Row(NamedTuple):
    word: str
    meaning: str
    name: str


ROWS = [
    Row(*found)
    for found in re.findall(r"^\| ([a-z ]+) \| (.+?) \| `([\w.]+)` \|$", GLOSSARY.read_text(), re.M)
]

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.word)


def test_there_are_at_most_30_words_each_once_and_in_order() -> None:
    words = [row.word for row in ROWS]
    assert len(words) + 2 == GLOSSARY.read_text().count("\n|")  # and the two lines of the head
    assert 20 <= len(words) <= 30
    assert words == sorted(set(words))
    assert len({row.name for row in ROWS}) == len(ROWS)


@each_row
def test_its_name_is_in_the_code(row: Row) -> None:
    package, _, name = row.name.rpartition(".")
    owner = ""
    if package.rpartition(".")[2][0].isupper():  # a method
        package, _, owner = package.rpartition(".")
    found = importlib.import_module(f"ponderd.{package}")
    assert hasattr(getattr(found, owner) if owner else found, name)


def test_no_other_class_is_called_like_one_of_them() -> None:
    classes = Counter(
        node.name
        for file in MODULES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert [row.name for row in ROWS if classes[row.name.rpartition(".")[2]] > 1] == []
