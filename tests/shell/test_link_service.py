from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio

from tests.support.channels import FakeChannels, channel_pair, check_channel_contract
from tests.support.links import key_pair
from toheal_p2p.ports.channels import BUFFER_LOW, ChannelFailed
from toheal_p2p.services.link import BATCH_MOST, QUEUE_MOST, Link
from toheal_protocol.errors import LocalError
from toheal_protocol.machines.link import OPENING_LONGEST, Ending
from toheal_protocol.machines.link_parts import DOUBT_LONGEST, PING_EVERY, SILENCE_LONGEST, WINDOW
from toheal_protocol.model import MAX_FRAME_SIZE, Frame

pytestmark = pytest.mark.trio


@asynccontextmanager
async def open_links(**channel_options):
    ours, theirs = (
        Link(channel, keys)
        for channel, keys in zip(channel_pair(**channel_options), key_pair(), strict=True)
    )
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as opening:
            for link in (ours, theirs):
                opening.start_soon(nursery.start, link.run)
        with trio.fail_after(1e4):
            yield ours, theirs
        nursery.cancel_scope.cancel()


async def take(link, count):
    frames = []
    while len(frames) < count:
        frames += await link.incoming.receive()
    return frames


async def send_all(link, frames):
    for frame in frames:
        await link.room()
        link.send_nowait(frame)


def numbered(count, size=0):
    return [Frame(b"%d " % number + bytes(size)) for number in range(count)]


@pytest.mark.parametrize("delay", [0.0, 0.05])
async def test_the_fake_channels_keep_the_contract(autojump_clock, delay):
    network = FakeChannels(delay=delay)
    await check_channel_contract(network, network)


async def test_the_fake_channels_keep_the_contract_on_a_slow_line(autojump_clock):
    network = FakeChannels(bytes_per_second=1e6)
    await check_channel_contract(network, network)


async def test_frames_arrive_in_order_both_ways(autojump_clock):
    frames = numbered(2000)
    async with open_links(delay=0.02) as (ours, theirs), trio.open_nursery() as nursery:
        nursery.start_soon(send_all, ours, frames)
        nursery.start_soon(send_all, theirs, frames)
        assert await take(theirs, len(frames)) == frames
        assert await take(ours, len(frames)) == frames


async def test_frames_of_one_pass_share_a_record_and_arrive_as_one_batch(autojump_clock):
    frames = numbered(100)
    async with open_links() as (ours, theirs):
        await trio.sleep(1)
        before = len(ours.channel.sent)
        for frame in frames:
            ours.send_nowait(frame)
        assert await theirs.incoming.receive() == tuple(frames)
        assert len(ours.channel.sent) == before + 1


async def test_a_single_frame_does_not_wait_for_company(autojump_clock):
    async with open_links() as (ours, theirs):
        await trio.sleep(1)
        started = trio.current_time()
        ours.send_nowait(Frame(b"alone"))
        assert await theirs.incoming.receive() == (b"alone",)
        assert trio.current_time() == started


async def test_the_largest_frames_pass(autojump_clock):
    frames = [Frame(bytes([number]) * MAX_FRAME_SIZE) for number in range(12)]
    async with open_links(bytes_per_second=1e6, delay=0.05) as (ours, theirs):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_all, ours, frames)
            assert await take(theirs, len(frames)) == frames


def fill(link, frame):
    """Send until the queue is full; return how many it took."""
    for count in range(QUEUE_MOST):
        try:
            link.send_nowait(frame)
        except trio.WouldBlock:
            return count
    raise AssertionError("a queue without end")


async def test_a_full_queue_says_so_and_says_when_there_is_room(autojump_clock):
    frame = Frame(bytes(1000))
    async with open_links(bytes_per_second=1e5) as (ours, theirs):
        assert fill(ours, frame) == QUEUE_MOST // 1000 + 1
        await trio.sleep(0.01)
        assert 0 < fill(ours, frame) < 200
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.room)
            nursery.start_soon(ours.room)
            await take(theirs, 300)
        ours.send_nowait(frame)


