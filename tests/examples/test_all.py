"""What holds for every example."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ponderd.workers.agents.actions import interpret
from ponderd.workers.agents.discovery import discover, load
from ponderd.workers.run.choices import Answer, Question, ToolCall
from tests.examples.conftest import EXAMPLES

FILES = sorted(EXAMPLES.glob("*.py"))

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def test_they_load_together_with_the_shipped_ones() -> None:
    assert {file.stem for file in FILES} < set(discover([EXAMPLES]))
    assert len(FILES) == 5


@each_file
def test_the_page_lists_it(file: Path) -> None:
    page = (EXAMPLES / "README.md").read_text()
    assert f"[{file.name}]({file.name})" in page
    assert load(file).name == file.stem


@each_file
def test_it_has_a_test(file: Path) -> None:
    assert (Path(__file__).parent / f"test_{file.stem}.py").exists()


@each_file
def test_it_imports_nothing_but_ponderd_pydantic_and_the_standard_library(file: Path) -> None:
    import sys

    used = {
        (node.module or "").split(".")[0]
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom)
    } | {
        alias.name.split(".")[0]
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert used - set(sys.stdlib_module_names) <= {"ponderd", "pydantic"}


@each_file
def test_its_worked_examples_are_what_the_model_may_say(file: Path) -> None:
    import json

    agent = load(file)
    for example in agent.examples:
        choice = interpret(json.dumps(dict(example.did)), agent)
        assert isinstance(choice, ToolCall | Answer | Question), (example, choice)
        if agent.check:
            agent.check(choice)
