"""Tests that run side by side do not meet on a port."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.services.ports import FIRST, LAST, free_port

ROOT = Path(__file__).parents[1]
DRAW = """
from tests.services.ports import free_port
print(*(free_port() for _ in range(100)), flush=True)
input()
"""


def test_no_port_is_given_to_two_processes() -> None:
    drawn = [free_port() for _ in range(100)]
    others = [
        subprocess.Popen(
            [sys.executable, "-c", DRAW],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for other in others:
        assert other.stdout
        drawn += map(int, other.stdout.readline().split())
    for other in others:
        other.communicate("\n")
    assert len(drawn) == len(set(drawn)) == 300
    assert all(FIRST <= port <= LAST for port in drawn)
