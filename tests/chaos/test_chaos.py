"""Nothing lost, nothing done twice, nothing stuck: a minute of harm, and what is left after it."""

from __future__ import annotations

import json
import secrets

import pytest

from tests.chaos.faults import Faults
from tests.chaos.run import chaos

FAULTS = 900
SECONDS = 80.0
"""A busy machine gets as many more as it needs to be `enough`."""
KINDS = {"worker", "state", "model", "slack", "mail", "callback", "sender"}


def enough(faults: Faults, conversations: int) -> bool:
    kinds = {kind.partition(".")[0] for kind in faults.counts}
    return faults.total >= 150 and conversations > 50 and kinds >= KINDS


@pytest.mark.timeout(1200)
async def test_under_fire_nothing_is_lost_doubled_or_stuck() -> None:
    seed = secrets.randbelow(10**6)
    report = await chaos(seed, FAULTS, seconds=SECONDS, enough=enough)
    figures = report.as_json()
    assert report.clean, f"python -m tests.chaos --seed {seed}\n{json.dumps(figures, indent=1)}"
    assert enough(report.faults, report.runs) and report.slept, figures
