import pytest

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
