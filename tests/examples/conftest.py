"""One of the examples in the world of the workers: real parts, but for model and channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ponderd.workers.agents.discovery import load
from tests.services.fakes import Line
from tests.workers.conftest import world as world
from tests.workers.world import World

EXAMPLES = Path(__file__).parents[2] / "examples"

Stage = Callable[[str, Sequence[Line]], World]


@pytest.fixture
def stage(world: World, data_dir: Path) -> Stage:
    """`stage("expenses", lines)`: the world with that agent; the model says these lines in turn."""

    def set_up(name: str, lines: Sequence[Line]) -> World:
        # The world knows one agent, by this name.
        world.agent = replace(load(EXAMPLES / f"{name}.py"), name="tester")
        world.become()
        world.executor = world.worker(data_dir=data_dir)
        world.model.lines = lines
        return world

    return set_up
