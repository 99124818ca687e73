"""A skip that nobody allowed is a failure where CI is set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CASES = """
import pytest

@pytest.mark.skipif(True, reason="no such program")
def test_that_is_skipped(): pass

def test_that_skips_itself(): pytest.skip("no such machine")

@pytest.mark.xfail(reason="known")
def test_that_is_expected_to_fail(): raise ValueError

def test_that_runs(): pass
"""
MODULE = 'import pytest\npytest.skip("not on this system", allow_module_level=True)\n'


def outcomes(folder: Path, ci: str, *allowed: str) -> str:
    """The last lines of a run of the cases, with one line for each test that did not pass."""
    (folder / "test_cases.py").write_text(CASES)
    (folder / "test_module.py").write_text(MODULE)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "conftest.py").write_text(
        "from tests.services import skips\n"
        "from tests.services.skips import *  # noqa: F403\n"
        f"skips.ALLOWED = dict.fromkeys({allowed!r}, '')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--continue-on-collection-errors", folder],
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    return done.stdout.strip().splitlines()[-1].partition(" in ")[0]


@pytest.mark.parametrize(
    ("ci", "allowed", "said"),
    [
        ("", (), "1 passed, 3 skipped, 1 xfailed"),
        ("true", (), "1 failed, 1 passed, 1 xfailed, 2 errors"),
        ("true", ("no such program",), "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error"),
        (
            "true",
            ("no such program", "no such machine", "not on this system"),
            "1 passed, 3 skipped, 1 xfailed",
        ),
    ],
)
def test_a_skip_that_nobody_allowed_is_a_failure(
    tmp_path: Path, ci: str, allowed: tuple[str, ...], said: str
) -> None:
    assert outcomes(tmp_path, ci, *allowed) == said
