"""One message in, exactly one answer back, on every channel: real processes, scripted model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.services.model_server import ScriptedModel
from tests.services.stack import Client, Stack, running


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel() as server:
        yield server


@pytest.fixture
async def ponderd(
    redis_url: str, model: ScriptedModel, data_dir: Path
) -> AsyncIterator[tuple[Client, Stack]]:
    stack = Stack(redis_url, model.url, data_dir)
    async with running(stack) as client:
        yield client, stack


async def test_api(ponderd: tuple[Client, Stack], model: ScriptedModel) -> None:
    client, _ = ponderd
    run_id = await client.launch("assistant", "hello")
    view = await client.until(run_id)
    assert (view["status"], view["reply"]) == ("COMPLETED", "ok")
