"""A word from elsewhere, waited for beside tasks."""

from __future__ import annotations

import asyncio

from ponderd.workers.execution.signal import Signal


async def test_a_word_ends_the_wait() -> None:
    signal, task = Signal(), asyncio.create_task(asyncio.sleep(3600))
    waiting = asyncio.create_task(signal.or_any([task]))
    await asyncio.sleep(0)
    signal.set()
    assert await waiting
    assert not task.done()
    assert await signal.or_any([task])  # it stays until somebody has taken it
    signal.clear()
    assert not await signal.or_any([task], 0)
    task.cancel()


async def test_a_task_that_ends_ends_the_wait() -> None:
    signal, task = Signal(), asyncio.create_task(asyncio.sleep(0))
    assert not await signal.or_any([task])
    assert task.done()
    assert not await signal.or_any([task])


async def test_a_word_that_came_before_is_heard_at_once() -> None:
    signal = Signal()
    signal.set()
    assert await signal.or_any([])


async def test_nothing_is_left_behind_by_a_wait_that_is_cancelled() -> None:
    signal, task = Signal(), asyncio.create_task(asyncio.sleep(3600))
    waiting = asyncio.create_task(signal.or_any([task], 3600))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    signal.set()
    assert await signal.or_any([task])
    task.cancel()
