"""Who writes much at once waits for peers who are there, and never for long."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.support.vaults import member_id
from toheal_p2p.services.pace import AHEAD_MOST, PACE_LONGEST, Pace, room_ahead
from toheal_protocol.machines.courier import LINK_WINDOW
from toheal_protocol.machines.events import LinkWay
from toheal_protocol.machines.state import Circle, Courier, Live, OpenLink, Pair

NEAR, FAR = Courier(link=OpenLink(b"attempt", LinkWay.DIRECT)), Courier()


def a_circle(*members: tuple[Courier, int]) -> Circle:
    """Return a circle whose members are reached so, and are so many items behind."""
    couriers = {member_id(place): courier for place, (courier, _) in enumerate(members)}
    pairs = {
        member_id(place): Pair(next_seq=11 + behind, acked_through=10)
        for place, (_, behind) in enumerate(members)
    }
    return Circle(cold=None, pairs=pairs, live=Live(couriers=couriers))  # type: ignore[arg-type]


def test_only_those_a_link_reaches_are_waited_for() -> None:
    assert room_ahead(a_circle()) == AHEAD_MOST
    assert room_ahead(a_circle((FAR, 5000))) == AHEAD_MOST
    assert room_ahead(a_circle((NEAR, 3), (NEAR, 7), (FAR, 5000))) == AHEAD_MOST - 7
    assert room_ahead(a_circle((Courier(lan=1), 5000))) < 0


def test_those_let_through_together_still_fit_a_window() -> None:
    assert 2 * AHEAD_MOST <= LINK_WINDOW


@pytest.mark.trio
async def test_nobody_waits_for_who_keeps_up(autojump_clock: object) -> None:
    began = trio.current_time()
    await Pace().wait(a_circle((NEAR, AHEAD_MOST - 1), (FAR, 5000)))
    assert trio.current_time() == began


@pytest.mark.trio
async def test_who_is_waited_for_holds_nobody_up_for_long(autojump_clock: object) -> None:
    began = trio.current_time()
    await Pace().wait(a_circle((NEAR, AHEAD_MOST)))
    assert trio.current_time() == pytest.approx(began + PACE_LONGEST)


@pytest.mark.trio
async def test_as_many_go_on_as_there_is_room_for_in_their_order(autojump_clock: object) -> None:
    pace, passed = Pace(), []

    async def write(number: int) -> None:
        await pace.wait(a_circle((NEAR, AHEAD_MOST)))
        passed.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(write, number)
            await trio.testing.wait_all_tasks_blocked()
        pace.ease(a_circle((NEAR, AHEAD_MOST)))
        await trio.testing.wait_all_tasks_blocked()
        assert passed == []
        pace.ease(a_circle((NEAR, AHEAD_MOST - 3)))
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(passed) == [0, 1, 2]
        pace.ease(a_circle((FAR, AHEAD_MOST)))  # its link is gone: nobody is waited for
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(passed) == list(range(10))


@pytest.mark.trio
async def test_nobody_overtakes_those_who_wait(autojump_clock: object) -> None:
    pace, passed = Pace(), []

    async def write(number: int, behind: int) -> None:
        await pace.wait(a_circle((NEAR, behind)))
        passed.append(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write, 1, AHEAD_MOST)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(write, 2, 0)
        await trio.testing.wait_all_tasks_blocked()
        assert passed == []
        pace.ease(a_circle((NEAR, AHEAD_MOST - 1)))
        await trio.testing.wait_all_tasks_blocked()
        assert passed == [1]
    assert passed == [1, 2]
