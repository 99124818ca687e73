from __future__ import annotations

import asyncio
from pathlib import Path

from ponderd.daemon import archive_duty
from ponderd.daemon.background import running
from ponderd.workers.execution.archive_readers import READERS, Reader
from ponderd.workers.store.archive import FolderArchive
from ponderd.workers.store.memory_store import MemoryStore
from tests.services.eventually import eventually


async def test_it_tells_what_it_reads_and_leaves(tmp_path: Path) -> None:
    store, archive = MemoryStore(), FolderArchive(tmp_path / "archive")
    (tmp_path / "archive").touch()

    async def told(identity: str) -> bool:
        found = [Reader.model_validate_json(one) for one in (await store.box(READERS)).values()]
        return [one.archive for one in found] == [identity]

    async with running(archive_duty.keep(store, archive, 0.01)):
        await eventually(lambda: told(""))
        (tmp_path / "archive").unlink()
        identity = await archive.identity()
        await eventually(lambda: told(identity))
        store.available = False
        await asyncio.sleep(0.05)
        store.available = True
        await eventually(lambda: told(identity))
    assert await store.box(READERS) == {}
