"""A worker whose loop stands still is ended, whatever holds it; one that was stopped is not."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import psutil
import pytest

from ponderd.workers.execution.watchdog import BEAT
from tests.services.eventually import PATIENCE, wait_until

PROGRAM = """
import asyncio, ctypes, os, re, sys, threading, time
from ponderd.workers.execution import watchdog

watchdog.SHORTEST_PATIENCE = 3.0

def keeps_the_lock():
    ctypes.PyDLL(None).sleep(3600)

def never_matches():
    re.match(r"(a+)+$", "a" * 60 + "b")

async def main(how):
    watching = asyncio.create_task(watchdog.Watchdog(1).watch())
    await asyncio.sleep(1)
    if how == "closes all":
        os.closerange(3, 1000)
    if how == "its loop ends":
        asyncio.get_running_loop().stop()
    if how in globals():
        threading.Thread(target=globals()[how], daemon=True).start()
    while True:
        print("turns", flush=True)
        await asyncio.sleep(0.1)

try:
    asyncio.run(main(sys.argv[1]))
except BaseException as error:
    print(error, file=sys.stderr)
time.sleep(3600)
"""


def started(how: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROGRAM, how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("how", ["keeps_the_lock", "never_matches", "closes all", "its loop ends"])
def test_a_loop_that_stands_still_ends_its_process_and_where_is_written(how: str) -> None:
    with started(how) as process:
        try:
            _, errors = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGKILL
    assert b"the worker stood still for 3 s" in errors
    if "_" in how:
        assert f"in {how}".encode() in errors
    assert b"most recent call first" in errors


def test_a_process_that_was_stopped_goes_on() -> None:
    with started("well") as process:
        assert process.stdout is not None
        try:
            process.stdout.readline()
            process.send_signal(signal.SIGSTOP)
            time.sleep(3 + 4 * BEAT)
            process.send_signal(signal.SIGCONT)
            for _ in range(100):  # more than what waited in the pipe
                assert process.stdout.readline() == b"turns\n"
            assert process.poll() is None
        finally:
            process.kill()


def test_nothing_watches_a_process_that_has_ended() -> None:
    with started("well") as process:
        assert process.stdout is not None
        process.stdout.readline()
        [watching] = wait_until(psutil.Process(process.pid).children)
        process.kill()
    wait_until(lambda: not watching.is_running())
