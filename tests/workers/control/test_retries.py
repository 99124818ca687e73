"""Failed runs are brought on from the step that failed: one, or all that match."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from ponderd.channels.errors import Conflict, DeliveryError, ModelError, NotFound, Refused
from ponderd.daemon.api.http import install_errors
from ponderd.daemon.api.retries import retry_routes
from ponderd.workers.control.retries import Failed, Retries
from ponderd.workers.run import events as e
from ponderd.workers.run.state import Status
from ponderd.workers.store.archive import FolderArchive
from tests.services.asgi import ask
from tests.workers.world import CALLBACK, LAUNCH, MAILBOX, REPLY, RING, THREAD, World

REFUSED = ModelError("the model server answered HTTP 400", retryable=False)
GONE = DeliveryError("callback answered 410", permanent=True)


@pytest.fixture
def retries(world: World) -> Retries:
    return Retries(world.log)


async def failed(world: World, *lines: Any, **fields: Any) -> str:
    """A run whose model refuses after `lines`. Afterwards the model works again."""
    world.model.lines, world.model.prompts = (*lines, REFUSED), []
    run_id = await world.write(**fields)
    await world.advance(run_id)
    while (run := await world.run(run_id)).status is not Status.FAILED:
        await world.later(600)
        assert run.version < 60, "it never fails"
    world.model.lines, world.model.prompts = (REPLY,), []
    return run_id


async def test_the_answer_goes_to_where_it_would_have_gone(world: World, retries: Retries) -> None:
    run_id = await failed(world, RING, reply_to=CALLBACK)
    assert len(world.channel.texts) == 1
    view = await retries.retry(run_id, by="ann")
    assert (view.status, view.error) == (Status.READY, None)
    assert (await world.advance(run_id)).status is Status.COMPLETED
    assert world.channel.texts[1:] == ["all done"]
    assert world.effects.counted == ["bell"]  # what tools have returned is kept
    assert "bell done" in str(world.model.prompts[0])


async def test_an_answer_that_did_not_arrive_is_sent_again(world: World, retries: Retries) -> None:
    world.channel.failures = [GONE]
    run_id = await world.write(reply_to=CALLBACK)
    assert (await world.advance(run_id)).status is Status.FAILED
    await retries.retry(run_id, by="ann")
    assert (await world.advance(run_id)).status is Status.COMPLETED
    assert world.channel.texts == ["ok"]
    assert len(world.model.prompts) == 1
    keys = {begun.key for begun in await world.of_type(run_id, e.ReplyStarted)}
    assert len(keys) == 1


async def test_the_news_of_the_failure_is_dropped_if_it_did_not_arrive(
    world: World, retries: Retries
) -> None:
    world.channel.failures = [GONE]
    run_id = await failed(world, reply_to=CALLBACK)
    assert (await world.run(run_id)).outbox.undelivered
    await retries.retry(run_id, by="ann")
    run = await world.advance(run_id)
    assert (run.status, run.outbox.undelivered) == (Status.COMPLETED, ())
    assert world.channel.texts == ["all done"]


async def test_it_may_fail_again(world: World, retries: Retries) -> None:
    run_id = await failed(world, reply_to=CALLBACK)
    world.model.lines = (REFUSED,)
    await retries.retry(run_id, by="ann")
    await world.advance(run_id)
    while (await world.run(run_id)).status is not Status.FAILED:
        await world.later(600)
    assert len(world.channel.texts) == 2
    world.model.lines = (REPLY,)
    await retries.retry(run_id, by="ann")
    await world.advance(run_id)
    assert world.channel.texts[2:] == ["all done"]


async def test_a_run_that_goes_on_with_a_new_message_has_not_failed(
    world: World, retries: Retries
) -> None:
    run_id = await failed(world, reply_to=THREAD)
    world.model.lines = (REFUSED,)
    await world.write("and this?", reply_to=MAILBOX)
    await world.advance(run_id)
    assert (await world.run(run_id)).status is not Status.FAILED
    with pytest.raises(Conflict, match="it has not failed"):
        await retries.retry(run_id, by="ann")


async def test_what_was_cancelled_is_not_retried(world: World, retries: Retries) -> None:
    world.model.lines = [LAUNCH, REPLY]
    run_id = await world.write(reply_to=THREAD)
    await world.advance(run_id)
    await world.runs.cancel(run_id, "ann")
    await world.advance(run_id)
    with pytest.raises(Conflict, match="was cancelled"):
        await retries.retry(run_id, by="ann")


async def test_what_did_not_fail_is_not_retried(world: World, retries: Retries) -> None:
    run_id = await world.write()
    await world.advance(run_id)
    with pytest.raises(Conflict, match="nothing to retry"):
        await retries.retry(run_id, by="ann")
    for unknown in ("00-nothing", "nonsense"):
        with pytest.raises(NotFound):
            await retries.retry(unknown, by="ann")
        with pytest.raises(NotFound):
            await retries.retry(unknown, "ann", ("key",), "digest")


async def test_two_at_once_retry_it_once(world: World, retries: Retries) -> None:
    run_id = await failed(world, reply_to=CALLBACK)
    event = e.RunRetried(at=world.clock(), by="bob")
    await retries.retry(run_id, by="ann")
    await world.log.admit_to(run_id, (), event)  # decided on the same failure
    assert (await world.advance(run_id)).status is Status.COMPLETED
    await world.log.admit_to(run_id, (), event)
    assert (await world.advance(run_id)).status is Status.COMPLETED
    assert world.channel.texts[1:] == ["all done"]


async def test_a_key_retries_once(world: World, retries: Retries) -> None:
    run_id = await failed(world, reply_to=CALLBACK)
    await retries.retry(run_id, "ann", ("key",), "digest")
    await world.advance(run_id)
    assert (await retries.retry(run_id, "ann", ("key",), "digest")).status is Status.COMPLETED
    assert (await world.types(run_id)).count("run_retried") == 1
    with pytest.raises(Conflict, match="came before"):
        await retries.retry(run_id, "ann", ("key",), "another")


async def test_a_refused_retry_burns_no_key(world: World, retries: Retries) -> None:
    run_id = await world.write(conversation="x")
    await world.advance(run_id)
    with pytest.raises(Refused):
        await retries.retry(run_id, "ann", ("key",), "digest")
    other = await failed(world, conversation="y")
    assert (await retries.retry(other, "ann", ("key",), "other")).status is Status.READY


async def test_comes_back_from_the_archive(world: World, tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path)
    world.serve({"tester": world.agent}, archive)
    retries = Retries(world.log)
    run_id = await failed(world, reply_to=CALLBACK)
    await archive.put(run_id, await world.store.load(run_id))
    assert await world.store.expire(run_id, (await world.run(run_id)).version)
    await retries.retry(run_id, by="ann")
    assert (await world.advance(run_id)).status is Status.COMPLETED
    assert world.channel.texts[1:] == ["all done"]


async def test_not_into_another_run_of_its_conversation(world: World, tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path)
    world.serve({"tester": world.agent}, archive)
    run_id = await failed(world, reply_to=CALLBACK)
    await archive.put(run_id, await world.store.load(run_id))
    assert await world.store.expire(run_id, (await world.run(run_id)).version)
    newer = await failed(world, reply_to=CALLBACK)
    assert newer != run_id
    with pytest.raises(Conflict, match="another run"):
        await Retries(world.log).retry(run_id, by="ann")
    assert "run_retried" not in await world.types(newer)


async def test_a_fork_keeps_its_answer(world: World, retries: Retries) -> None:
    run_id = await failed(world, reply_to=CALLBACK)
    fork = (await world.runs.fork(run_id, at=None, by="ann")).id
    await world.advance(fork)
    sent = len(world.channel.texts)
    await retries.retry(fork, by="ann")
    run = await world.advance(fork)
    assert (run.status, run.outbox.reply) == (Status.COMPLETED, "all done")
    assert len(world.channel.texts) == sent


async def test_all_that_match(world: World, retries: Retries) -> None:
    first = await failed(world, conversation="1")
    world.clock.now += 3600
    later = datetime.fromtimestamp(world.clock.now, UTC)
    second = await failed(world, conversation="2")
    for found, runs in [
        (Failed(), 2),
        (Failed(agent="other"), 0),
        (Failed(since=later), 1),
        (Failed(until=later), 1),
        (Failed(error="CANNOT answer"), 2),
        (Failed(error="no such error"), 0),
    ]:
        counted = await retries.retry_all(found, "ann", dry_run=True)
        assert (counted.matched, counted.retried) == (runs, []), found
    assert (await retries.retry_all(Failed(since=later), "ann")).retried == [second]
    assert (await retries.retry_all(Failed(), "ann")).retried == [first]
    for run_id in (first, second):
        assert (await world.advance(run_id)).status is Status.COMPLETED


async def test_in_portions(world: World, retries: Retries) -> None:
    runs = {await failed(world, conversation=str(number)) for number in range(5)}
    found, cursor, portions = list[str](), None, 0
    while portions == 0 or cursor:
        portion = await retries.retry_all(Failed(), "ann", cursor=cursor, limit=2)
        found, cursor, portions = found + portion.retried, portion.cursor, portions + 1
    assert (sorted(found), portions) == (sorted(runs), 3)


async def test_over_http(world: World, retries: Retries) -> None:
    app = FastAPI()
    install_errors(app)
    app.include_router(retry_routes(retries))

    async def post(path: str, key: str = "", **body: Any) -> tuple[int, Any]:
        headers = {"content-type": "application/json"} | ({"idempotency-key": key} if key else {})
        answer = await ask(app, "POST", path, json.dumps(body).encode(), headers)
        return answer.status, json.loads(answer.body)

    run_id = await failed(world)
    assert await post("/runs/retry", dry_run=True) == (
        200,
        {"matched": 1, "retried": [], "cursor": None},
    )
    status, done = await post("/runs/retry", "k", since="1970-01-01T00:00:00")
    assert (status, done["retried"]) == (200, [run_id])
    await world.advance(run_id)
    assert (await post("/runs/retry", "k", error="x"))[0] == 409
    assert (await post("/runs/retry", status="CANCELLED"))[0] == 422
    assert (await post("/runs/retry", cursor="nonsense"))[0] == 400
    assert (await post(f"/runs/{run_id}/retry"))[0] == 409
    again = await failed(world, conversation="again")
    status, view = await post(f"/runs/{again}/retry", "k2", by="bob")
    assert (status, view["status"]) == (200, "READY")
    assert (await post(f"/runs/{again}/retry", "k2", by="bob"))[0] == 200
