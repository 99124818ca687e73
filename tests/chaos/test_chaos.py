"""Nothing lost, nothing done twice, nothing stuck: a minute of harm, and what is left after it."""

from __future__ import annotations

import json
import secrets

import pytest

from tests.chaos.run import chaos

FAULTS = 900
SECONDS = 80.0
ENOUGH = 150
"""Faults that strike in that time even on a machine that does other things, too."""


@pytest.mark.timeout(420)
async def test_under_fire_nothing_is_lost_doubled_or_stuck() -> None:
    seed = secrets.randbelow(10**6)
    report = await chaos(seed, FAULTS, seconds=SECONDS)
    figures = report.as_json()
    assert report.clean, f"python -m tests.chaos --seed {seed}\n{json.dumps(figures, indent=1)}"
    assert report.faults.total >= ENOUGH, figures
    assert report.runs > 50, figures
    kinds = {kind.partition(".")[0] for kind in report.faults.counts}
    assert {"worker", "state", "model", "slack", "mail", "callback", "sender"} <= kinds, figures
