"""The virtual environment of the peers, made once, in the user's cache folder."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs

from tests.benchmarks.postgres import Missing

REQUIREMENTS = Path(__file__).parent / "peers" / "requirements.txt"


def python() -> Path:
    """Its interpreter. Raises `Missing` where the packages cannot be had."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = platformdirs.user_cache_path("ponderd") / f"benchmark-peers-{digest}"
    complete = folder / "complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run(sys.executable, "-m", "venv", folder)
        _run(folder / "bin" / "pip", "install", "--quiet", "--no-deps", "-r", REQUIREMENTS)
        complete.touch()
    return folder / "bin" / "python"


def _run(*command: object) -> None:
    ran = subprocess.run([str(word) for word in command], check=False, capture_output=True)
    if ran.returncode:
        lines = ran.stderr.decode(errors="replace").strip().splitlines() or ["?"]
        raise Missing(f"the peers cannot be installed: {lines[-1][:200]}")
