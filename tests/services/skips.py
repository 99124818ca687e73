"""A pytest plugin: where CI is set, a test that is skipped has failed, unless its reason is listed.

A test that is never run proves nothing, and nobody reads the numbers of those that were skipped. At
a desk what is missing is skipped as usual."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import TypeVar

import pytest

ELSEWHERE = {
    "needs Linux's /dev/full": "other systems have no device that is always full",
    "needs systemd-analyze": "other systems have no systemd",
}
OFFLINE = {
    "no package index reachable": "packages of others, beside which the wheel is installed",
}
BARE = {
    "needs Linux and a C compiler": "a library made for it sets the clock of a server; that of the "
    "scripts, which decide, is set without one in test_twin",
    "needs the right to mount a disk": "what a full one makes a server answer (MISCONF) is one of "
    "the refusals in test_redis_client",
}
ALLOWED = OFFLINE | BARE if sys.platform == "linux" else OFFLINE | BARE | ELSEWHERE
"""Reason of a skip -> why that is all right."""

AnyReport = TypeVar("AnyReport", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _judged((yield))


def _judged(report: AnyReport) -> AnyReport:
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        assert isinstance(report.longrepr, tuple)
        _, _, message = report.longrepr
        if (reason := message.removeprefix("Skipped: ")) not in ALLOWED:
            report.outcome = "failed"
            report.longrepr = f"skipped, which is not allowed here (tests.services.skips): {reason}"
    return report
