"""The tools of tau2-bench's retail domain, each run with a database of its own for every run.

Its own code does the work; TAU2_BENCH names the folder of its checkout. What writes may not be
repeated. The database remembers the key of each call that changed it, in the same file.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import random
import sys
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict

from ponderd import Agent, ToolContext, tool

CHECKOUT = Path(os.environ["TAU2_BENCH"])
BEFORE, AFTER = 0.2, 0.5
"""Most seconds from the intent to the effect, and from there to the outcome."""


class Kind(str, Enum):  # noqa: UP042 - what the domain's own module expects
    READ = "read"
    WRITE = "write"
    THINK = "think"
    GENERIC = "generic"


class Toolkit:
    def __init__(self, db: Any) -> None:
        self.db = db


class Database(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _kind(kind: Kind = Kind.READ, mutates_state: bool | None = None) -> Callable[[Any], Any]:
    def mark(function: Any) -> Any:
        function.kind = kind
        return function

    return mark


def _domain() -> type[Toolkit]:
    """Its module of tools, without the rest of the benchmark, which wants a newer Python."""
    path = str(CHECKOUT / "src" / "tau2" / "domains" / "retail")
    for name, members in {
        "tau2": {"__path__": []},
        "tau2.environment": {"__path__": []},
        "tau2.environment.db": {"DB": Database},
        "tau2.environment.toolkit": {"ToolKitBase": Toolkit, "ToolType": Kind, "is_tool": _kind},
        "tau2.domains": {"__path__": []},
        "tau2.domains.retail": {"__path__": [path]},
        "tau2.domains.retail.utils": {"RETAIL_DB_PATH": ""},
    }.items():
        module = ModuleType(name)
        module.__dict__.update(members)
        sys.modules[name] = module
    from tau2.domains.retail.tools import RetailTools  # type: ignore[import-not-found]

    assert issubclass(RetailTools, Toolkit)
    return RetailTools


DOMAIN = _domain()


@functools.cache
def _fresh() -> str:
    return (CHECKOUT / "data" / "tau2" / "domains" / "retail" / "db.json").read_text()


def opened(text: str | None = None) -> Any:
    """The domain's database, as it is at first or as `text` says."""
    from tau2.domains.retail.data_model import RetailDB  # type: ignore[import-not-found]

    return RetailDB.model_validate_json(text or _fresh())


def called(db: Any, name: str, arguments: dict[str, Any]) -> str:
    """Call one of its tools. Changes `db`. Raises what the tool raises."""
    found = getattr(DOMAIN(db), name)(**arguments)
    return found.model_dump_json() if isinstance(found, BaseModel) else str(found)


def _use(name: str, writes: bool, arguments: dict[str, Any], context: ToolContext) -> str:
    file = context.data_dir / "retail" / f"{context.run_id}.json"
    kept = json.loads(file.read_text()) if file.exists() else {"db": None, "keys": []}
    db = opened(kept["db"])
    time.sleep(random.uniform(0, BEFORE))
    result = called(db, name, arguments)
    if writes:
        file.parent.mkdir(exist_ok=True)
        keys = [*kept["keys"], context.idempotency_key]
        temporary = file.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({"db": db.model_dump_json(), "keys": keys}))
        temporary.replace(file)
    time.sleep(random.uniform(0, AFTER))
    return result


def _tool(name: str, method: Any) -> Any:
    writes = method.kind is Kind.WRITE

    def run(context: ToolContext, **arguments: Any) -> str:
        return _use(name, writes, arguments, context)

    signature = inspect.signature(method, eval_str=True)
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in list(signature.parameters.values())[1:]
    ]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=ToolContext)
    run.__name__ = name
    run.__doc__ = f"{name} of the retail domain"
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*parameters, context], return_annotation=str
    )
    return tool(idempotent=not writes)(run)


agent = Agent(
    "retail",
    "tau2-bench's retail domain",
    "You are a test.",
    tools=[
        _tool(name, method)
        for name, method in vars(DOMAIN).items()
        if hasattr(method, "kind") and not name.startswith("_")
    ],
)
