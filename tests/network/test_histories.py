"""Thousands of short histories of simulated worlds: whatever happens, all end with the same circle.

A failure names the history; `python -m tests.network.soak KIND NUMBER 1` repeats it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.network import test_governed_world, test_hostile_world
from tests.network.histories import KINDS
from tests.network.soak import main

TOGETHER = 50
"""Histories of one test: about a second of CPU."""

BATCHES = [
    (name, first) for name, kind in KINDS.items() for first in range(0, kind.ordinary, TOGETHER)
]


@pytest.mark.parametrize(("name", "first"), BATCHES)
def test_histories_end_with_one_circle(
    name: str, first: int, record_property: Callable[[str, object], None]
) -> None:
    for number in range(first, first + TOGETHER):
        try:
            KINDS[name].run(number)
        except Exception as error:
            error.add_note(f"python -m tests.network.soak {name} {number} 1")
            raise
    record_property("histories", TOGETHER)


def test_thousands_are_run_each_time_and_a_hundred_thousand_in_a_soak() -> None:
    machines = (test_hostile_world.TestHostileWorld, test_governed_world.TestGovernedWorld)
    examples = sum(machine.settings.max_examples for machine in machines)
    assert TOGETHER * len(BATCHES) + examples >= 3000
    assert sum(kind.soak for kind in KINDS.values()) >= 100_000


def test_a_soak_counts_what_fails_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[int] = []

    def run(number: int) -> None:
        ran.append(number)
        assert number != 8

    kind = KINDS["whole"]
    monkeypatch.setitem(KINDS, "whole", type(kind)(run, 0, 0))
    assert main(["whole", "7", "3"]) == 1
    assert ran == [7, 8, 9]
    said = capsys.readouterr().out
    assert "failed: python -m tests.network.soak whole 8 1" in said
    assert "3 of 3 done, next is 10; 1 failed" in said
