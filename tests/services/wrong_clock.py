"""A clock of a state server that can be set at any moment: a library is preloaded for it."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


class WrongClock:
    """Needs a C compiler, and a server that is linked dynamically."""

    def __init__(self, folder: Path) -> None:
        self._library = folder / "wrong_clock.so"
        self._file = folder / "off-by"
        self._file.write_bytes(bytes(8))
        compiler = shutil.which("cc")
        assert compiler
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", self._library, SOURCE], check=True
        )

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "WRONG_CLOCK": str(self._file)}

    def set(self, off_by: int) -> None:
        """From now on the clock is wrong by so many seconds."""
        with self._file.open("r+b") as file, mmap.mmap(file.fileno(), 8) as memory:
            memory[:] = struct.pack("q", off_by)
