"""Filling templates in beside the event loop: bounded in time, in memory and in size."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ponderd.channels.errors import Malformed, Unavailable
from ponderd.channels.webhook.rendering import Renderer
from ponderd.channels.webhook.template import Rendered
from tests.services.eventually import eventually

PAYLOAD = {"title": "Disk", "action": "opened", "n": 3}

HANGING = """
import time
from ponderd.channels import killable_process
from ponderd.channels.webhook import rendering
render = rendering.render
def stuck(source, variables):
    if source == "hang": time.sleep(600)
    if source == "die": raise SystemExit(3)
    return render(source, variables)
rendering.render = stuck
killable_process.main()
"""


@pytest.fixture
async def renderer() -> AsyncIterator[Renderer]:
    renderer = Renderer()
    await renderer.start()
    yield renderer
    await renderer.close()


async def fill(renderer: Renderer, payload: Any = PAYLOAD, **templates: str) -> dict[str, Rendered]:
    return await renderer.render(templates, payload, {"x-event": "e"}, {"q": "1"})


async def test_all_templates_of_a_route_are_filled_in(renderer: Renderer) -> None:
    done = await fill(renderer, text="{{ title }} {{ headers.x_event }}", id="{{ n }}{{ query.q }}")
    assert done == {"text": Rendered("Disk e"), "id": Rendered("31")}


async def test_nothing_else_is_done_if_the_condition_does_not_hold(renderer: Renderer) -> None:
    done = await fill(renderer, text="{{ title }}", when="{{ action == 'closed' }}")
    assert done == {"when": Rendered("false")}
    done = await fill(renderer, text="{{ title }}", when="{{ action == 'opened' }}")
    assert done["text"].text == "Disk"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}",
         "too long"),
        ("{{ title * 10 ** 11 }}", "Memory"),
        ("{{ (title * 10 ** 8)|center(10 ** 10) }}", "Memory"),
        ("{% set x = namespace(a=n) %}{% for i in range(99) %}"
         "{% set x.a = x.a ~ x.a %}{% endfor %}",
         "memory"),
        ("{{ '%09999999999d' % n }}", "Memory"),
    ],
)  # fmt: skip
async def test_a_template_without_end_costs_only_what_comes_after(
    renderer: Renderer, source: str, problem: str
) -> None:
    done = await fill(renderer, text="A" + source, id="{{ n }}")
    assert done["id"] == Rendered("3")
    assert done["text"].text == "A"
    assert problem.lower() in " ".join(done["text"].problems).lower()


async def test_one_that_cannot_be_stopped_is_killed_and_the_sender_told() -> None:
    renderer = Renderer(seconds=1, command=(sys.executable, "-c", HANGING))
    try:
        for source, why in (("hang", "longer than 1 s"), ("die", "ended")):
            with pytest.raises(Unavailable, match=f"try again: .*{why}"):
                await fill(renderer, when="true", text=source, answer="slack:C1")

        async def is_filled_in() -> bool:  # a busy machine may need more than that second
            try:
                return (await fill(renderer, text="{{ title }}"))["text"].text == "Disk"
            except Unavailable:
                return False

        await eventually(is_filled_in)
    finally:
        await renderer.close()


async def test_a_process_that_is_killed_from_outside_costs_no_delivery(renderer: Renderer) -> None:
    [process] = renderer._pool._idle
    process._process.kill()
    assert await fill(renderer, text="{{ title }}") == {"text": Rendered("Disk")}


async def test_many_wait_for_their_turn_and_more_are_told_to_come_back(renderer: Renderer) -> None:
    done = await asyncio.gather(*(fill(renderer, text="{{ title }}") for _ in range(200)))
    assert {one["text"].text for one in done} == {"Disk"}
    small = Renderer(processes=1, waiting=1)
    try:
        many = [fill(small, text="{{ title }}") for _ in range(5)]
        outcomes = await asyncio.gather(*many, return_exceptions=True)
        assert sum(isinstance(one, Unavailable) for one in outcomes) == 3
    finally:
        await small.close()


async def test_a_payload_that_is_nested_too_deeply_is_refused(renderer: Renderer) -> None:
    deep: Any = "x"
    for _ in range(3_000):
        deep = [deep]
    with pytest.raises(Malformed, match="nested"):
        await fill(renderer, deep, text="{{ payload }}")
