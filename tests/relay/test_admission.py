"""Who may come in: places, paces, and sources that nobody can turn back into addresses."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.support.entropy import SeededEntropy
from toheal_protocol.model import Instant
from toheal_relay.admission import Admission
from toheal_relay.limits import DAY, MEGABYTE, Limits, limits_for
from toheal_relay.machine import memory_ceiling, raise_descriptors
from toheal_relay.pace import Pace

START = Instant(1_000.0)


def door(**changes: object) -> Admission:
    return Admission(evolve(Limits(), **changes), draw=SeededEntropy(1).draw)


@given(
    rate=st.floats(0.1, 1e4),
    burst=st.floats(1, 1e4),
    steps=st.lists(st.tuples(st.floats(0, 10), st.floats(0.1, 50)), max_size=60),
)
def test_a_pace_lets_through_a_burst_and_then_its_rate(
    rate: float, burst: float, steps: list[tuple[float, float]]
) -> None:
    pace, now, taken = Pace(rate, burst), 0.0, 0.0
    for wait, cost in steps:
        now += wait
        if pace.take(cost, now=Instant(now)) == 0:
            taken += cost
    assert taken <= burst + rate * now + 1e-6 * (burst + rate * now)


@given(rate=st.floats(0.1, 1e3), burst=st.floats(1, 1e3), cost=st.floats(0.1, 500))
def test_who_comes_again_when_told_is_let_through(rate: float, burst: float, cost: float) -> None:
    pace = Pace(rate, burst)
    now = 100.0
    for _ in range(20):
        wait = pace.take(cost, now=Instant(now))
        if wait > 0 and cost <= burst:
            assert pace.take(cost, now=Instant(now + wait * 1.000001 + 1e-9)) == 0
            now += wait
    assert pace.is_idle(Instant(now + 1e9))


def test_who_owes_is_told_how_long() -> None:
    pace = Pace(rate=10.0, burst=20.0)
    assert pace.owe(20, now=START) == 0
    assert pace.owe(10, now=START) == pytest.approx(1.0)
    assert pace.owe(10, now=START) == pytest.approx(2.0)


def test_a_source_is_a_household_and_not_an_address() -> None:
    admission = door()
    same = [
        admission.source_of(host, now=START)
        for host in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:2:3:4:5:6")
    ]
    assert len(set(same)) == 1
    other = admission.source_of("2001:db8:1:3::1", now=START)
    assert other not in same
    four = admission.source_of("192.0.2.1", now=START)
    assert four == admission.source_of("::ffff:192.0.2.1", now=START)
    assert four != admission.source_of("192.0.2.2", now=START)
    assert admission.source_of("fe80::1%eth0", now=START)


def test_a_source_has_another_name_every_day_and_at_every_relay() -> None:
    admission = door()
    today = admission.source_of("192.0.2.1", now=Instant(DAY - 1))
    tomorrow = admission.source_of("192.0.2.1", now=Instant(DAY))
    elsewhere = Admission(Limits(), draw=SeededEntropy(2).draw)
    assert len({today, tomorrow, elsewhere.source_of("192.0.2.1", now=Instant(0.0))}) == 3
    assert b"\xc0\x00\x02\x01" not in today


def test_places_are_limited_in_all_and_per_source() -> None:
    admission = door(connections=3, connections_per_source=2)
    first, second = (admission.source_of(host, now=START) for host in ("192.0.2.1", "192.0.2.2"))
    assert admission.enter(first, now=START)
    assert admission.enter(first, now=START)
    assert not admission.enter(first, now=START)
    assert admission.enter(second, now=START)
    assert not admission.enter(second, now=START)
    admission.leave(first)
    assert admission.enter(second, now=START)
    assert admission.connections == 3


def test_who_arrives_too_often_waits() -> None:
    admission = door(arrivals_per_second=1.0, arrivals_burst=3.0)
    source = admission.source_of("192.0.2.1", now=START)
    entered = [admission.enter(source, now=START) for _ in range(5)]
    assert entered == [True] * 3 + [False] * 2
    assert admission.enter(source, now=Instant(START + 1))


def test_a_source_that_is_too_fast_is_told_when_to_come_again() -> None:
    admission = door(commands_per_second=1.0, commands_burst=2.0, source_factor=2.0)
    source = admission.source_of("192.0.2.1", now=START)
    waits = [admission.spend(source, cost=1, size=10, now=START) for _ in range(5)]
    assert waits == [0, 0, 0, 0, pytest.approx(0.5)]
    other = admission.source_of("192.0.2.2", now=START)
    assert admission.spend(other, cost=1, size=10, now=START) == 0


def test_short_binding_requests_are_answered_sparingly() -> None:
    admission = door(short_stun_burst=2.0, stun_burst=5.0)
    source = admission.source_of("192.0.2.1", now=START)
    short = [admission.may_answer_stun(source, is_short=True, now=START) for _ in range(3)]
    long = [admission.may_answer_stun(source, is_short=False, now=START) for _ in range(3)]
    assert short == [True, True, False]
    assert long == [True, True, False]


def test_what_is_known_about_sources_is_bounded_and_forgotten() -> None:
    admission = door(sources=10)
    inside = admission.source_of("192.0.2.1", now=START)
    admission.enter(inside, now=START)
    for number in range(100):
        source = admission.source_of(f"198.51.100.{number}", now=START)
        admission.spend(source, cost=1, size=1, now=START)
    assert admission.sources <= 10
    admission.sweep(now=Instant(START + 1_000))
    assert admission.sources == 1
    admission.leave(inside)
    admission.sweep(now=Instant(START + 1_000))
    assert (admission.sources, admission.connections) == (0, 0)


@given(memory=st.integers(0, 2**42), descriptors=st.integers(0, 2**20))
def test_limits_fit_the_machine(memory: int, descriptors: int) -> None:
    limits = limits_for(memory=memory, descriptors=descriptors)
    assert limits.bytes_total <= memory // 4
    assert limits.connections >= 16
    assert limits.connections <= max(16, descriptors)
    assert limits.bytes_per_source <= limits.bytes_total
    assert limits.connections_per_source <= limits.connections


def test_this_machine_has_a_memory_and_descriptors() -> None:
    assert memory_ceiling() >= 64 * MEGABYTE
    assert raise_descriptors() >= 256
