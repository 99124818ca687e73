"""What an agent's file from before the import name `ponderd` has to say instead."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Sequence

from ponderd import __all__ as PUBLIC

_MOVED = {
    "workers.agent": "workers.agents.agent",
    "workers.answers": "workers.agents.actions",
    "workers.choices": "workers.run.choices",
    "workers.policies": "workers.agents.policies",
    "workers.tools": "workers.agents.tools",
}

_RENAMED = {"Result": "ToolResult"}
"""What such a file may have imported, and is called otherwise now."""


def advice(source: bytes, error: ImportError) -> str:
    """About each old import in `source`, which failed with `error`; empty if something else could
    not be imported. Packages of others have the names `channels` and `daemon`, too.

    `source` is in bytes, because only Python knows how it is encoded.
    """
    if (error.name or "").split(".")[0] not in ("workers", "channels", "daemon"):
        return ""
    return "; ".join(
        f"line {line} imports {module}, which is now: {instead}"
        for line, module, names in _imports(ast.parse(source))
        if (instead := _instead(module, names))
    )


def _imports(tree: ast.Module) -> Iterator[tuple[int, str, Sequence[ast.alias]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module, node.names
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, ()) for alias in node.names)


def _instead(module: str, names: Sequence[ast.alias]) -> str:
    """Empty for a module that never was ours."""
    now = f"ponderd.{_moved(module)}"
    if module in ("channels", "daemon") or not _exists(now):
        return ""  # of the folders themselves nothing was ever imported
    if not names:
        return f"import {now}"
    names = [ast.alias(_RENAMED.get(name.name, name.name), name.asname) for name in names]
    public = [name for name in names if name.name in PUBLIC or name.name == "*"]
    others = [name for name in names if name not in public]
    return " and ".join(
        f"from {where} import {', '.join(map(ast.unparse, some))}"
        for where, some in (("ponderd", public), (now, others))
        if some
    )


def _moved(module: str) -> str:
    for old, new in _MOVED.items():
        if module == old or module.startswith(old + "."):
            return new + module.removeprefix(old)
    return module


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False
