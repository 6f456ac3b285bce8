"""What is opened before an offer comes: used for that offer once, and closed where none takes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from tests.support.channels import FakeChannels, FakePrepared
from toheal_p2p.ports.channels import RelayServer, ServerKind
from toheal_p2p.services.circle_links import EXPECTED_LONGEST, LOOK_AHEAD, CircleLinks
from toheal_protocol.machines import events as machine
from toheal_protocol.model import MemberId

in_trio = pytest.mark.trio

TURN, DIRECT = machine.LinkWay.TURN, machine.LinkWay.DIRECT
THEM = MemberId(b"t" * 32)
TAKES = 0.5
"""Seconds until sockets are open and the relay has answered."""


@define(eq=False)
class SlowChannels(FakeChannels):
    """Preparing takes its time, and what was prepared is kept to look at."""

    made: list[FakePrepared] = field(factory=list)

    async def prepare(
        self, *, controlling: bool, way: machine.LinkWay, servers: Sequence[RelayServer]
    ) -> FakePrepared:
        assert servers
        assert not controlling
        await trio.sleep(TAKES)
        made = await FakeChannels.prepare(self, controlling=controlling, way=way, servers=servers)
        self.made.append(made)
        return made


@define(eq=False)
class Ground:
    """Links of one circle, what the machine heard of them, and how often the relays were asked."""

    channels: SlowChannels = field(factory=SlowChannels)
    heard: list[machine.Event] = field(factory=list)
    asked: int = 0
    links: CircleLinks = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.links = CircleLinks(
            self.heard.append, trio.lowlevel.checkpoint, self.channels, self.servers
        )

    async def servers(self) -> Sequence[RelayServer]:
        self.asked += 1
        return (RelayServer("relay.example", 3478, ServerKind.UDP, until=1e6),)

    def expect(self, way: machine.LinkWay = TURN) -> None:
        self.links.expect(machine.ExpectLink(THEM, way))

    def prepare(self, attempt: bytes, way: machine.LinkWay = TURN) -> None:
        self.links.prepare(machine.PrepareLink(THEM, attempt, is_controlling=False, way=way))

    @property
    def open(self) -> list[bytes]:
        return [made.blob for made in self.channels.made if not made._is_closed]

    @property
    def told(self) -> list[bytes]:
        return [event.blob for event in self.heard if isinstance(event, machine.LinkPrepared)]


@asynccontextmanager
async def a_ground() -> AsyncIterator[Ground]:
    ground = Ground()
    async with trio.open_nursery() as nursery:
        ground.links.nursery = nursery
        yield ground
        nursery.cancel_scope.cancel()
    assert not ground.open or ground.told  # what nobody was told of is closed at the end


@pytest.mark.parametrize("offer_after", [0.0, TAKES / 2, 2 * TAKES, EXPECTED_LONGEST / 2])
@in_trio
async def test_an_offer_is_answered_with_what_was_opened_for_it(
    autojump_clock: MockClock, offer_after: float
) -> None:
    async with a_ground() as ground:
        ground.expect()
        ground.expect()
        await trio.sleep(offer_after)
        began = trio.current_time()
        ground.prepare(b"attempt")
        await trio.sleep(max(0.0, TAKES - offer_after) + 0.01)
        assert trio.current_time() - began < TAKES + 0.02
        assert ground.told == ground.open
        assert len(ground.told) == 1
        await trio.sleep(2 * EXPECTED_LONGEST)
        assert ground.told == ground.open, "what a peer was told of is not closed behind its back"
        ground.prepare(b"another")
        await trio.sleep(2 * TAKES)
        assert len(set(ground.told)) == 2, "a blob is for one attempt"


@in_trio
async def test_what_no_offer_takes_is_closed_soon(autojump_clock: MockClock) -> None:
    async with a_ground() as ground:
        ground.expect()
        await trio.sleep(EXPECTED_LONGEST)
        assert len(ground.open) == 1
        await trio.sleep(2 * TAKES)
        assert (ground.open, ground.told) == ([], [])
        ground.expect()
        await trio.sleep(2 * TAKES)
        assert len(ground.open) == 1, "the next one is expected as well"


@pytest.mark.parametrize("after", [TAKES / 2, 2 * TAKES])
@in_trio
async def test_what_was_opened_on_another_network_or_for_another_way_is_not_used(
    autojump_clock: MockClock, after: float
) -> None:
    async with a_ground() as ground:
        ground.expect(DIRECT)
        await trio.sleep(after)
        ground.prepare(b"attempt", TURN)
        await trio.sleep(2 * TAKES)
        assert ground.channels.asked[-1] is TURN
        assert ground.told == ground.open
        ground.expect()
        await trio.sleep(after)
        ground.links.forget_expected()
        ground.prepare(b"other")
        await trio.sleep(2 * TAKES)
        assert len(ground.told) == len(ground.open) == 2


@in_trio
async def test_an_offer_that_waits_for_what_is_forgotten_gets_its_own(
    autojump_clock: MockClock,
) -> None:
    async with a_ground() as ground:
        ground.expect()
        await trio.sleep(TAKES / 4)
        ground.prepare(b"attempt")
        await trio.sleep(TAKES / 4)
        ground.links.forget_expected()
        await trio.sleep(2 * TAKES)
        assert ground.told == ground.open
        assert len(ground.told) == 1


@in_trio
async def test_a_relay_that_lends_nothing_is_asked_once_for_one_offer(
    autojump_clock: MockClock,
) -> None:
    async with a_ground() as ground:
        ground.channels.has_turn = False
        ground.expect()
        await trio.sleep(TAKES / 2)
        ground.prepare(b"attempt")
        await trio.sleep(2 * TAKES)
        assert ground.heard == [machine.LinkClosed(THEM, b"attempt")]
        assert ground.channels.asked == [TURN]
        ground.channels.has_turn = True
        ground.prepare(b"later")
        await trio.sleep(2 * TAKES)
        assert len(ground.told) == 1


@in_trio
async def test_leave_is_looked_after_while_we_write_and_not_with_every_word(
    autojump_clock: MockClock,
) -> None:
    async with a_ground() as ground:
        for _ in range(10):
            ground.links.look_ahead()
            await trio.sleep(LOOK_AHEAD / 10)
        assert ground.asked == 1
        await trio.sleep(1)
        ground.links.look_ahead()
        await trio.sleep(1)
        assert ground.asked == 2


def test_a_circle_that_does_not_run_expects_nothing() -> None:
    ground = Ground()
    ground.expect()
    assert not ground.links._expected
