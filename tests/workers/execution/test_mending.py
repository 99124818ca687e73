"""What a tool replaces or takes away is there again when its call is over."""

from __future__ import annotations

import asyncio
import builtins
import json
import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ponderd.workers.execution.mending import mend, remember
from ponderd.workers.execution.threads import in_thread


def broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a tool put this here")


PLACES: list[tuple[Any, str]] = [
    (time, "time"),
    (time, "monotonic"),
    (time, "sleep"),
    (json, "dumps"),
    (json, "loads"),
    (asyncio, "sleep"),
    (asyncio, "create_task"),
    (threading, "Thread"),
    (threading.Thread, "start"),
    (os, "fstat"),
    (os, "environ"),
    (builtins, "open"),
]


@pytest.mark.parametrize(("owner", "name"), PLACES, ids=[name for _, name in PLACES])
@pytest.mark.parametrize("spoil", [setattr, lambda owner, name, _: delattr(owner, name)])
async def test_what_a_tool_replaced_is_there_again(
    owner: Any, name: str, spoil: Callable[[Any, str, object], None]
) -> None:
    before = getattr(owner, name)
    try:
        await in_thread(spoil, owner, name, broken)
        assert getattr(owner, name) is before
    finally:
        setattr(owner, name, before)


async def test_what_a_tool_adds_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    await in_thread(setattr, json, "added", broken)
    await in_thread(setattr, json, "dumps", broken)
    assert json.dumps(1) == "1"
    assert vars(json).pop("added") is broken


def test_what_is_odd_is_replaced_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise KeyboardInterrupt if other is None else RuntimeError("odd")

        __hash__ = None  # type: ignore[assignment]

    remember()
    before = json.dumps
    monkeypatch.setattr(json, "dumps", Odd())
    mend()
    assert json.dumps is before


async def test_the_files_that_a_worker_writes_can_be_read_after_it(tmp_path: Path) -> None:
    before = os.umask(0o022)
    os.umask(before)
    try:
        await in_thread(os.umask, 0o777)
        (tmp_path / "file").write_text("x")
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~before
    finally:
        os.umask(before)


async def test_limits_are_as_before() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, before[1]))

    try:
        await in_thread(lower)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
