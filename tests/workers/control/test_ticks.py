"""Which ticks there are: by the calendar, through changes of the clocks, whoever asks and when."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from ponderd.workers.control.ticks import NO_TICKS, Cron, Every, Plan

BERLIN = "Europe/Berlin"
NEW_YORK = "America/New_York"
KOLKATA = "Asia/Kolkata"
LORD_HOWE = "Australia/Lord_Howe"
"""Its clocks change by half an hour."""
ST_JOHNS = "America/St_Johns"
"""In 2010 its clocks went from a minute past midnight back to the day before."""
ZONES = (BERLIN, NEW_YORK, KOLKATA, LORD_HOWE, ST_JOHNS, "America/Havana", "Africa/Cairo", "UTC")
"""In Havana and Cairo they change at midnight."""

EXPRESSIONS = (
    *("0 9 * * mon-fri", "30 2 * * *", "0,30 2 * * *", "15 1-3 * * *", "*/15 * * * *"),
    *("0 * * * *", "45 1 * * *", "0 0 * * *", "30 0 1 * *", "*/7 */5 * * *", "30 */2 * * *"),
    *("0 9 l * *", "0 9 lw * *", "0 9 * * 5#2", "0 9 * * 5l", "0 9 13 * fri", "@daily", "@hourly"),
)
cron = st.builds(Cron, st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES).map(ZoneInfo))
every = st.builds(Every, st.integers(60, 200_000), st.integers(-(10**6), 10**6))
"""Not by the second: three weeks of that are two million ticks."""
moments = st.floats(1_700_000_000, 1_900_000_000) | st.sampled_from(
    [
        datetime(2026, month, day, hour, 30, tzinfo=UTC).timestamp()
        for month, day in ((3, 29), (10, 25), (11, 1), (3, 8), (4, 4), (4, 5), (10, 3), (10, 4))
        for hour in (0, 1, 5, 6, 15, 23)
    ]
    + [datetime(2010, 11, 7, hour, 30, tzinfo=UTC).timestamp() for hour in (1, 2, 3, 23)]
)


def clocks(zone: str, expression: str, first: str, last: str) -> list[str]:
    """The ticks from one local time to another, as its clocks show them."""
    where = ZoneInfo(zone)
    begins, ends = (datetime.fromisoformat(day).replace(tzinfo=where) for day in (first, last))
    found = Cron(expression, where).between(begins.timestamp() - 1, ends.timestamp(), 1000)
    assert len(found.newest) == found.total
    return [datetime.fromtimestamp(tick, where).strftime("%d %H:%M %z") for tick in found.newest]


class TestTheCalendar:
    def test_names_lists_ranges_and_steps(self) -> None:
        assert clocks(BERLIN, "0 9,17 * * mon-tue", "2026-11-27", "2026-12-01T12:00") == [
            *("30 09:00 +0100", "30 17:00 +0100", "01 09:00 +0100"),
        ]
        assert clocks(BERLIN, "*/20 9-10 1 DEC *", "2026-11-27", "2026-12-10") == [
            *("01 09:00 +0100", "01 09:20 +0100", "01 09:40 +0100"),
            *("01 10:00 +0100", "01 10:20 +0100", "01 10:40 +0100"),
        ]

    def test_last_days_and_numbered_weekdays(self) -> None:
        assert clocks(BERLIN, "0 9 L * *", "2027-02-01", "2027-02-28T23:00") == ["28 09:00 +0100"]
        assert clocks(BERLIN, "0 9 * * fri#2", "2026-12-01", "2026-12-31") == ["11 09:00 +0100"]
        assert clocks(BERLIN, "0 9 * * 5L", "2026-12-01", "2026-12-31") == ["25 09:00 +0100"]

    def test_a_rare_day(self) -> None:
        leap_day = Cron("0 0 29 2 *", ZoneInfo("UTC")).after(
            datetime(2096, 3, 1, tzinfo=UTC).timestamp()
        )
        assert leap_day == datetime(2104, 2, 29, tzinfo=UTC).timestamp()

    @pytest.mark.parametrize(
        ("expression", "says"),
        [
            ("0 9 * *", "five fields"),
            ("0 0 9 * * *", "five fields"),
            ("", "five fields"),
            ("@reboot", "five fields"),
            ("60 9 * * *", "wrong minute"),
            ("0 24 * * *", "wrong hour"),
            ("0 9 32 * *", "wrong day-of-month"),
            ("0 9 * 13 *", "wrong month"),
            ("0 9 * * 8", "wrong day-of-week"),
            ("0 9 * * monday", "wrong day-of-week"),
            ("*/0 * * * *", "wrong minute"),
            ("/ * * * *", "wrong minute"),
            ("5-1 * * * *", "wrong minute"),
            ("0 0 31 2 *", "wrong day-of-month"),
            ("0 0 31 4,6 *", "wrong day-of-month"),
            ("0 0 */99999999999 * *", "too large"),
        ],
    )
    def test_what_is_wrong_is_named(self, expression: str, says: str) -> None:
        with pytest.raises(ValueError, match=says):
            Cron(expression, ZoneInfo("UTC"))


class TestWhenTheClocksChange:
    def test_a_time_that_is_skipped_comes_when_they_go_on(self) -> None:
        assert clocks(BERLIN, "30 2 * * *", "2026-03-28", "2026-03-30T12:00") == [
            *("28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"),
        ]
        assert clocks(NEW_YORK, "30 2 * * *", "2026-03-07", "2026-03-09T12:00") == [
            *("07 02:30 -0500", "08 03:00 -0400", "09 02:30 -0400"),
        ]
        assert clocks(LORD_HOWE, "15 2 * * *", "2026-10-03", "2026-10-05T12:00") == [
            *("03 02:15 +1030", "04 02:30 +1100", "05 02:15 +1100"),
        ]

    def test_several_that_are_skipped_come_once(self) -> None:
        assert clocks(BERLIN, "0,30 2,3 * * *", "2026-03-29", "2026-03-29T12:00") == [
            *("29 03:00 +0200", "29 03:30 +0200"),
        ]

    def test_a_time_that_comes_twice_counts_the_first_time(self) -> None:
        assert clocks(BERLIN, "30 2 * * *", "2026-10-24", "2026-10-26T12:00") == [
            *("24 02:30 +0200", "25 02:30 +0200", "26 02:30 +0100"),
        ]
        assert clocks(NEW_YORK, "30 1 * * *", "2026-11-01", "2026-11-01T12:00") == [
            "01 01:30 -0400"
        ]
        assert clocks(LORD_HOWE, "45 1 * * *", "2026-04-05", "2026-04-05T12:00") == [
            "05 01:45 +1100"
        ]

    def test_with_a_star_it_comes_whenever_the_clocks_show_it(self) -> None:
        assert clocks(BERLIN, "*/30 * * * *", "2026-03-29T01:00", "2026-03-29T03:30") == [
            *("29 01:00 +0100", "29 01:30 +0100", "29 03:00 +0200", "29 03:30 +0200"),
        ]
        assert clocks(BERLIN, "0 * * * *", "2026-10-25T01:00", "2026-10-25T03:00") == [
            *("25 01:00 +0200", "25 02:00 +0200", "25 02:00 +0100", "25 03:00 +0100"),
        ]
        assert clocks(LORD_HOWE, "*/15 * * * *", "2026-04-05T01:15", "2026-04-05T02:00") == [
            *("05 01:15 +1100", "05 01:30 +1100", "05 01:45 +1100"),
            *("05 01:30 +1030", "05 01:45 +1030", "05 02:00 +1030"),
        ]

    def test_a_zone_without_them(self) -> None:
        assert clocks(KOLKATA, "30 2 * * *", "2026-03-29", "2026-03-30") == ["29 02:30 +0530"]

    def test_at_midnight(self) -> None:
        """In Cairo midnight is skipped in spring; in Havana it comes twice in autumn."""
        assert clocks("Africa/Cairo", "0 0 * * *", "2026-04-23", "2026-04-25") == [
            *("23 00:00 +0200", "24 01:00 +0300", "25 00:00 +0300"),
        ]
        assert clocks("America/Havana", "0 0 * * *", "2026-10-31", "2026-11-02") == [
            *("31 00:00 -0400", "01 00:00 -0400", "02 00:00 -0500"),
        ]

    def test_back_to_the_day_before(self) -> None:
        assert clocks(ST_JOHNS, "*/30 * * * *", "2010-11-06T23:00", "2010-11-07T00:30") == [
            *("06 23:00 -0230", "06 23:30 -0230", "07 00:00 -0230"),
            *("06 23:30 -0330", "07 00:00 -0330", "07 00:30 -0330"),
        ]
        assert clocks(ST_JOHNS, "30 23 * * *", "2010-11-06", "2010-11-08") == [
            *("06 23:30 -0230", "07 23:30 -0330"),
        ]
        first = datetime(2010, 11, 7, 2, 31, tzinfo=UTC).timestamp()  # 23:01, once more
        assert Cron("* * * * *", ZoneInfo(ST_JOHNS)).after(first) == first + 60

    def test_a_day_that_a_country_left_out(self) -> None:
        """Samoa had no 30 December 2011."""
        assert clocks("Pacific/Apia", "0 9 * * *", "2011-12-29", "2011-12-31T23:00") == [
            *("29 09:00 -1000", "31 00:00 +1400", "31 09:00 +1400"),
        ]

    def test_an_interval_does_not_care(self) -> None:
        change = round(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp())
        found = Every(1800).between(change - 3600, change + 3600, 10)
        assert found.newest == tuple(range(change - 1800, change + 3601, 1800))


@given(cron, moments)
def test_cronsim_agrees_on_days_without_a_change(rule: Cron, moment: float) -> None:
    if rule.expression.startswith("@"):
        return
    start = datetime.fromtimestamp(int(moment), rule.zone)
    next_days = [(start + timedelta(days=n)).utcoffset() for n in range(-2, 4)]
    if len(set(next_days)) > 1:
        return
    simulated = CronSim(rule.expression, start)
    ours, after = [], float(int(moment))
    theirs = []
    for tick in simulated:
        if tick > start + timedelta(days=2) or len(theirs) > 50:
            break
        theirs.append(round(tick.timestamp()))
    for _ in theirs:
        tick_ = rule.after(after)
        assert tick_ is not None
        ours.append(tick_)
        after = tick_
    assert ours == theirs


@given(cron | every, moments, st.lists(st.floats(0, 3 * 86400), max_size=6))
def test_it_does_not_matter_when_one_looks(
    rule: Cron | Every, moment: float, steps: list[float]
) -> None:
    """The ticks of a span are those of its parts, in order and without gaps."""
    looks = [moment]
    for step in steps:
        looks.append(looks[-1] + step)
    parts = [rule.between(after, until, 10**6) for after, until in itertools.pairwise(looks)]
    whole = rule.between(looks[0], looks[-1], 10**6)
    assert [tick for part in parts for tick in part.newest] == list(whole.newest)
    assert whole.total == len(whole.newest) == sum(part.total for part in parts)
    assert list(whole.newest) == sorted(set(whole.newest))
    assert whole.first == (whole.newest[0] if whole.total else 0)
    few = rule.between(looks[0], looks[-1], 3)
    assert few == (whole.total, whole.first, whole.newest[-3:])


@given(cron | every, moments)
def test_the_next_tick_is_the_first_of_those_that_follow(rule: Cron | Every, moment: float) -> None:
    following = rule.after(moment)
    assert following is not None and following > moment
    assert rule.between(moment, following, 5).newest == (following,)
    assert rule.between(moment, following - 1, 5) == NO_TICKS
    assert rule.between(following, moment, 5) == NO_TICKS


class TestBounds:
    def test_both_ends_belong_to_it(self) -> None:
        plan = Plan(Every(10), start=100.0, until=120.0)
        assert plan.between(0, 1000, 10).newest == (100, 110, 120)
        assert plan.after(0) == 100
        assert plan.after(110) == 120
        assert plan.after(120) is None
        assert plan.between(120, 1000, 10) == NO_TICKS

    def test_they_may_lie_between_ticks(self) -> None:
        plan = Plan(Every(10), start=100.5, until=119.5)
        assert plan.between(0, 1000, 10).newest == (110,)
        assert plan.after(0) == 110

    def test_an_interval_is_counted_from_its_anchor(self) -> None:
        assert Every(3600, 100).between(0, 8000, 10).newest == (100, 3700, 7300)
        assert Every(3600, 100).after(0) == 100

    def test_weeks_of_seconds_are_counted_at_once(self) -> None:
        found = Every(1).between(0, 10**9, 3)
        assert found == (10**9, 1, (10**9 - 2, 10**9 - 1, 10**9))
