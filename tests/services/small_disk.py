"""A disk that can be filled: a tmpfs of its own, whose size is set to what lies on it.

It is the real thing, so mounting it needs rights: on Linux, as root.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.services.eventually import wait_until

ROOM = 512 * 1024 * 1024
"""Bytes. They are taken from memory only when something is written."""


@dataclass
class SmallDisk:
    folder: Path

    @classmethod
    def mounted(cls, folder: Path) -> Self | None:
        """One at this folder. None: it may not be mounted here."""
        if sys.platform != "linux" or os.geteuid() != 0:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        if not _run("mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)):
            return None
        return cls(folder)

    def fill(self) -> None:
        """From now on nothing more fits."""
        wait_until(lambda: self._resize(self._used()))  # refused if more was written meanwhile

    def free(self) -> None:
        assert self._resize(ROOM)

    def unmount(self) -> None:
        assert _run("umount", "--lazy", str(self.folder))

    def _used(self) -> int:
        found = os.statvfs(self.folder)
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    def _resize(self, size: int) -> bool:
        return _run("mount", "-o", f"remount,size={size}", str(self.folder))


def _run(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
