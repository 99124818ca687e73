"""The API does what it says of itself, and whatever it is sent, it answers in its own form.

A real daemon on a real state server, asked by schemathesis, which makes requests up from the
OpenAPI document: valid ones, and others.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.services.eventually import patiently
from tests.services.stack import API_TOKEN, Client, Stack

HEADERS = {"authorization": f"Bearer {API_TOKEN}"}

# What a document cannot say, such as that one field needs another, is refused although the document
# allows it, and what it does not name is ignored. Who comes without a token waits for the answer:
# `ignored_auth` would take hours, see `test_nothing_answers_without_the_token`.
CHECKS = (
    "status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,allow_header_conformance,"
    "missing_required_header"
)

SIGNED = ("/webhooks/{source}", "/slack/events")
"""Where what is made up has no valid signature, and waits for its answer, too: a few will do."""


@contextlib.asynccontextmanager
async def daemon_of(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    stack.data_dir.mkdir(exist_ok=True)
    stack.start("serve")
    try:
        await stack.ready("/healthz")
        async with aiohttp.ClientSession(stack.url, headers=HEADERS) as session:
            yield session
    finally:
        await stack.stop("serve")


@pytest.fixture
async def client(redis_url: str, data_dir: Path) -> AsyncIterator[Client]:
    stack = Stack(redis_url, "http://127.0.0.1:9/v1", data_dir)
    async with daemon_of(stack) as session:
        yield Client(session)
    log = stack.log("serve")
    assert "Exception in ASGI" not in log and "Traceback" not in log, log[-5_000:]


async def asked(url: str, folder: Path, seed: int, examples: int, run_id: str | None) -> int:
    """The number of requests that were made up. None of them found a fault."""
    folder.mkdir()
    lines = [f"generation.max-examples = {examples}"]
    if run_id:
        lines += ["[parameters]", f'"path.run_id" = "{run_id}"']
    for path in SIGNED:
        lines += ["[[operations]]", f'include-path = "{path}"', "generation.max-examples = 3"]
    (folder / "schemathesis.toml").write_text("\n".join(lines))
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json",
        "--header", f"Authorization: Bearer {API_TOKEN}",
        "--phases", "coverage,fuzzing", "--checks", CHECKS, "--seed", str(seed),
        "--continue-on-failure", "--workers", "3",
        "--suppress-health-check", "all", "--request-timeout", "60", "--warnings", "off",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _ = await process.communicate()
    text = said.decode()
    assert process.returncode == 0, text[-20_000:]
    made = re.search(r"([\d,]+) generated", text)
    assert made, text[-5_000:]
    return int(made[1].replace(",", ""))


async def attacked(client: Client, tmp_path: Path, examples: int) -> int:
    url = str(client.session._base_url).rstrip("/")
    run_id = await client.launch("assistant", "hello")
    made = await asyncio.gather(
        asked(url, tmp_path / "any", 1, examples, None),
        asked(url, tmp_path / "known", 2, examples, run_id),
    )
    async with client.session.get("/healthz") as response:
        assert response.status == 200
    print(f"{sum(made)} requests")
    return sum(made)


@pytest.mark.short
async def test_the_api_does_what_it_says(client: Client, tmp_path: Path) -> None:
    assert await attacked(client, tmp_path, 5) > 1_500


@pytest.mark.fuzz
@pytest.mark.timeout(3_000)
async def test_the_api_does_what_it_says_ten_thousand_times(client: Client, tmp_path: Path) -> None:
    assert await attacked(client, tmp_path, 210) >= 10_000


async def test_nothing_answers_without_the_token(client: Client) -> None:
    document = await client.get("/openapi.json")
    asked_for = [
        (method.upper(), path.replace("{", "x").replace("}", "x"))
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if operation["security"]
    ]
    assert len(asked_for) > 25
    url = str(client.session._base_url).rstrip("/")

    async def status(method: str, path: str, headers: dict[str, str]) -> int:
        async with strangers.request(method, url + path, headers=headers, json={}) as response:
            assert list(await response.json()) == ["error"]
            return response.status

    wrong = ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {API_TOKEN}"})
    tries = [(*one, headers) for one in asked_for for headers in wrong]
    async with aiohttp.ClientSession() as strangers:
        found = await asyncio.gather(*(status(*one) for one in tries))
    answered = [one for one, status in zip(tries, found, strict=True) if status != 401]
    assert answered == []


def nested(depth: int) -> bytes:
    return b'{"name": "n", "payload": ' + b"[" * depth + b"]" * depth + b"}"


ODD = {
    "deep": nested(300),
    "deeper": nested(5_000),
    "deepest": nested(100_000),
    "surrogate": rb'{"name": "n", "payload": "\ud800"}',
    "surrogate inside": rb'{"name": "n", "payload": {"\ud800": ["\udfff"]}}',
    "surrogate name": rb'{"name": "\ud800"}',
    "surrogate by": rb'{"name": "n", "by": "\ud800"}',
    "NUL": rb'{"name": "\u0000", "payload": "\u0000", "by": "\u0000"}',
    "huge number": b'{"name": "n", "payload": ' + b"9" * 4_000 + b"}",
    "larger number": b'{"name": "n", "payload": ' + b"9" * 100_000 + b"}",
    "infinite": b'{"name": "n", "payload": 1e999}',
    "NaN": b'{"name": "n", "payload": [NaN, -Infinity]}',
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "UTF-16": '{"name": "n"}'.encode("utf-16"),
    "BOM": b'\xef\xbb\xbf{"name": "n"}',
    "twice": b'{"name": "n", "name": 5}',
    "a list": b"[]",
    "nothing": b"",
    "null": b"null",
}


async def test_odd_bodies_get_an_answer(client: Client) -> None:
    run_id = await client.launch("assistant", "hello")
    paths = (f"/runs/{run_id}/events", f"/runs/{run_id}/messages", "/runs", f"/runs/{run_id}/fork",
             f"/runs/{run_id}/cancel", f"/approvals/{run_id}:3", "/deliveries/retry", "/thinking",
             "/webhooks/default", "/slack/events")  # fmt: skip
    for (what, body), path, keyed in itertools.product(ODD.items(), paths, (False, True)):
        method = "PUT" if path == "/thinking" else "POST"
        headers = {"content-type": "application/json"}
        if keyed:
            headers["idempotency-key"] = what
        async with client.session.request(method, path, data=body, headers=headers) as response:
            said = await patiently(response.text())
            assert response.status < 500, (what, path, said)
            if response.status >= 400:
                assert list(json.loads(said)) == ["error"], (what, path, said)
    events = await client.get(f"/runs/{run_id}/events")
    assert events["events"][0]["type"] == "run_launched"


async def test_it_says_what_it_needs_and_answers(client: Client) -> None:
    document = await client.get("/openapi.json")
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert "HTTPValidationError" not in json.dumps(document)
    paths: dict[str, Any] = document["paths"]
    assert paths["/runs"]["post"]["security"] == [{"token": []}]
    assert paths["/healthz"]["get"]["security"] == []
    assert {"201", "400", "401", "404", "409", "413", "415", "422", "503"} <= set(
        paths["/runs"]["post"]["responses"]
    )
    assert list(paths["/metrics"]["get"]["responses"]["200"]["content"]) == ["text/plain"]
    async with client.session.get("/metrics") as response:
        assert response.content_type == "text/plain"


async def test_its_page_needs_nothing_from_elsewhere(client: Client) -> None:
    async with client.session.get("/docs") as response:
        page = await response.text()
        policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert "POST /runs/{run_id}/messages" in page
    assert not re.search(r"<script|<link|src=|https?://", page)


async def test_a_refused_request_leaves_its_key_to_the_right_one(client: Client) -> None:
    run_id = await client.launch("assistant", "hello")
    tries: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("/runs", {"agent": "nosuch", "text": "x"}, {"agent": "assistant", "text": "x"}),
        ("/runs", {"agent": "assistant"}, {"agent": "assistant", "text": "x"}),
        (
            "/runs",
            {"agent": "assistant", "text": "x", "reply_to": "http://127.0.0.1/"},
            {"agent": "assistant", "text": "x"},
        ),
        (f"/runs/{run_id}/messages", {"text": ""}, {"text": "x"}),
        (f"/runs/{run_id}/events", {"name": ""}, {"name": "x"}),
        (f"/runs/{run_id}/fork", {"at": 999}, {"at": 2}),
        (f"/runs/{run_id}/fork", {"at": 2, "text": ""}, {"at": 2, "text": "x"}),
    ]
    for number, (path, wrong, right) in enumerate(tries):
        key = f"key-{number}"
        status, said = await client.post(path, wrong, idempotency_key=key)
        assert 400 <= status < 500, said
        status, first = await client.post(path, right, idempotency_key=key)
        assert status in (200, 201), first
        status, again = await client.post(path, right, idempotency_key=key)
        assert (status, again["id"]) == (status, first["id"])


async def test_a_frozen_store_is_told_soon(redis_url: str, data_dir: Path) -> None:
    """The state server is there and answers nothing, as a machine that swaps."""

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    frozen = await asyncio.start_server(never, "127.0.0.1", 0)
    port = frozen.sockets[0].getsockname()[1]
    stack = Stack(f"redis://127.0.0.1:{port}/0", f"http://127.0.0.1:{port}/v1", data_dir)
    async with frozen, daemon_of(stack) as session:
        async with session.get("/readyz") as response:
            assert response.status == 503
            checks = (await response.json())["checks"]
        assert set(checks.values()) == {"no answer within 2 s"} and len(checks) == 3
        async with session.get("/metrics") as response:
            assert "ponderd_state_up 0.0" in await response.text()


async def test_nobody_is_led_elsewhere(client: Client) -> None:
    """A redirect would name the scheme and host of whoever asks, and lead a token there."""
    for path in (
        "/runs/",
        "/healthz/",
        "/approvals/",
        "/schedules/x/",
    ):
        async with client.session.get(path, allow_redirects=False) as response:
            assert response.status == 404, path
            assert set(await response.json()) == {"error"}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_what_is_no_number_is_refused(client: Client, number: str) -> None:
    run_id = await client.launch("assistant", "hello")
    body = f'{{"name": "x", "payload": [{{"a": {number}}}]}}'
    async with client.session.post(
        f"/runs/{run_id}/events", data=body, headers={"content-type": "application/json"}
    ) as response:
        assert response.status == 422, await response.text()
