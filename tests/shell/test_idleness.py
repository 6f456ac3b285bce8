"""Idleness: how long nobody has used a profile."""

from __future__ import annotations

import pytest
import trio

from toheal_p2p.app.idleness import LOOK_EVERY, Idleness

pytestmark = pytest.mark.trio


async def test_it_is_over_after_as_long_as_was_chosen_since_the_last_use(
    autojump_clock: object,
) -> None:
    idleness, began = Idleness(lambda: 5, trio.current_time), trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(idleness.over)
        for _ in range(10):
            await trio.sleep(200)
            idleness.end()
    assert 2000 + 300 <= trio.current_time() - began <= 2000 + 300 + LOOK_EVERY


async def test_it_is_never_over_where_nothing_was_chosen_and_follows_a_change(
    autojump_clock: object,
) -> None:
    chosen: list[int | None] = [None]
    idleness = Idleness(lambda: chosen[0], trio.current_time)
    with trio.move_on_after(100_000) as scope:
        await idleness.over()
    assert scope.cancelled_caught
    chosen[0] = 5
    with trio.fail_after(LOOK_EVERY + 1):
        await idleness.over()


@pytest.mark.parametrize("set_to", [-(10**6), 0, 3600])
async def test_time_in_which_the_machine_slept_counts_and_a_clock_set_back_does_not(
    autojump_clock: object, set_to: int
) -> None:
    slept = 0
    idleness, began = Idleness(lambda: 5, lambda: trio.current_time() + slept), trio.current_time()
    slept = set_to
    await idleness.over()
    expected = 0 if set_to > 300 else 300
    assert expected <= trio.current_time() - began <= expected + LOOK_EVERY
