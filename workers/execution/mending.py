"""Undo what the code of agents did to the whole worker: a limit or a folder of its own, a closed
standard stream, a function of the standard library that it replaced.

Others meet it until then, and not all can be undone, such as an alarm or a closed connection.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

_OWN: tuple[Any, ...] = (
    asyncio, builtins, json, os, threading, threading.Thread, time,
)  # fmt: skip
"""What our own code calls at every step."""
_LIMITS = tuple(
    getattr(resource, f"RLIMIT_{name}")
    for name in ("AS", "CPU", "DATA", "FSIZE", "NOFILE", "NPROC")
    if hasattr(resource, f"RLIMIT_{name}")
)
_RECURSION_LIMIT = sys.getrecursionlimit()


class _Before(NamedTuple):
    folder: str
    streams: tuple[int, ...]
    """Copies of the standard streams."""
    umask: int
    limits: Mapping[int, tuple[int, int]]
    names: tuple[dict[str, object], ...]
    """What the names of `_OWN` stand for."""


@lru_cache(maxsize=1)
def remember() -> _Before:
    """How the worker is now. Call it before the first code of an agent that may change it."""
    copies = []
    for number in range(3):
        try:
            copies.append(os.dup(number))
        except OSError:
            copies.append(os.open(os.devnull, os.O_RDWR))
    umask = os.umask(0o077)
    os.umask(umask)
    return _Before(
        _folder(),
        tuple(copies),
        umask,
        {kind: resource.getrlimit(kind) for kind in _LIMITS},
        tuple(dict(vars(owner)) for owner in _OWN),
    )


def mend() -> None:
    """Make the worker as it was when it was remembered."""
    before = remember()
    for owner, names in zip(_OWN, before.names, strict=True):
        _restore(owner, names)
    if sys.getrecursionlimit() != _RECURSION_LIMIT:
        sys.setrecursionlimit(_RECURSION_LIMIT)
    with contextlib.suppress(OSError):  # the folder is gone
        if _folder() != before.folder:
            os.chdir(before.folder)
    for number, copy in enumerate(before.streams):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):  # the next connection would get its number
                os.dup2(copy, number)
    os.umask(before.umask)
    for kind, limits in before.limits.items():
        if resource.getrlimit(kind) != limits:
            with contextlib.suppress(OSError, ValueError):  # the hard limit was lowered, too
                resource.setrlimit(kind, limits)


_MISSING = object()


def _restore(owner: Any, names: Mapping[str, object]) -> None:
    """Names that were added stay: they hurt nobody."""
    now = vars(owner)
    with contextlib.suppress(Exception):  # it is compared with something odd
        if now == names:  # as always: takes 2 µs, and the loop 20
            return
    for name, value in names.items():
        if now.get(name, _MISSING) is not value:
            with contextlib.suppress(AttributeError, TypeError):  # Python keeps it for itself
                setattr(owner, name, value)


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 (ten times as fast, and every tool call asks)
    except OSError:
        return ""
