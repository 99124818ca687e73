"""Begin anew what met a store that had just begun to move to another layout."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from ponderd.workers.store.contract import StoreMoves

P = ParamSpec("P")
T = TypeVar("T")


def again_if_moved(call: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Do it once more, with an id of the new layout. Nothing was stored the first time."""

    @wraps(call)
    async def do(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await call(*args, **kwargs)
        except StoreMoves:
            return await call(*args, **kwargs)

    return do
