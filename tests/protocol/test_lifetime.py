"""How time passes for what disappears, whatever the clock says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from toheal_protocol.machines.lifetime import (
    DAY,
    DEFAULT_TTL,
    HARD_END,
    LONGEST_SURE,
    Ages,
    is_over,
    pass_time,
)
from toheal_protocol.model import WallTime

NOW = WallTime(1_800_000_000)
YEAR = 365 * DAY

clocks = st.integers(0, 1 << 40).map(WallTime)


def after(*steps: int) -> Ages:
    ages, at = pass_time(Ages(), NOW), NOW
    for step in steps:
        at = WallTime(at + step)
        ages = pass_time(ages, at)
    return ages


def test_time_that_passes_in_small_steps_counts_for_both() -> None:
    ages = after(*[900] * 96)
    assert (ages.seen, ages.unseen) == (DAY, DAY)


def test_a_clock_a_year_ahead_and_back_again_ends_nothing_unread() -> None:
    for wild in (YEAR, 40 * YEAR, LONGEST_SURE + 1):
        ages = after(900, wild, 900, -wild, 900)
        assert ages.unseen == 3 * 900
        assert not is_over(ages, ttl=DEFAULT_TTL, came=0, shown=None)


def test_what_was_read_goes_after_its_time_also_if_the_device_was_off() -> None:
    assert is_over(after(20 * DAY), ttl=DEFAULT_TTL, came=0, shown=0)
    assert not is_over(after(6 * DAY), ttl=DEFAULT_TTL, came=0, shown=0)


def test_what_nobody_opened_goes_after_thirty_days_that_passed_for_sure() -> None:
    almost = after(*[5 * DAY] * 5, 5 * DAY - 1)
    assert not is_over(almost, ttl=DAY, came=0, shown=None)
    assert is_over(pass_time(almost, WallTime(almost.wall + 1)), ttl=DAY, came=0, shown=None)


def test_what_never_disappears_does_not_in_a_thousand_years() -> None:
    ages = after(*[5 * DAY] * 1000, 1000 * YEAR)
    assert not is_over(ages, ttl=0, came=0, shown=0)


@given(st.lists(clocks, max_size=12))
def test_no_clock_makes_a_count_go_back_or_one_step_end_what_nobody_read(
    walls: list[WallTime],
) -> None:
    ages = Ages()
    for wall in walls:
        later = pass_time(ages, wall)
        assert later.seen >= ages.seen and later.unseen >= ages.unseen
        assert later.unseen - ages.unseen <= LONGEST_SURE < HARD_END
        assert later.seen - ages.seen <= HARD_END
        ages = later
