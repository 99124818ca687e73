import sys
from pathlib import Path

import pytest

import ponderd
from ponderd.channels.errors import StartupError
from ponderd.workers.agents.discovery import discover

GOOD = """
from __future__ import annotations
from pydantic import BaseModel
from ponderd.workers.agents.agent import Agent, tool

class Found(BaseModel):
    place: Place

class Place(BaseModel):
    name: str

@tool()
def look(place: str) -> str:
    '''look somewhere'''
    return helper(place)

def helper(place: str) -> str:
    return f"looked at {place}"

agent = Agent(name="finder-2", description="", prompt="Find.", tools=(look,), output=Found)
"""


def refusal(folder):
    with pytest.raises(StartupError) as caught:
        discover([folder])
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_agents_of_further_folders_are_found_beside_the_shipped_ones(tmp_path):
    (tmp_path / "finder.py").write_text(GOOD)
    (tmp_path / "_helpers.py").write_text("raise SystemExit")
    (tmp_path / "notes.txt").write_text("not python")
    agents = discover([tmp_path])
    assert set(agents) == {"assistant", "triage", "deployer", "finder-2"}
    assert agents["finder-2"].tools[0].function("Rome") == "looked at Rome"
    assert agents["finder-2"].output.model_validate({"place": {"name": "x"}})


def test_the_version_of_an_agent_does_not_change_from_load_to_load():
    assert discover([])["triage"].version == discover([])["triage"].version


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("agent = (", "SyntaxError"),
        ("import nothing_like_it", "ModuleNotFoundError: No module named"),
        ("1/0", "ZeroDivisionError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("agent = 3", "defines no `agent = Agent"),
        (GOOD.replace("finder-2", "Finder"), "'Finder' cannot be the name"),
        (GOOD.replace("finder-2", "a b"), "'a b' cannot be the name"),
        (GOOD.replace("finder-2", "x@y"), "'x@y' cannot be the name"),
        (GOOD.replace("look(", "reply(").replace("(look", "(reply"), "must not be called reply"),
        (GOOD.replace("finder-2", "triage"), "the agent triage is already in"),
    ],
)
def test_a_broken_file_stops_the_start_and_is_named(tmp_path, source, complaint):
    (tmp_path / "mine.py").write_text(source)
    message = refusal(tmp_path)
    assert str(tmp_path / "mine.py") in message
    assert complaint in message


class TestAFileFromBeforeTheImportNamePonderd:
    @pytest.fixture(autouse=True)
    def _as_installed(self, monkeypatch):
        """Without the checkout on the import path, where pytest puts it."""
        path = [entry for entry in sys.path if not (Path(entry) / "workers").is_dir()]
        monkeypatch.setattr(sys, "path", path)
        for name in list(sys.modules):
            if name.split(".")[0] in ("workers", "channels", "daemon"):
                monkeypatch.delitem(sys.modules, name)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            *(
                (f"from workers.{module} import {name}", f"from ponderd import {name}")
                for module, names in ponderd._HOMES.items()
                for module in [module.removeprefix("agents.").removeprefix("run.")]
                for name in names
            ),
            ("from workers.agent import Agent as A, tool", "from ponderd import Agent as A, tool"),
            ("from workers.agent import *", "from ponderd import *"),
            ("import workers.agent", "import ponderd.workers.agents.agent"),
            ("import workers.agent as a", "import ponderd.workers.agents.agent"),
            (
                "from workers.agent import Agent, Result",
                "from ponderd import Agent and from ponderd.workers.agents.agent import Result",
            ),
            (
                "from workers.tools.clock import clock",
                "from ponderd.workers.agents.tools.clock import clock",
            ),
            (
                "from workers.answers import schema",
                "from ponderd.workers.agents.actions import schema",
            ),
            (
                "from channels.message import Trigger",
                "from ponderd.channels.message import Trigger",
            ),
            (
                "from channels.errors import PonderdError",
                "from ponderd.channels.errors import PonderdError",
            ),
        ],
    )
    def test_says_which_line_becomes_what(self, tmp_path, old, new):
        file = tmp_path / "mine.py"
        file.write_text(f"import json\n{old}\nagent = 3\n")
        module = old.split()[1]
        assert refusal(tmp_path) == (
            f"agent file {file}: line 2 imports {module}, which is now: {new}"
        )

    def test_is_loaded_once_these_lines_are_changed(self, tmp_path):
        old = GOOD.replace("from ponderd.workers.agents.agent import", "from workers.agent import")
        (tmp_path / "mine.py").write_text(old)
        message = refusal(tmp_path)
        line = "from ponderd import Agent, tool"
        assert message.endswith(f"line 4 imports workers.agent, which is now: {line}")
        (tmp_path / "mine.py").write_text(
            old.replace("from workers.agent import Agent, tool", line)
        )
        assert "finder-2" in discover([tmp_path])

    def test_names_every_such_line_at_once(self, tmp_path):
        (tmp_path / "mine.py").write_text(
            "from workers.agent import Agent\nfrom workers.policies import Budget\n"
        )
        assert refusal(tmp_path).count("which is now: from ponderd import") == 2

    @pytest.mark.parametrize(
        "source",
        [
            "from channels.layers import get_channel_layer",  # Django Channels
            "from daemon import DaemonContext",  # python-daemon
            "import numpy_is_not_this\nfrom daemon import DaemonContext",
        ],
    )
    def test_packages_of_others_are_no_old_names(self, tmp_path, source):
        (tmp_path / "mine.py").write_text(source)
        assert "ModuleNotFoundError: No module named" in refusal(tmp_path)
