"""Who writes much at once waits for peers who are there, and never for long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from tests.support.vaults import member_id
from toheal_p2p.services.pace import AHEAD_MOST, AHEAD_SIZE, PACE_LONGEST, Pace
from toheal_p2p.services.recent_owed import KEPT_MOST
from toheal_protocol.machines.courier import LINK_WINDOW
from toheal_protocol.machines.events import LinkWay
from toheal_protocol.machines.pair import SEALED_AHEAD
from toheal_protocol.machines.state import Circle, Courier, Live, OpenLink, Pair
from toheal_protocol.model import MAX_FRAME_SIZE

NEAR, FAR = Courier(link=OpenLink(b"attempt", LinkWay.DIRECT)), Courier()


def a_circle(*members: tuple[Courier, int]) -> Circle:
    """Return a circle whose members are reached so, and are so many items behind."""
    couriers = {member_id(place): courier for place, (courier, _) in enumerate(members)}
    pairs = {
        member_id(place): Pair(next_seq=11 + behind, acked_through=10)
        for place, (_, behind) in enumerate(members)
    }
    return Circle(cold=None, pairs=pairs, live=Live(couriers=couriers))  # type: ignore[arg-type]


def a_pace(*sizes: int) -> Pace:
    """Return a pace that finds so many bytes owed to each member."""
    owed = {member_id(place): size for place, size in enumerate(sizes)}
    return Pace(lambda member: owed.get(member, 0))


def test_only_those_a_link_reaches_are_waited_for() -> None:
    assert a_pace().room(a_circle()) == AHEAD_MOST
    nearly = AHEAD_MOST - 7
    assert a_pace().room(a_circle((FAR, 5000))) == AHEAD_MOST
    assert a_pace().room(a_circle((NEAR, 3), (NEAR, nearly), (FAR, 5000))) == 7
    assert a_pace().room(a_circle((Courier(lan=1), 5000))) < 0


def few(*members: tuple[Courier, int]) -> int:
    """Return how many messages fit where each member is a few behind, with so many bytes."""
    circle = a_circle(*((courier, 1) for courier, _ in members))
    return a_pace(*(size for _, size in members)).room(circle)


def test_long_messages_count_by_their_size() -> None:
    most = AHEAD_SIZE // MAX_FRAME_SIZE
    assert 2 <= most < AHEAD_MOST
    assert few((NEAR, AHEAD_SIZE)) == 0
    assert few((NEAR, AHEAD_SIZE + 1)) <= 0
    assert few((NEAR, AHEAD_SIZE - 1)) == 1
    assert few((NEAR, 0)) in (most, most + 1)
    assert few((NEAR, AHEAD_SIZE - 1), (FAR, 9 * AHEAD_SIZE)) == 1
    assert 2 * AHEAD_SIZE <= KEPT_MOST


def test_those_let_through_together_still_fit_a_window() -> None:
    assert 2 * AHEAD_MOST <= LINK_WINDOW
    assert LINK_WINDOW < SEALED_AHEAD  # what a link carries was sealed when it was written


@asynccontextmanager
async def running(pace: Pace) -> AsyncIterator[Pace]:
    """Run a pace."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pace.run)
        await trio.testing.wait_all_tasks_blocked()
        yield pace
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_nobody_waits_for_who_keeps_up(autojump_clock: object) -> None:
    began = trio.current_time()
    async with running(a_pace()) as pace:
        await pace.wait(a_circle((NEAR, AHEAD_MOST - 1), (FAR, 5000)))
    assert trio.current_time() == began


@pytest.mark.trio
async def test_who_is_waited_for_holds_nobody_up_for_long(autojump_clock: object) -> None:
    began = trio.current_time()
    async with running(a_pace()) as pace:
        for number in range(3):
            await pace.wait(a_circle((NEAR, AHEAD_MOST)))
            assert trio.current_time() == pytest.approx(began + (number + 1) * PACE_LONGEST)
            began += 7
            await trio.sleep(7)


@pytest.mark.trio
async def test_each_waits_from_when_it_came(autojump_clock: object) -> None:
    waited: list[float] = []

    async def write(pace: Pace, after: float) -> None:
        await trio.sleep(after)
        began = trio.current_time()
        await pace.wait(a_circle((NEAR, AHEAD_MOST)))
        waited.append(trio.current_time() - began)

    async with running(a_pace()) as pace, trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(write, pace, number * PACE_LONGEST * 0.4)
    assert waited == pytest.approx([PACE_LONGEST] * 5)


@pytest.mark.trio
async def test_who_gives_up_waiting_holds_nobody_up(autojump_clock: object) -> None:
    passed: list[str] = []

    async def write(pace: Pace, name: str) -> None:
        await pace.wait(a_circle((NEAR, AHEAD_MOST)))
        passed.append(name)

    async with running(a_pace()) as pace, trio.open_nursery() as nursery:
        with trio.move_on_after(PACE_LONGEST / 2):
            nursery.start_soon(write, pace, "after")
            await write(pace, "gave up")
        pace.ease(a_circle((NEAR, AHEAD_MOST - 2)))
    assert passed == ["after"]


@pytest.mark.trio
async def test_nobody_waits_where_nobody_looks_at_the_clock(autojump_clock: object) -> None:
    pace = a_pace()
    await pace.wait(a_circle((NEAR, AHEAD_MOST)))
    passed: list[int] = []

    async def write() -> None:
        await pace.wait(a_circle((NEAR, AHEAD_MOST)))
        passed.append(1)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery, running(pace):
            nursery.start_soon(write)
            await trio.testing.wait_all_tasks_blocked()
            assert passed == []
    assert passed == [1]


@pytest.mark.trio
async def test_as_many_go_on_as_there_is_room_for_in_their_order(autojump_clock: object) -> None:
    passed: list[int] = []

    async def write(number: int) -> None:
        await pace.wait(a_circle((NEAR, AHEAD_MOST)))
        passed.append(number)

    async with running(a_pace()) as pace, trio.open_nursery() as nursery:
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
    passed: list[int] = []

    async def write(number: int, behind: int) -> None:
        await pace.wait(a_circle((NEAR, behind)))
        passed.append(number)

    async with running(a_pace()) as pace, trio.open_nursery() as nursery:
        nursery.start_soon(write, 1, AHEAD_MOST)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(write, 2, 0)
        await trio.testing.wait_all_tasks_blocked()
        assert passed == []
        pace.ease(a_circle((NEAR, AHEAD_MOST - 1)))
        await trio.testing.wait_all_tasks_blocked()
        assert passed == [1]
    assert passed == [1, 2]
