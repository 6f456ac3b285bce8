"""A network that changes and a machine that sleeps, noticed in virtual time."""

from __future__ import annotations

import pytest
import trio
from attrs import define, field

from toheal_p2p.adapters.network import look_at_network
from toheal_p2p.services.network_watch import JUMP, LOOK_EVERY, NetworkWatch
from toheal_protocol.model import WallTime

pytestmark = pytest.mark.trio


@define(eq=False)
class Machine:
    """Addresses that a test sets, and a wall clock that goes on while the machine sleeps."""

    addresses: str = "home"
    slept: float = 0.0
    noticed: list[float] = field(factory=list)

    def look(self) -> str:
        return self.addresses

    def wall_clock(self) -> WallTime:
        return WallTime(int(1_800_000_000 + trio.current_time() + self.slept))

    async def changed(self) -> None:
        self.noticed.append(trio.current_time())

    async def watched(self, nursery: trio.Nursery) -> None:
        await nursery.start(NetworkWatch(self.look, self.wall_clock, self.changed).run)


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
