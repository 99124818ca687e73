from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ponderd.channels.descendants import descendants, kill_descendants, memory_held
from tests.services.eventually import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")

HELD = 40
TREE = f"""
import mmap, os, time
from ponderd.channels.descendants import adopt_orphans
adopt_orphans()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        shared = mmap.mmap(-1, {HELD} << 20)
        shared.write(bytes(len(shared)))
        if os.fork() == 0:
            print("ready", flush=True)
        time.sleep(3600)
    os._exit(0)
time.sleep(3600)
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[bytes]]:
    """A process whose child has left its session and died. The child's child holds shared memory,
    together with one of its own."""
    with subprocess.Popen([sys.executable, "-c", TREE], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process
        finally:
            kill_descendants(process.pid)
            process.kill()


def test_what_left_its_session_is_found_and_killed(parent: subprocess.Popen[bytes]) -> None:
    wait_until(lambda: len(descendants(parent.pid)) == 2)
    found = descendants(parent.pid)
    assert os.getsid(found[0]) == os.getsid(found[1]) != os.getsid(parent.pid)
    kill_descendants(parent.pid)
    wait_until(lambda: descendants(parent.pid) == [])
    assert parent.poll() is None


def test_shared_memory_counts_once(parent: subprocess.Popen[bytes]) -> None:
    alone = memory_held(os.getpid())
    assert alone > 0
    megabytes = memory_held(parent.pid) / 2**20
    assert HELD < megabytes < 2 * HELD


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert not Path(f"/proc/{process.pid}").exists()
    assert descendants(process.pid) == []
    assert memory_held(process.pid) == 0
    began = time.monotonic()
    kill_descendants(process.pid)
    assert time.monotonic() - began < 5
