"""Garbage is looked for seldom while the program runs, and as before once it is over."""

from __future__ import annotations

import gc
import weakref

import pytest

from toheal_p2p.adapters import bridge
from toheal_p2p.adapters.collecting import ROUNDS, YOUNG, collected_seldom


class Ring:
    """Refers to itself, so that no count of references ever frees it."""

    def __init__(self) -> None:
        self.ring = self


def test_a_run_looks_for_garbage_seldom_and_leaves_the_process_as_it_was() -> None:
    before = gc.get_threshold()

    async def look() -> tuple[int, int, int]:
        return gc.get_threshold()

    assert bridge.run(look) == (YOUNG, *ROUNDS)
    assert gc.get_threshold() == before


def test_the_thresholds_come_back_after_an_error() -> None:
    before = gc.get_threshold()
    with pytest.raises(KeyError), collected_seldom():
        raise KeyError
    assert gc.get_threshold() == before


def test_what_a_hundred_decisions_hold_is_not_looked_at() -> None:
    """What is alive between two commits is no garbage; 128 decisions have some sixty objects each."""
    with collected_seldom():
        gc.collect()
        looked = gc.get_stats()[0]["collections"]
        alive = [[] for _ in range(128 * 60)]
        assert gc.get_stats()[0]["collections"] == looked
        assert len(alive) == 128 * 60


def test_garbage_is_found_all_the_same() -> None:
    """Also what lived long: objects that come and stay make Python look at the old ones in the end."""
    with collected_seldom():
        gc.collect()
        ring = Ring()
        gone = weakref.ref(ring)
        for _ in range(2):  # old by now
            gc.collect(1)
        del ring
        kept: list[list[int]] = []
        while gone() is not None and len(kept) < 4_000_000:
            kept += [[] for _ in range(YOUNG)]
    assert gone() is None
