"""Tools that make a run wait, for a second or a month, without a worker."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ponderd import WaitFor, tool

LONGEST = 366 * 24 * 3600.0
"""The most seconds for which a model may wait."""


@tool(idempotent=True)
def sleep(seconds: Annotated[float, Field(gt=0, le=LONGEST)]) -> WaitFor:
    """wait so many seconds, then go on"""
    return WaitFor(seconds=seconds, note=f"waiting {seconds:g} s")


@tool(idempotent=True)
def wait_for_event(
    name: Annotated[str, Field(min_length=1, max_length=200)],
    seconds: Annotated[float, Field(gt=0, le=LONGEST)],
) -> WaitFor:
    """wait until the named event arrives, but no longer than so many seconds"""
    return WaitFor(seconds=seconds, event=name, note=f"waiting for {name}")
