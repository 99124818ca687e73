"""The table `[schedules]` of ponderd.toml, and what is said about wrong entries."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ponderd.channels.errors import StartupError
from ponderd.channels.message import Address
from ponderd.daemon.schedule_table import load_schedules
from ponderd.workers.control.schedule import Schedule

MINIMAL = 'agent = "assistant"\ntext = "go"\n'


def load(folder: Path, entries: str, name: str = "s") -> Schedule:
    file = folder / "ponderd.toml"
    file.write_text(f"[schedules.{name}]\n{entries}")
    return load_schedules(file, ["assistant"])[name]


def test_without_a_file_or_a_table_there_are_none(tmp_path: Path) -> None:
    assert load_schedules(None, []) == {}
    file = tmp_path / "ponderd.toml"
    file.write_text("[slack]\n")
    assert load_schedules(file, []) == {}


def test_all_entries(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        MINIMAL
        + """
        cron = "0  9 * * MON-fri"
        timezone = "Europe/Berlin"
        answer = "email:ops@example.com"
        conversation = "c"
        missed = "all"
        overlap = "queue"
        start = 2026-12-01
        until = 2026-12-02
        jitter = "5m"
        """,
    )
    assert found.answer == Address(channel="email", to="ops@example.com", headers={"subject": "s"})
    assert (found.conversation, found.missed, found.overlap) == ("c", "all", "queue")
    ticks = [datetime(2026, 12, day, 8, tzinfo=UTC).timestamp() for day in (1, 2)]
    assert found.plan.between(0, 2e9, 10).newest == tuple(ticks)
    assert found.written == (
        "0 9 * * mon-fri (Europe/Berlin) from 2026-12-01 until 2026-12-02 jitter 5m"
    )
    assert 0 <= found.delay <= 300
    assert found.next_after(0) == ticks[0] + found.delay


def test_defaults_are_utc_once_and_skip(tmp_path: Path) -> None:
    found = load(tmp_path, MINIMAL + 'every = "15m"\n')
    assert (str(found.zone), found.missed, found.overlap) == ("UTC", "once", "skip")
    assert (found.answer, found.paused, found.written) == (None, False, "every 15m")
    assert found.plan.after(0) == 900


def test_an_interval_is_counted_from_its_start(tmp_path: Path) -> None:
    found = load(
        tmp_path, MINIMAL + 'every = "1h"\nstart = 2026-12-01T09:10:00\ntimezone = "Asia/Kolkata"\n'
    )
    assert found.plan.after(0) == datetime(2026, 12, 1, 3, 40, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        (
            'cron = "0 9 * *"',
            "schedules.s.cron: '0 9 * *' is no cron expression: write five fields",
        ),
        ('cron = "0 25 * * *"', "schedules.s.cron: '0 25 * * *' is no cron expression: wrong hour"),
        ("", 'schedules.s: write either cron = "0 9 * * mon-fri" or every = "15m"'),
        ('cron = "* * * * *"\nevery = "5m"', "schedules.s: write either"),
        ('every = "soon"', "schedules.s.every: 'soon' is not a duration"),
        ('every = "0.5s"', "schedules.s.every: write whole seconds"),
        ('every = "0s"', "schedules.s.every: "),
        (
            'every = "5m"\ntimezone = "Europe/Berlinn"',
            "schedules.s.timezone: 'Europe/Berlinn' is no time zone; did you mean 'Europe/Berlin'?",
        ),
        ('every = "5m"\ntimezone = "../etc/passwd"', "is no time zone"),
        ('every = "5m"\ntimezone = "Europe"', "is no time zone"),
        ('every = "5m"\nanswer = "slack:general"', "schedules.s.answer: 'general' is no id"),
        ('every = "5m"\nanswer = "fax:1"', "schedules.s.answer: 'fax:1' is no destination"),
        ('every = "5m"\nmissed = "some"', "schedules.s.missed: "),
        ('every = "5m"\noverlap = "some"', "schedules.s.overlap: "),
        ('every = "5m"\nchron = "x"', "schedules.s.chron: "),
        ('every = "5m"\nstart = 2026-12-02\nuntil = 2026-12-01', "until is before start"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, entries: str, says: str) -> None:
    with pytest.raises(StartupError) as raised:
        load(tmp_path, MINIMAL + entries)
    assert says in str(raised.value)
    assert raised.value.exit_code == 2


def test_an_unknown_agent_and_a_wrong_name(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"schedules\.s\.agent names the agent 'x'"):
        load(tmp_path, 'agent = "x"\ntext = "go"\nevery = "5m"\n')
    with pytest.raises(StartupError, match="schedules"):
        load(tmp_path, MINIMAL + 'every = "5m"\n', name='"a b"')
