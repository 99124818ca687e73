"""What is published, built from a copy of the checkout, and fresh environments to put it in."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
CONTENT = ("src", "channels", "workers", "daemon", "pyproject.toml", "README.md", "LICENSE")


@dataclass(frozen=True)
class Built:
    wheel: Path
    sdist: Path
    wheel_of_sdist: Path


@dataclass(frozen=True)
class Environment:
    """A virtual environment without pip of its own."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        return Path(sysconfig.get_path("purelib", vars={"base": str(self.folder)}))

    def install(self, *what: str | Path) -> None:
        done = subprocess.run(
            [*PIP, "--python", self.python, "install", "--quiet", "--retries", "1", *what],
            capture_output=True,
            text=True,
        )
        if done.returncode and "No matching distribution found" in done.stderr:
            pytest.skip("no package index reachable")
        assert done.returncode == 0, done.stderr

    def lend(self) -> None:
        """Let it import what is installed here; what it has itself is found first. Of ponderd that
        lends nothing: where that is installed editable, only a .pth file says where it is."""
        (self.packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(
        self, *command: str | Path, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "bin" / command[0], *command[1:]],
            cwd=cwd or self.folder,
            capture_output=True,
            text=True,
        )


def new_environment(folder: Path) -> Environment:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return Environment(folder)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A wheel and an sdist of this checkout, and a wheel made from that sdist."""
    source = tmp_path_factory.mktemp("source")
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in CONTENT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=leave)
        else:
            shutil.copy(ROOT / name, source)
    wheel, sdist = build("wheel", source), build("sdist", source)
    unpacked = tmp_path_factory.mktemp("unpacked")
    shutil.unpack_archive(sdist, unpacked, filter="data")
    (inside,) = unpacked.iterdir()
    return Built(wheel, sdist, build("wheel", inside))


def build(kind: str, source: Path) -> Path:
    """As `pip wheel` does, with the backend that is installed here: no index is needed."""
    code = f"from setuptools import build_meta; build_meta.build_{kind}('made')"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (made,) = (source / "made").glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made
