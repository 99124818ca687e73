from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ponderd.channels.errors import StartupError
from ponderd.daemon.commands import retry as command
from ponderd.daemon.commands.retry import retry


@pytest.mark.parametrize(
    "time", ["999999d", "yesterday", "-5h", "2 h", "", "0001-01-01", "10000-01-01", "1e9s"]
)
def test_a_time_that_is_none_is_told(time: str) -> None:
    for run in (lambda: retry(since=time), lambda: retry(until=time)):
        with pytest.raises(StartupError, match="neither like 2h") as told:
            run()
        assert told.value.exit_code == 2


def test_times_are_told_to_the_daemon_in_utc_or_with_their_zone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    class Api:
        def retry_many(self, wanted: dict[str, str], cursor: str | None) -> dict[str, object]:
            asked.append(wanted)
            return {"matched": 0, "retried": [], "cursor": None}

    monkeypatch.setattr(command, "connect", Api)
    before = datetime.now(UTC)
    retry(since="2h", until="2026-01-31T12:00", dry_run=True)
    [wanted] = asked
    age = before - datetime.fromisoformat(wanted["since"])
    assert 7_100 < age.total_seconds() <= 7_200
    assert datetime.fromisoformat(wanted["until"]).tzinfo is not None
