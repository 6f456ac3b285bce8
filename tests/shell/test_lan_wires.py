"""Two wires to one member: one of them stands, and both sides agree which."""

from __future__ import annotations

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from tests.support.memory_lan import SOMEBODY, MemoryNetwork
from tests.support.vaults import MemoryVault
from toheal_p2p.services.committer import Committer
from toheal_p2p.services.lan_channel import LanChannel
from toheal_p2p.services.lan_wires import LanWires
from toheal_protocol.machines import events as machine
from toheal_protocol.model import Frame, MemberId
from toheal_protocol.wire.link_record import LinkKeys, derive_link_keys

pytestmark = pytest.mark.trio

OURS, THEIRS = MemberId(b"o" * 32), MemberId(b"t" * 32)


@define(eq=False)
class Side:
    """One of the two, and what its circle would hear."""

    events: list[machine.Event] = field(factory=list)
    wires: LanWires = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.wires = LanWires(self.events.append, Committer(MemoryVault()))

    def standing(self) -> set[int]:
        """Return the numbers of the wires that the circle thinks stand."""
        met = {one.wire for one in self.events if isinstance(one, machine.LanMet)}
        return met - {one.wire for one in self.events if isinstance(one, machine.LanParted)}


@define(eq=False)
class Pair:
    """Two sides and the connections between them."""

    nursery: trio.Nursery
    ours: Side = field(factory=Side)
    theirs: Side = field(factory=Side)
    network: MemoryNetwork = field(factory=MemoryNetwork)

    async def connect(self, name: bytes) -> None:
        """Make a connection whose exporter is this, and let it become a wire."""
        one, other = self.network.host(), self.network.host()
        listening = await other.open(other.segments()[0], SOMEBODY)
        calling = await one.open(one.segments()[0], SOMEBODY)
        mine = await calling.connect(other.address, listening.port)
        yours = await listening.accept()
        exporter = name * 32

        def keys(*, is_controlling: bool) -> LinkKeys:
            return derive_link_keys(exporter, exporter, is_controlling=is_controlling)

        self.nursery.start_soon(
            self.ours.wires.serve, THEIRS, LanChannel(mine, exporter), keys(is_controlling=True)
        )
        self.nursery.start_soon(
            self.theirs.wires.serve, OURS, LanChannel(yours, exporter), keys(is_controlling=False)
        )

    def exporters(self) -> tuple[bytes, bytes]:
        mine, yours = self.ours.wires._wires, self.theirs.wires._wires
        return mine[THEIRS].exporter[:1], yours[OURS].exporter[:1]


@pytest.mark.parametrize("order", [b"ab", b"ba"])
async def test_of_two_at_once_the_same_one_stands_on_both_sides(
    order: bytes, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        pair = Pair(nursery)
        for name in order:
            await pair.connect(bytes([name]))
            await trio.sleep(0.5)
        await trio.sleep(5)
        assert pair.exporters() == (b"a", b"a")
        for side in (pair.ours, pair.theirs):
            assert len(side.standing()) == 1
        assert len([one for one in pair.network.streams if not one.is_closed]) == 2
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("order", [b"ab", b"ba"])
async def test_after_a_while_the_newer_one_stands(order: bytes, autojump_clock: MockClock) -> None:
    """The older one may be dead, and nobody has noticed yet."""
    async with trio.open_nursery() as nursery:
        pair = Pair(nursery)
        for name in order:
            await pair.connect(bytes([name]))
            await trio.sleep(10)
        newest = order[1:]
        assert pair.exporters() == (newest, newest)
        assert pair.ours.wires.send(THEIRS, (Frame(b"over the newer"),))
        await trio.sleep(1)
        arrived = [one for one in pair.theirs.events if isinstance(one, machine.LanArrived)]
        assert [one.frames for one in arrived] == [(b"over the newer",)]
        assert len(pair.ours.standing()) == 1
        nursery.cancel_scope.cancel()


async def test_frames_beyond_the_room_wait_and_keep_their_order(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        pair = Pair(nursery)
        await pair.connect(b"a")
        await trio.sleep(1)
        frames = [Frame(number.to_bytes(4, "big") * 5000) for number in range(200)]
        for frame in frames:
            pair.ours.wires.send(THEIRS, (frame,))
        await trio.sleep(60)
        assert [frame for one in arrived(pair.theirs) for frame in one.frames] == frames
        nursery.cancel_scope.cancel()


def arrived(side: Side) -> list[machine.LanArrived]:
    return [one for one in side.events if isinstance(one, machine.LanArrived)]


async def test_a_wire_whose_proof_does_not_fit_never_stands(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        pair = Pair(nursery)
        await pair.connect(b"a")
        one, other = pair.network.host(), pair.network.host()
        listening = await other.open(other.segments()[0], SOMEBODY)
        mine = await (await one.open(one.segments()[0], SOMEBODY)).connect(
            other.address, listening.port
        )
        keys = derive_link_keys(b"x" * 32, b"x" * 32, is_controlling=True)
        await pair.ours.wires.serve(MemberId(b"n" * 32), LanChannel(mine, b"x" * 32), keys)
        assert pair.ours.wires.members() == (THEIRS,)
        assert mine.is_closed  # type: ignore[attr-defined]
        nursery.cancel_scope.cancel()


async def test_a_closed_wire_is_told_of_once(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        pair = Pair(nursery)
        await pair.connect(b"a")
        await trio.sleep(1)
        [number] = pair.ours.standing()
        pair.ours.wires.close(THEIRS, number + 1)
        pair.ours.wires.close(OURS, number)
        await trio.sleep(1)
        assert pair.ours.standing() == {number}
        pair.ours.wires.close(THEIRS, number)
        await trio.sleep(2)
        for side in (pair.ours, pair.theirs):
            assert side.standing() == set()
            assert sum(isinstance(one, machine.LanParted) for one in side.events) == 1
        assert not pair.ours.wires.send(THEIRS, (Frame(b"nowhere"),))
        nursery.cancel_scope.cancel()
