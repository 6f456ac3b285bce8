"""Datagrams at real sockets, and at sockets that behave worse than ours ever would."""

from __future__ import annotations

import errno
import socket
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import trio
from attrs import define, field

from toheal_protocol.model import Instant
from toheal_protocol.wire.stun import MAX_STUN_SIZE
from toheal_relay.server import bursts
from toheal_relay.server.bursts import DRAIN, DatagramSender, cuts_datagrams, read_bursts
from toheal_relay.server.lookout import Lookout, PlainLookout
from toheal_relay.server.turn_stream import Dirty, TurnStream
from toheal_relay.server.udp import SINGLES, serve_datagrams

HOST = "127.0.0.1"
TO = ("192.0.2.1", 9)


def udp() -> socket.socket:
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.bind((HOST, 0))
    end.setblocking(False)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
    return end


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two UDP sockets that do not wait."""
    with udp() as one, udp() as other:
        yield one, other


def take_all(end: socket.socket) -> list[bytes]:
    found = []
    try:
        while True:
            found.append(end.recv(65_536))
    except BlockingIOError:
        return found


@define(eq=False)
class BadSocket:
    """A socket whose calls go as `fate` says: an errno, or 0 for well."""

    knows_cutting: bool = True
    fate: deque[int] = field(factory=deque)
    sent: list[tuple[bytes, Any]] = field(factory=list)
    arriving: deque[bytes | OSError] = field(factory=deque)

    def getsockopt(self, _level: int, _name: int) -> int:
        if not self.knows_cutting:
            raise OSError(errno.ENOPROTOOPT, "no such option")
        return 0

    def sendto(self, packet: bytes, to: object) -> int:
        self._befall()
        self.sent.append((packet, to))
        return len(packet)

    def sendmsg(
        self, parts: Sequence[bytes], how: Sequence[tuple[int, int, bytes]], _flags: int, to: object
    ) -> int:
        self._befall()
        ((_, _, size),) = how
        step = int.from_bytes(size, "little")
        for part in parts:
            assert len(part) <= 64 * step
            assert len(part) <= 65_507
            self.sent += [(part[at : at + step], to) for at in range(0, len(part), step)]
        return 0

    def recvfrom(self, size: int) -> tuple[bytes, object]:
        came = self.arriving.popleft() if self.arriving else BlockingIOError()
        if isinstance(came, OSError):
            raise came
        return came[:size], TO

    def _befall(self) -> None:
        if self.fate and (number := self.fate.popleft()):
            raise OSError(number, "fate")


def numbered(count: int, size: int) -> list[bytes]:
    return [number.to_bytes(2, "big") + bytes(size - 2) for number in range(count)]


@pytest.mark.parametrize("does_cut", [True, False])
@pytest.mark.parametrize(
    ("count", "size"), [(1, 2), (2, 2), (64, 1000), (64, 1472), (64, 2048), (130, 100), (3, 40_000)]
)
def test_whether_the_kernel_cuts_or_we_do_the_same_arrives(
    ends: tuple[socket.socket, socket.socket], count: int, size: int, *, does_cut: bool
) -> None:
    ours, theirs = ends
    sender = DatagramSender(ours)
    if does_cut and not cuts_datagrams(ours):
        pytest.skip("this system does not cut datagrams")
    sender._cuts = does_cut
    packets = numbered(count, size)
    sender.send(b"".join(packets), size, theirs.getsockname())
    assert take_all(theirs) == packets


def test_one_empty_packet_is_sent(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    DatagramSender(ours).send(b"", 0, theirs.getsockname())
    assert take_all(theirs) == [b""]


def test_a_relay_for_both_families_cuts_for_clients_of_ipv4_too() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("needs IPv6")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as ours, udp() as theirs:
        ours.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        ours.bind(("::", 0))
        packets = numbered(20, 500)
        DatagramSender(ours).send(
            b"".join(packets), 500, ("::ffff:127.0.0.1", theirs.getsockname()[1])
        )
        assert take_all(theirs) == packets


def test_a_kernel_that_does_not_know_how_to_cut_gets_single_packets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would not refuse: it would send all as one datagram."""
    monkeypatch.setattr(bursts.sys, "platform", "linux")
    bad = BadSocket(knows_cutting=False, fate=deque([0] * 5))
    DatagramSender(bad).send(b"aabbccddee", 2, TO)  # type: ignore[arg-type]
    assert bad.sent == [(packet, TO) for packet in (b"aa", b"bb", b"cc", b"dd", b"ee")]
    assert not bad.fate