async def test_what_waits_before_a_slow_channel_is_bounded(autojump_clock):
    async with open_links(bytes_per_second=1e5) as (ours, _):
        fill(ours, Frame(bytes(1000)))
        for _ in range(20):
            await trio.sleep(0.1)
            assert ours.channel.held < BUFFER_LOW + BATCH_MOST + 4096


async def test_a_reader_that_stops_reading_stops_the_writer_and_nothing_else(autojump_clock):
    async with open_links() as (ours, theirs):
        sent = 0
        with trio.move_on_after(60):
            while True:
                await ours.room()
                ours.send_nowait(Frame(bytes(1000)))
                sent += 1000
        assert sent < QUEUE_MOST + 3 * WINDOW
        assert ours.is_open
        assert theirs.is_open
        theirs.send_nowait(Frame(b"the other way is free"))
        assert await take(ours, 1) == [b"the other way is free"]
        assert len(await take(theirs, sent // 1000)) == sent // 1000


async def test_the_round_trip_is_measured(autojump_clock):
    async with open_links(delay=0.1) as (ours, _):
        assert ours.round_trip is None
        await trio.sleep(1)
        assert ours.round_trip == pytest.approx(0.2)


async def test_draining_loses_nothing_and_ends_both_sides(autojump_clock):
    frames = numbered(300, size=1000)
    received = []

    async def read(link):
        async for batch in link.incoming:
            received.extend(batch)

    async with open_links(bytes_per_second=2e5, delay=0.1) as (ours, theirs):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, theirs)
            await send_all(ours, frames)
            theirs.send_nowait(Frame(b"a last word"))
            await ours.drain()
        assert received == frames
        assert await ours.incoming.receive() == (b"a last word",)
        with pytest.raises(trio.EndOfChannel):
            await ours.incoming.receive()
        assert ours.ending is Ending.DRAINED
        await theirs.closed.wait()
        assert theirs.ending is Ending.DRAINED


async def test_both_sides_may_drain_at_once(autojump_clock):
    async with open_links(delay=0.1) as (ours, theirs), trio.open_nursery() as nursery:
        nursery.start_soon(ours.drain)
        nursery.start_soon(theirs.drain)
    assert ours.ending is theirs.ending is Ending.DRAINED


async def test_a_draining_link_takes_no_more_frames(autojump_clock):
    async with open_links(delay=0.1) as (ours, theirs), trio.open_nursery() as nursery:
        nursery.start_soon(ours.drain)
        await trio.sleep(0.05)
        with pytest.raises(trio.ClosedResourceError):
            ours.send_nowait(Frame(b"late"))
        with pytest.raises(trio.ClosedResourceError):
            await ours.room()
        assert not ours.is_open
        theirs.send_nowait(Frame(b"the peer may, until it hears of it"))
        assert await take(ours, 1)


async def test_a_dead_peer_ends_the_link_in_time(autojump_clock):
    async with open_links(delay=0.05) as (ours, theirs):
        await trio.sleep(1)
        died_at = trio.current_time()
        ours.channel.freeze()
        await ours.closed.wait()
        assert ours.ending is Ending.SILENT
        assert trio.current_time() - died_at <= PING_EVERY + SILENCE_LONGEST
        await theirs.closed.wait()
        assert theirs.ending is Ending.SILENT


async def test_an_idle_link_lives_on(autojump_clock):
    async with open_links(delay=0.05) as (ours, theirs):
        await trio.sleep(3600)
        assert ours.is_open
        assert theirs.is_open
        assert len(ours.channel.sent) < 1000


async def test_a_slow_line_full_of_frames_is_no_dead_peer(autojump_clock):
    async with open_links(bytes_per_second=20_000, delay=0.3) as (ours, theirs):
        frames = numbered(150, size=8000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_all, ours, frames)
            assert await take(theirs, len(frames)) == frames
        assert ours.is_open


async def test_doubt_in_the_middle_of_a_long_frame_on_a_slow_line_ends_nothing(autojump_clock):
    async with open_links(bytes_per_second=8_000, delay=0.3) as (ours, theirs):
        frames = numbered(1, size=MAX_FRAME_SIZE - 2)
        await send_all(ours, frames)
        for _ in range(4):
            await trio.sleep(1)
            ours.probe()
        assert await take(theirs, 1) == frames  # twelve seconds later
        assert ours.is_open
        ours.channel.freeze()
        ours.probe()
        with trio.fail_after(2 * DOUBT_LONGEST):
            await ours.closed.wait()


async def test_a_lost_channel_ends_the_link_after_what_had_arrived(autojump_clock):
    async with open_links() as (ours, theirs):
        ours.send_nowait(Frame(b"before"))
        await trio.sleep(1)
        theirs.channel.lose()
        await theirs.closed.wait()
        assert theirs.ending is Ending.LOST
        assert await theirs.incoming.receive() == (b"before",)
        with pytest.raises(trio.EndOfChannel):
            await theirs.incoming.receive()


async def test_closing_ends_both_sides(autojump_clock):
    async with open_links(delay=0.05) as (ours, theirs):
        await ours.aclose()
        await ours.aclose()
        assert ours.ending is Ending.LEFT
        assert ours.channel.is_closed
        await theirs.closed.wait()
        assert theirs.ending is Ending.LOST
        for link in (ours, theirs):
            with pytest.raises(trio.ClosedResourceError):
                link.send_nowait(Frame(b"late"))
            with pytest.raises(trio.EndOfChannel):
                await link.incoming.receive()


async def test_cancelling_run_closes_the_channel(autojump_clock):
    async with open_links() as (ours, theirs):
        pass
    for link in (ours, theirs):
        assert link.channel.is_closed
        assert link.ending is Ending.LEFT


async def test_a_reader_that_leaves_ends_the_link(autojump_clock):
    async with open_links() as (ours, theirs):
        await theirs.incoming.aclose()
        ours.send_nowait(Frame(b"to nobody"))
        await theirs.closed.wait()
        assert theirs.ending is Ending.LEFT


async def test_a_link_that_does_not_open_raises(autojump_clock):
    channel, _ = channel_pair()
    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        with pytest.raises(ChannelFailed):
            await nursery.start(Link(channel, key_pair()[0]).run)
    assert trio.current_time() - started == OPENING_LONGEST
    assert channel.is_closed


async def test_somebody_in_the_middle_of_the_channel_is_noticed(autojump_clock):
    channels = channel_pair(exporters=(bytes(32), b"\x01" * 32))
    links = [Link(*end) for end in zip(channels, key_pair(), strict=True)]
    raised = []

    async def fails(link):
        try:
            await link.run()
        except ChannelFailed as failure:
            raised.append(failure)

    async with trio.open_nursery() as nursery:
        for link in links:
            nursery.start_soon(fails, link)
    assert len(raised) == 2
    assert {link.ending for link in links} <= {Ending.UNPROVEN, Ending.LOST}


async def test_a_peer_that_breaks_the_rules_is_cut_off(autojump_clock):
    async with open_links() as (ours, theirs):
        ours.channel.inject(b"garbage")
        await ours.closed.wait()
        assert ours.ending is Ending.BROKE_RULES
        await theirs.closed.wait()


async def test_a_link_closed_before_it_ran_is_closed(autojump_clock):
    channel, _ = channel_pair()
    link = Link(channel, key_pair()[0])
    await link.aclose()
    assert channel.is_closed
    with pytest.raises(trio.ClosedResourceError):
        link.send_nowait(Frame(b"x"))
    with pytest.raises(ChannelFailed):
        await link.run()


async def test_frames_of_no_lawful_size_are_our_bug(autojump_clock):
    async with open_links() as (ours, _):
        for size in (0, MAX_FRAME_SIZE + 1):
            with pytest.raises(LocalError):
                ours.send_nowait(Frame(bytes(size)))


async def test_keys_and_frames_are_not_shown(autojump_clock):
    channel, _ = channel_pair()
    link = Link(channel, key_pair()[0])
    link.send_nowait(Frame(b"disclosure"))
    assert "disclosure" not in repr(link)
    assert repr(link.keys.send) not in repr(link)
