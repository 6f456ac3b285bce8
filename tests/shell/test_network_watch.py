"""A network that changes and a machine that sleeps, noticed in virtual time."""

from __future__ import annotations

import pytest
import trio
from attrs import define, field

from toheal_p2p.adapters.network import look_at_network
from toheal_p2p.services.network_watch import (
    JUMP,
    LOOK_EVERY,
    LOOK_WHILE_TOLD,
    SETTLING,
    NetworkWatch,
)
from toheal_protocol.model import WallTime

pytestmark = pytest.mark.trio


@define(eq=False)
class Machine:
    """Addresses that a test sets, and a wall clock that goes on while the machine sleeps."""

    addresses: str = "home"
    slept: float = 0.0
    noticed: list[float] = field(factory=list)
    looks: int = 0
    news: trio.Event = field(factory=trio.Event)

    def look(self) -> str:
        self.looks += 1
        self.news = trio.Event()
        return self.addresses

    async def told(self) -> None:
        await self.news.wait()

    def wall_clock(self) -> WallTime:
        return WallTime(int(1_800_000_000 + trio.current_time() + self.slept))

    async def changed(self) -> None:
        self.noticed.append(trio.current_time())

    async def watched(self, nursery: trio.Nursery, *, tells: bool = False) -> None:
        told = self.told if tells else None
        await nursery.start(NetworkWatch(self.look, self.wall_clock, self.changed, told).run)


async def test_other_addresses_are_noticed_once_and_soon(autojump_clock: object) -> None:
    machine = Machine()
    async with trio.open_nursery() as nursery:
        await machine.watched(nursery)
        await trio.sleep(1000)
        assert machine.noticed == []
        machine.addresses, changed_at = "café", trio.current_time()
        await trio.sleep(1000)
        nursery.cancel_scope.cancel()
    [noticed_at] = machine.noticed
    assert noticed_at - changed_at <= LOOK_EVERY


@pytest.mark.parametrize("slept", [JUMP + 1.5, 3600.0, -3600.0])
async def test_sleep_is_noticed_by_the_clocks(autojump_clock: object, slept: float) -> None:
    """A clock that somebody sets looks the same, and costs the same few packets."""
    machine = Machine()
    async with trio.open_nursery() as nursery:
        await machine.watched(nursery)
        await trio.sleep(100)
        machine.slept = slept
        await trio.sleep(100)
        nursery.cancel_scope.cancel()
    assert len(machine.noticed) == 1


async def test_a_machine_whose_clocks_both_went_on_is_noticed_too(mock_clock: object) -> None:
    machine = Machine()
    async with trio.open_nursery() as nursery:
        await machine.watched(nursery)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(600)  # type: ignore[attr-defined]
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert len(machine.noticed) == 1


async def test_a_system_that_tells_is_looked_at_seldom_and_heard_soon(
    autojump_clock: object,
) -> None:
    machine = Machine()
    async with trio.open_nursery() as nursery:
        await machine.watched(nursery, tells=True)
        await trio.sleep(1000 + LOOK_WHILE_TOLD / 2)
        assert machine.noticed == []
        assert machine.looks <= 2 + 1000 / LOOK_WHILE_TOLD
        machine.addresses, changed_at = "café", trio.current_time()
        machine.news.set()
        await trio.sleep(SETTLING + 0.1)
        assert machine.noticed == [changed_at + SETTLING]
        machine.addresses = "café, with its route gone"  # of which nothing was told
        await trio.sleep(LOOK_EVERY)
        assert len(machine.noticed) == 2
        machine.slept = 3600
        await trio.sleep(LOOK_WHILE_TOLD)
        assert len(machine.noticed) == 3
        nursery.cancel_scope.cancel()


async def test_news_without_end_is_looked_at_once_a_second(autojump_clock: object) -> None:
    machine, told = Machine(), 0

    async def always() -> None:
        nonlocal told
        told += 1
        assert told <= 2 * 100 / SETTLING
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        await nursery.start(
            NetworkWatch(machine.look, machine.wall_clock, machine.changed, always).run
        )
        await trio.sleep(100)
        nursery.cancel_scope.cancel()
    assert machine.looks <= 1 + 100 / SETTLING
    assert machine.noticed == []


async def test_what_happens_while_it_is_told_is_seen_at_the_next_look(
    autojump_clock: object,
) -> None:
    machine = Machine()

    async def slowly() -> None:
        await machine.changed()
        machine.addresses = "train"
        await trio.sleep(30)

    async with trio.open_nursery() as nursery:
        await nursery.start(NetworkWatch(machine.look, machine.wall_clock, slowly).run)
        machine.addresses = "café"
        await trio.sleep(100)
        nursery.cancel_scope.cancel()
    assert len(machine.noticed) == 2


async def test_this_machines_network_looks_the_same_twice() -> None:
    assert look_at_network() == look_at_network()
