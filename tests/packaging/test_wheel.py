"""What is installed: one import name, complete, typed, and at peace with others' packages."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, Built, Environment, new_environment

OTHERS = "from daemon import DaemonContext; from channels import DEFAULT_CHANNEL_LAYER"
OURS = (
    "import ponderd.daemon.cli, ponderd.workers.execution.executor, ponderd.channels.message;"
    "from ponderd import Agent"
)


def files(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


class TestContent:
    def test_a_wheel_installs_nothing_outside_its_name(self, built: Built) -> None:
        tops = {name.split("/")[0] for name in files(built.wheel)}
        assert len(tops) == 2
        assert {top.split("-")[0] for top in tops} == {"ponderd"}

    def test_a_wheel_holds_every_file_of_the_packages(self, built: Built) -> None:
        expected = {
            f"ponderd/{path.relative_to(ROOT)}"
            for folder in ("channels", "workers", "daemon")
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        } | {"ponderd/__init__.py", "ponderd/py.typed"}
        assert {Path(name).suffix for name in expected} == {
            *(".py", ".lua", ".html", ".jinja", ".typed")
        }
        assert {name for name in files(built.wheel) if name.startswith("ponderd/")} == expected

    def test_a_wheel_made_from_the_sdist_is_the_same(self, built: Built) -> None:
        assert files(built.wheel_of_sdist) == files(built.wheel)
        one, other = zipfile.ZipFile(built.wheel), zipfile.ZipFile(built.wheel_of_sdist)
        for name in files(built.wheel):
            if name.startswith("ponderd/"):
                assert one.read(name) == other.read(name), name

    def test_an_sdist_holds_no_link_and_no_test(self, built: Built) -> None:
        with tarfile.open(built.sdist) as archive:
            assert [member.name for member in archive if member.issym() or member.islnk()] == []
            assert [name for name in archive.getnames() if "/tests" in name] == []


class TestBesideOthers:
    """python-daemon and Django Channels have the import names `daemon` and `channels`."""

    @pytest.mark.parametrize("first", ["ponderd", "the others"])
    def test_in_both_orders_all_can_be_imported(
        self, built: Built, tmp_path: Path, first: str
    ) -> None:
        environment = new_environment(tmp_path / "env")
        ours, others = ["--no-deps", str(built.wheel)], ["python-daemon", "channels"]
        for what in (ours, others) if first == "ponderd" else (others, ours):
            environment.install(*what)
        environment.lend()
        for code in (f"{OTHERS}; {OURS}", f"{OURS}; {OTHERS}"):
            done = environment.run("python", "-c", code)
            assert done.returncode == 0, done.stderr
        where = environment.run("python", "-c", "import ponderd.daemon as d; print(d.__file__)")
        assert Path(where.stdout.strip()).is_relative_to(environment.folder)
        done = environment.run("ponderd", "--help")
        assert done.returncode == 0
        assert "Usage: ponderd" in done.stdout


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = new_environment(tmp_path_factory.mktemp("installed"))
    environment.install("--no-deps", str(built.wheel))
    environment.lend()
    return environment


class TestTypes:
    def check(self, environment: Environment, folder: Path, code: str) -> str:
        (folder / "mine.py").write_text(code)
        command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "mine.py"]
        options = ["--python-executable", str(environment.python), "--cache-dir", str(folder)]
        done = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True)
        return done.stdout

    def test_a_users_agent_file_is_checked_against_the_wheel(
        self, installed: Environment, tmp_path: Path
    ) -> None:
        code = (
            "from ponderd import Agent, ToolContext, tool\n\n"
            "@tool()\n"
            "def books(context: ToolContext, title: str) -> str:\n"
            '    """Look up a book."""\n'
            "    return title\n\n"
            'agent = Agent(name="library", description="Books", prompt="You know books.",\n'
            "    tools=(books,))\n"
        )
        assert self.check(installed, tmp_path, code).startswith("Success")
        wrong = code + "agent.nothing\nreveal_type(agent.name)\n"
        assert self.check(installed, tmp_path, wrong).splitlines()[:2] == [
            'mine.py:10: error: "Agent" has no attribute "nothing"  [attr-defined]',
            'mine.py:11: note: Revealed type is "str"',
        ]
