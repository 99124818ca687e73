"""An agent's file from before the import name `ponderd` is told which line becomes what."""

import sys
from pathlib import Path

import pytest

import ponderd
from ponderd.workers.agents.discovery import discover
from tests.workers.agents.test_discovery import GOOD, refusal


@pytest.fixture(autouse=True)
def _as_installed(monkeypatch):
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
            "from ponderd import Agent and from ponderd.workers.agents.agent import ToolResult",
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
def test_an_old_line_is_told_what_it_becomes(tmp_path, old, new):
    file = tmp_path / "mine.py"
    file.write_text(f"import json\n{old}\nagent = 3\n")
    module = old.split()[1]
    assert refusal(tmp_path) == (f"agent file {file}: line 2 imports {module}, which is now: {new}")
    for line in new.split(" and "):
        exec(line, {})  # what it names is there


def test_the_file_loads_once_that_line_is_changed(tmp_path):
    old = GOOD.replace("from ponderd.workers.agents.agent import", "from workers.agent import")
    (tmp_path / "mine.py").write_text(old)
    message = refusal(tmp_path)
    line = "from ponderd import Agent, tool"
    assert message.endswith(f"line 4 imports workers.agent, which is now: {line}")
    (tmp_path / "mine.py").write_text(old.replace("from workers.agent import Agent, tool", line))
    assert "finder-2" in discover([tmp_path])


def test_every_such_line_is_named_at_once(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from workers.agent import Agent\nfrom workers.policies import Budget\n"
    )
    assert refusal(tmp_path).count("which is now: from ponderd import") == 2


@pytest.mark.parametrize(
    ("first", "encoding"), [("", "utf-8-sig"), ("# -*- coding: latin-1 -*-", "latin-1")]
)
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("from workers.agent import Agent", "which is now: from ponderd import Agent"),
        ("import numpy_is_not_this", "No module named 'numpy_is_not_this'"),
    ],
)
def test_a_file_in_another_encoding_gets_an_answer_too(tmp_path, first, encoding, line, reason):
    source = f"{first}\n# für Grüße\n{line}\n"
    (tmp_path / "mine.py").write_bytes(source.encode(encoding))
    assert reason in refusal(tmp_path)


@pytest.mark.parametrize(
    "source",
    [
        "from channels.layers import get_channel_layer",  # Django Channels
        "from daemon import DaemonContext",  # python-daemon
        "import numpy_is_not_this\nfrom daemon import DaemonContext",
    ],
)
def test_packages_of_others_are_no_old_names(tmp_path, source):
    (tmp_path / "mine.py").write_text(source)
    assert "ModuleNotFoundError: No module named" in refusal(tmp_path)