@pytest.mark.parametrize("why", [errno.EINVAL, errno.EIO, errno.EMSGSIZE, errno.EAGAIN])
def test_where_several_at_once_are_refused_each_is_tried_alone(
    monkeypatch: pytest.MonkeyPatch, why: int
) -> None:
    """A path with a shorter MTU, a device that cannot, no room for all of them."""
    monkeypatch.setattr(bursts.sys, "platform", "linux")
    bad = BadSocket(fate=deque([why]))
    DatagramSender(bad).send(b"aabbcc", 2, TO)  # type: ignore[arg-type]
    assert [packet for packet, _ in bad.sent] == [b"aa", b"bb", b"cc"]


def test_what_finds_no_room_is_lost_and_nothing_else() -> None:
    bad = BadSocket(knows_cutting=False, fate=deque([0, errno.EAGAIN, errno.ECONNREFUSED, 0]))
    DatagramSender(bad).send(b"aabbccdd", 2, TO)  # type: ignore[arg-type]
    assert [packet for packet, _ in bad.sent] == [b"aa", b"dd"]


def test_more_than_one_call_takes_is_sent_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bursts.sys, "platform", "linux")
    bad = BadSocket()
    packets = numbered(200, 1300)
    DatagramSender(bad).send(b"".join(packets), 1300, TO)  # type: ignore[arg-type]
    assert [packet for packet, _ in bad.sent] == packets


def test_reading_stops_at_the_first_error_and_goes_on_with_the_rest() -> None:
    """An ICMP error in the middle, as some systems tell it; later there is nothing more."""
    bad = BadSocket(arriving=deque([b"one", b"six", ConnectionResetError(), b"three"]))
    assert read_bursts(bad, 0) == [(TO, [b"one", b"six"])]  # type: ignore[arg-type]
    assert read_bursts(bad, 0) == [(TO, [b"three"])]  # type: ignore[arg-type]
    assert read_bursts(bad, 0) == []  # type: ignore[arg-type]


def test_no_wake_up_reads_without_an_end() -> None:
    bad = BadSocket(arriving=deque([b"flood"] * 1_000))
    ((_, packets),) = read_bursts(bad, 0)  # type: ignore[arg-type]
    assert len(packets) == DRAIN
    assert len(bad.arriving) == 1_000 - DRAIN


def test_a_datagram_that_is_too_long_shows_it(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    for size in (MAX_STUN_SIZE, MAX_STUN_SIZE + 1, 60_000):
        ours.sendto(bytes(size), theirs.getsockname())
    sizes = [len(packet) for _, burst in read_bursts(theirs, 0) for packet in burst]
    assert sizes == [MAX_STUN_SIZE, MAX_STUN_SIZE + 1, MAX_STUN_SIZE + 1]


@pytest.mark.trio
async def test_a_flooded_socket_does_not_keep_the_others_from_their_turn(
    lookout: Lookout,
) -> None:
    """A thousand packets wait for one allocation, one for each of five others: these are dealt with while
    most of the thousand still wait."""
    order: list[int] = []
    sockets = [udp() for _ in range(6)]
    with udp() as flood:
        for _ in range(1_000):
            flood.sendto(b"flood", sockets[0].getsockname())
        for end in sockets[1:]:
            flood.sendto(b"please", end.getsockname())
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:

            def take_of(number: int) -> None:
                def take(_sender: object, packets: list[bytes], _now: Instant) -> None:
                    order.extend([number] * len(packets))
                    if len(order) >= 1_005:
                        nursery.cancel_scope.cancel()

                nursery.start_soon(
                    serve_datagrams, lookout, sockets[number], 0, take, Dirty(), _no_fault
                )

            for number in range(6):
                take_of(number)
    for end in sockets:
        end.close()
    assert Counter(order) == {0: 1_000} | dict.fromkeys(range(1, 6), 1)
    last = max(order.index(number) for number in range(1, 6))
    assert order[:last].count(0) <= 2 * DRAIN


class CountingSocket(socket.socket):
    """A socket that counts how often it is read."""

    reads = 0

    def recvfrom(self, *args: Any) -> Any:
        self.reads += 1
        return super().recvfrom(*args)


@pytest.mark.trio
async def test_packets_that_come_alone_cost_a_read_each_and_those_behind_them_are_found(
    lookout: Lookout,
) -> None:
    taken: list[int] = []
    with CountingSocket(socket.AF_INET, socket.SOCK_DGRAM) as ours, udp() as theirs:
        ours.setblocking(False)
        ours.bind(("127.0.0.1", 0))
        to = ours.getsockname()

        def take(_sender: object, packets: list[bytes], _now: Instant) -> None:
            taken.append(len(packets))

        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve_datagrams, lookout, ours, 0, take, Dirty(), _no_fault)
                for number in range(64):
                    theirs.sendto(b"alone", to)
                    while len(taken) <= number:  # noqa: ASYNC110 - a socket tells no event
                        await trio.sleep(0.001)
                assert ours.reads <= 64 + 64 // (SINGLES + 1)
                for _ in range(200):
                    theirs.sendto(b"crowd", to)
                while sum(taken) < 264:  # noqa: ASYNC110 - as above
                    await trio.sleep(0.001)
                nursery.cancel_scope.cancel()
    assert len(taken) - 64 <= SINGLES + 200 // DRAIN + 1


