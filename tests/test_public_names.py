"""`from ponderd import …`: what agents' files may use, and nothing else."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ponderd

ROOT = Path(__file__).parents[1]
AGENT_FILES = [
    *sorted((ROOT / "examples").rglob("*.py")),
    *sorted((ROOT / "workers" / "agents" / "shipped").glob("[!_]*.py")),
]
OWN_TOOLS = "ponderd.workers.agents.tools"
"""The shipped agents share these; they are agents' files themselves."""


def test_the_names_are_sorted_and_exist() -> None:
    assert ponderd.__all__ == sorted(ponderd.__all__)
    assert [name for name in ponderd.__all__ if not hasattr(ponderd, name)] == []
    assert dir(ponderd) == ponderd.__all__


def test_a_name_that_is_not_public_is_refused_as_in_any_module() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Flight'"):
        _ = ponderd.Flight


def test_a_type_checker_sees_the_same_names() -> None:
    tree = ast.parse((ROOT / "src" / "ponderd" / "__init__.py").read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    imported = [
        alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(imported) == ponderd.__all__
    # Were `__getattr__` visible to it, a misspelt import would pass.
    seen = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert seen == ["__dir__"]
    assert (ROOT / "src" / "ponderd" / "py.typed").exists()


@pytest.mark.parametrize("file", AGENT_FILES, ids=lambda file: file.name)
def test_agents_files_use_nothing_else(file: Path) -> None:
    used = [
        node.module
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ponderd"
    ]
    assert [name for name in used if name != "ponderd" and not name.startswith(OWN_TOOLS)] == []


def test_pages_show_nothing_else() -> None:
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for block in re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.M | re.S):
            assert not re.search(r"from ponderd\.", block), page


def test_naming_the_package_loads_no_agents() -> None:
    code = "import sys, ponderd; print([m for m in sys.modules if m.startswith('ponderd.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
