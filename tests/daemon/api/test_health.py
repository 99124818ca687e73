"""What /readyz looks at is looked at side by side: a frozen store makes nobody wait twice."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import FastAPI

from ponderd.daemon.api import health
from ponderd.workers.settings import WorkerSettings
from tests.services.asgi import ask
from tests.services.eventually import PATIENCE


class Meeting:
    """A store, and a list of stranded runs, whose answers come when all have been asked."""

    def __init__(self) -> None:
        self._all_asked = asyncio.Barrier(3)

    async def remember(self, *_: object, **__: object) -> None:
        await self._all_asked.wait()

    async def check_replicas(self) -> None:
        pass

    async def gauges(self) -> SimpleNamespace:
        await self._all_asked.wait()
        return SimpleNamespace(workers=1)

    async def listed(self) -> dict[str, Any]:
        await self._all_asked.wait()
        return {}


async def test_all_is_looked_at_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", PATIENCE)
    meeting = cast(Any, Meeting())
    app = FastAPI()
    app.include_router(
        health.health_routes(
            meeting, cast(Any, None), WorkerSettings(), cast(Any, None), stranded=meeting
        )
    )
    answer = await ask(app, "GET", "/readyz")
    assert json.loads(answer.body) == {
        "ready": True,
        "checks": {"state": "ok", "workers": "ok"},
        "degraded": [],
    }