@pytest.mark.trio
async def test_a_packet_that_finds_a_bug_costs_nobody_else_theirs(
    lookout: Lookout,
) -> None:
    """Packets of three senders are read at once; the second one's finds a bug of ours."""
    faults, heard = [], []
    with udp() as ours, udp() as one, udp() as two, udp() as three:
        for end, packet in ((one, b"one"), (two, b"two"), (three, b"three")):
            end.sendto(packet, ours.getsockname())

        def take(_sender: object, packets: list[bytes], _now: Instant) -> None:
            if packets == [b"two"]:
                raise ZeroDivisionError
            heard.extend(packets)
            if packets == [b"three"]:
                nursery.cancel_scope.cancel()

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(
                    serve_datagrams, lookout, ours, 0, take, Dirty(), lambda: faults.append(1)
                )
    assert heard == [b"one", b"three"]
    assert faults == [1]


@pytest.mark.trio
async def test_a_socket_that_is_closed_by_what_came_to_it_is_served_no_more(
    lookout: Lookout,
) -> None:
    ours = udp()
    with udp() as one, udp() as two:
        one.sendto(b"close", ours.getsockname())
        two.sendto(b"after", ours.getsockname())
        heard = []

        def take(_sender: object, packets: list[bytes], _now: Instant) -> None:
            heard.extend(packets)
            if packets == [b"close"]:
                lookout.close(ours)

        with trio.fail_after(5):
            await serve_datagrams(lookout, ours, 0, take, Dirty(), _no_fault)
    assert heard == [b"close", b"after"]


@define(eq=False)
class SlowStream:
    """A stream that takes so many bytes at once and then none."""

    room: int
    taken: bytes = b""

    def send_nowait(self, part: bytes) -> int:
        goes = part[: self.room]
        self.room -= len(goes)
        self.taken += goes
        return len(goes)


@pytest.mark.parametrize("size", [4, 5, 7, 1004])
def test_a_streams_queue_takes_of_a_burst_what_fits_and_no_part_of_a_message(size: int) -> None:
    slow, spawned = SlowStream(0), []
    dirty = Dirty()
    stream = TurnStream(
        slow, None, dirty, spawned.append, 10_000, 1.0, 1.0, PlainLookout(), _no_fault, heard_at=0.0
    )  # type: ignore[arg-type]
    whole = size + -size % 4
    messages = numbered(64, size)
    filled = [message + bytes(whole - size) for message in messages]
    for _ in range(60):
        stream.send(b"".join(messages), size, None)
    dirty.flush()
    assert len(spawned) == 1
    slow.room = 100_000
    stream._write()
    assert slow.taken == b"".join((filled * 60)[: 10_000 // whole])
    stream.send(messages[0], size, None)  # there is room again
    stream._is_writing = False
    dirty.flush()
    assert slow.taken.endswith(filled[0])


@pytest.mark.parametrize("room", [1, 3_999, 4_000, 4_001])
def test_a_stream_that_takes_a_part_is_given_the_rest(room: int) -> None:
    slow, spawned, dirty = SlowStream(room), [], Dirty()
    stream = TurnStream(
        slow, None, dirty, spawned.append, 10_000, 1.0, 1.0, PlainLookout(), _no_fault, heard_at=0.0
    )  # type: ignore[arg-type]
    messages = numbered(8, 1_000)
    stream.send(b"".join(messages[:4]), 1_000, None)
    dirty.flush()
    assert bool(spawned) == (room < 4_000)
    stream.send(b"".join(messages[4:]), 1_000, None)
    dirty.flush()
    slow.room = 100_000
    stream._write()
    assert slow.taken == b"".join(messages)


def _no_fault() -> None:
    raise AssertionError("a fault was counted")
