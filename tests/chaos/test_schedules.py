"""The zone whose clocks change in the midst of the storm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ponderd.workers.control.ticks import Cron
from tests.chaos.schedules import CHANGES_AFTER, ZONE, write_zone

NOW = 1_800_000_000.0


@pytest.mark.parametrize(("forward", "hours"), [(True, 3), (False, 1)])
def test_its_clocks_change_once(tmp_path: Path, forward: bool, hours: int) -> None:
    write_zone(tmp_path, NOW, forward=forward)
    with (tmp_path / ZONE).open("rb") as file:
        zone = ZoneInfo.from_file(file, ZONE)
    soon = NOW + CHANGES_AFTER
    offsets = [
        datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset()
        for at in (soon, soon + 60, soon + 86_400)
    ]
    assert offsets == [timedelta(hours=2), *[timedelta(hours=hours)] * 2]
    ticks = Cron("* * * * *", zone).between(NOW - 3600, NOW + 3600, 1000).newest
    assert list(ticks) == [int(NOW) + 60 * n for n in range(-59, 61)]
