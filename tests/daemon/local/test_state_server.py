import asyncio
import contextlib
import stat
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio as redis

from ponderd.daemon.local import state_server
from tests.services.eventually import PATIENCE
from tests.services.ports import free_port

PASSWORD = "secret-of-this-test"


@contextlib.asynccontextmanager
async def serving(
    data_dir: Path, fsync: str = "everysec"
) -> AsyncIterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    config = state_server.write_config(data_dir, port, PASSWORD, fsync)
    process = subprocess.Popen(state_server.command(config), stdout=subprocess.DEVNULL)
    url = state_server.url(port, PASSWORD)
    try:
        async with asyncio.timeout(PATIENCE):
            while await state_server.problem(url):
                await asyncio.sleep(0.02)
        yield process, url
    finally:
        process.terminate()
        process.wait(PATIENCE)


async def test_what_was_written_survives_kill_9(tmp_path: Path) -> None:
    async with serving(tmp_path) as (process, url), redis.Redis.from_url(url) as client:
        for number in range(1_000):
            await client.rpush("log", number)
        process.kill()
        process.wait()
    async with serving(tmp_path) as (_, url), redis.Redis.from_url(url) as client:
        assert await client.llen("log") == 1_000


async def test_what_was_written_survives_a_normal_stop(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, url), redis.Redis.from_url(url) as client:
        await client.set("a", "b")
    async with serving(tmp_path) as (_, url), redis.Redis.from_url(url) as client:
        assert await client.get("a") == b"b"


async def test_it_forgets_nothing_to_save_memory_and_writes_no_snapshots(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, url), redis.Redis.from_url(url) as client:
        assert await client.config_get("appendonly", "maxmemory-policy", "save") == {
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
            "save": "",
        }
    assert not list(tmp_path.rglob("*.rdb"))


@pytest.mark.parametrize("fsync", ["everysec", "always"])
async def test_it_writes_to_the_disk_as_often_as_it_is_told(tmp_path: Path, fsync: str) -> None:
    async with serving(tmp_path, fsync) as (_, url), redis.Redis.from_url(url) as client:
        assert await client.config_get("appendfsync") == {"appendfsync": fsync}


async def test_only_loopback_and_only_with_the_password(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, url):
        async with redis.Redis.from_url(url) as client:
            assert await client.config_get("bind") == {"bind": "127.0.0.1"}
        async with redis.Redis.from_url(url.replace(PASSWORD, "wrong")) as stranger:
            with pytest.raises(redis.AuthenticationError):
                await stranger.ping()


async def test_the_password_is_for_the_owner_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as (process, _):
        assert PASSWORD not in " ".join(map(str, process.args))  # type: ignore[arg-type]
    assert stat.S_IMODE((tmp_path / "state" / "server.conf").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


async def test_a_folder_with_a_blank_and_quotes_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / 'my "data" folder'
    folder.mkdir()
    async with serving(folder) as (_, url):
        assert await state_server.problem(url) is None


async def test_a_server_that_is_not_there_is_a_problem() -> None:
    port = free_port()
    assert "connecting to 127.0.0.1" in str(await state_server.problem(state_server.url(port, "x")))


async def test_a_healthy_disk_is_no_problem(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, url):
        assert await state_server.write_problem(url, tmp_path) is None
        async with redis.Redis.from_url(url) as client:
            assert await client.dbsize() == 0  # looking wrote nothing


async def test_whatever_a_server_refuses_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, url), redis.Redis.from_url(url) as client:
        await client.config_set("maxmemory", 1)
        assert "maxmemory" in str(await state_server.write_problem(url))
        await client.config_set("maxmemory", 0)
        await client.replicaof("127.0.0.1", "1")
        assert "read only replica" in str(await state_server.write_problem(url))
        await client.replicaof("NO", "ONE")
        assert await state_server.write_problem(url) is None


async def test_who_is_gone_is_told_unless_the_supervisor_sees_it(tmp_path: Path) -> None:
    url = state_server.url(free_port(), "secret")
    said = str(await state_server.write_problem(url))
    assert "connecting" in said and "secret" not in said
    assert await state_server.write_problem(url, tmp_path) is None


async def test_redis_server_on_path_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert state_server.find_binary().name in ("redis-server", "valkey-server")
    own = tmp_path / "redis-server"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert state_server.find_binary() == own
