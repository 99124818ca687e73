"""The house keeps its shape: floors, sizes, names."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("channels", "workers", "daemon")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_the_import_package_is_this_checkout() -> None:
    for package in PACKAGES:
        found = importlib.import_module(f"ponderd.{package}").__file__
        assert found is not None
        assert Path(found).resolve().parent == ROOT / package


def test_modules_stay_under_400_lines() -> None:
    sizes = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in MODULES}
    assert {path: size for path, size in sizes.items() if size >= 400} == {}


def test_upper_floors_import_lower_ones_and_never_the_other_way() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_packages_import_nothing_of_the_tests() -> None:
    assert [
        f"{path.relative_to(ROOT)}: {name}"
        for path in MODULES
        for name in imports(path)
        if name.split(".")[0] in ("tests", "pytest", "hypothesis")
    ] == []


def test_every_module_says_what_it_is_for() -> None:
    modules = [path for path in MODULES if path.name != "__init__.py"]
    assert [path for path in modules if not ast.get_docstring(ast.parse(path.read_text()))] == []


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
