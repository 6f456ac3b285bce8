"""In-memory channels in virtual time, and the contract that they and the real ones keep.

`FakeChannels` stands for a network: everybody who prepares with one of its `side()`s can reach
everybody else there. `channel_pair` is the short way to two connected ends.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import deque
from collections.abc import Sequence

import trio
from attrs import define, field

from toheal_p2p.ports.channels import (
    BUFFER_LOW,
    EXPORTER_SIZE,
    Channel,
    ChannelFailed,
    Channels,
    PreparedChannel,
    RelayServer,
)
from toheal_protocol.errors import RemoteError
from toheal_protocol.machines.events import LinkWay
from toheal_protocol.wire.connection_blob import (
    Candidate,
    CandidateKind,
    ConnectionBlob,
    decode_blob,
    encode_blob,
)


@define(eq=False)
class FakeChannel:
    """One end. What is sent arrives `delay` virtual seconds later at the other end.

    `bytes_per_second` bounds how fast it leaves; without it everything leaves at once.
    """

    exporter: bytes
    delay: float = 0.0
    bytes_per_second: float | None = None
    sent: list[bytes] = field(factory=list)
    """Every record given to `send_nowait`, for tests that look or replay."""
    is_relayed: bool = False
    is_lost: bool = False
    is_closed: bool = False
    is_frozen: bool = False
    """Nothing sent from here arrives any more, and nobody is told: a dead machine, a cut cable."""
    _peer: FakeChannel | None = None
    _leaves_at: float = 0.0
    _leaving: deque[tuple[float, int]] = field(factory=deque)
    _arriving: deque[tuple[float, bytes]] = field(factory=deque)
    _acknowledged: deque[float] = field(factory=deque)
    _progress: int = 0
    _changed: trio.Event = field(factory=trio.Event)

    def join(self, peer: FakeChannel) -> None:
        self._peer, peer._peer = peer, self

    @property
    def held(self) -> int:
        """Bytes that have not left yet."""
        while self._leaving and self._leaving[0][0] <= trio.current_time():
            self._leaving.popleft()
        return sum(size for _, size in self._leaving)

    @property
    def progress(self) -> int:
        """Records of which an acknowledgement would be back by now."""
        while self._acknowledged and self._acknowledged[0] <= trio.current_time():
            self._acknowledged.popleft()
            self._progress += 1
        return self._progress

    def send_nowait(self, record: bytes) -> None:
        assert 0 < len(record) <= 16 * 1024, "no message a channel carries"
        self.sent.append(record)
        if self.is_lost or self.is_closed:
            return
        now = trio.current_time()
        self._leaves_at = max(self._leaves_at, now)
        if self.bytes_per_second is not None:
            self._leaves_at += len(record) / self.bytes_per_second
            self._leaving.append((self._leaves_at, len(record)))
        if self._peer is not None and not self.is_frozen:
            self._peer._arriving.append((self._leaves_at + self.delay, record))
            self._acknowledged.append(self._leaves_at + 2 * self.delay)
            self._peer._notify()

    async def room(self) -> None:
        while True:
            if self.is_lost:
                raise ChannelFailed("lost")
            if self.held < BUFFER_LOW:
                return
            with trio.move_on_at(self._leaving[0][0]):
                await self._changed.wait()

    async def receive(self) -> tuple[bytes, ...]:
        await trio.lowlevel.checkpoint()
        while True:
            now = trio.current_time()
            records = []
            while self._arriving and self._arriving[0][0] <= now:
                records.append(self._arriving.popleft()[1])
            if records:
                return tuple(records)
            if self.is_lost and not self._arriving:
                raise ChannelFailed("lost")
            with trio.move_on_at(self._arriving[0][0] if self._arriving else float("inf")):
                await self._changed.wait()

    async def aclose(self) -> None:
        if self.is_closed:
            return
        try:
            with trio.move_on_after(1):
                await trio.sleep_until(max(self._leaves_at, trio.current_time()))
        finally:
            self.is_closed = True
            self.lose()
            if self._peer is not None and not self.is_frozen:
                self._peer.lose()
        await trio.lowlevel.checkpoint()

    def lose(self) -> None:
        """The connection breaks, and this end is told."""
        self.is_lost = True
        self._notify()

    def freeze(self) -> None:
        """The connection breaks, and neither end is told."""
        self.is_frozen = True
        if self._peer is not None:
            self._peer.is_frozen = True

    def inject(self, record: bytes) -> None:
        """Let a record arrive that the other end never sent."""
        self._arriving.append((trio.current_time(), record))
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


def channel_pair(
    *,
    delay: float = 0.0,
    bytes_per_second: float | None = None,
    exporters: tuple[bytes, bytes] | None = None,
) -> tuple[FakeChannel, FakeChannel]:
    """Two joined ends. Different `exporters` stand for somebody in the middle."""
    ours, theirs = exporters or (bytes(EXPORTER_SIZE), bytes(EXPORTER_SIZE))
    pair = (
        FakeChannel(ours, delay, bytes_per_second),
        FakeChannel(theirs, delay, bytes_per_second),
    )
    pair[0].join(pair[1])
    return pair


@define(eq=False)
class FakeChannels:
    """A network of fake channels; also everybody's `Channels` port.

    `is_down` makes every connect fail, `has_turn` is whether a relay lends addresses. `open` holds
    every end that was handed out, `asked` every way that was asked for.
    """

    delay: float = 0.0
    bytes_per_second: float | None = None
    connect_takes: float = 0.0
    """Virtual seconds of a successful connect."""
    is_down: bool = False
    has_turn: bool = True
    asked: list[LinkWay] = field(factory=list)
    open: list[FakeChannel] = field(factory=list)
    _prepared: dict[bytes, FakePrepared] = field(factory=dict)
    _serial: itertools.count[int] = field(factory=lambda: itertools.count(1))

    async def prepare(
        self, *, controlling: bool, way: LinkWay, servers: Sequence[RelayServer]
    ) -> FakePrepared:
        await trio.lowlevel.checkpoint()
        self.asked.append(way)
        if way is LinkWay.TURN and not self.has_turn:
            raise ChannelFailed("no relay lends us an address")
        serial = next(self._serial)
        fingerprint = hashlib.sha256(b"fake certificate %d" % serial).digest()
        kind = CandidateKind.RELAYED if way is LinkWay.TURN else CandidateKind.HOST
        candidate = Candidate(kind, "127.0.0.1", 2000 + serial % 60000)
        blob = ConnectionBlob(f"fake{serial}", "p" * 22, fingerprint, (candidate,))
        prepared = FakePrepared(self, encode_blob(blob), controlling, way)
        self._prepared[fingerprint] = prepared
        return prepared


@define(eq=False)
class FakePrepared:
    network: FakeChannels
    blob: bytes
    controlling: bool
    way: LinkWay = LinkWay.DIRECT
    _wants: bytes | None = None
    _channel: FakeChannel | None = None
    _is_closed: bool = False
    _changed: trio.Event = field(factory=trio.Event)

    async def connect(self, their_blob: bytes) -> FakeChannel:
        assert self._wants is None, "connect is for once"
        try:
            theirs = decode_blob(their_blob)
        except RemoteError:
            raise ChannelFailed("a malformed blob") from None
        self._wants = theirs.fingerprint
        try:
            with trio.move_on_after(10):
                channel = await self._meet(theirs.fingerprint)
                self.network.open.append(channel)
                return channel
            raise ChannelFailed("nobody answers")
        finally:
            self._is_closed = True

    async def aclose(self) -> None:
        self._is_closed = True
        await trio.lowlevel.checkpoint()

    async def _meet(self, their_fingerprint: bytes) -> FakeChannel:
        ours = decode_blob(self.blob).fingerprint
        while self._channel is None:
            peer = self.network._prepared.get(their_fingerprint)
            if peer and peer._wants == ours and not peer._is_closed and not self.network.is_down:
                assert peer.controlling is not self.controlling, "both sides have one role"
                mine, yours = channel_pair(
                    delay=self.network.delay, bytes_per_second=self.network.bytes_per_second
                )
                mine.is_relayed = yours.is_relayed = LinkWay.TURN in (self.way, peer.way)
                self._channel, peer._channel = mine, yours
                peer._changed.set()
                break
            if self._is_closed:
                raise ChannelFailed("closed meanwhile")
            await self._changed.wait()
        await trio.sleep(self.network.connect_takes)
        return self._channel


async def connected(
    ours: Channels,
    theirs: Channels,
    *,
    ways: tuple[LinkWay, LinkWay] = (LinkWay.DIRECT, LinkWay.DIRECT),
    servers: Sequence[RelayServer] = (),
) -> tuple[Channel, Channel]:
    """Connect two sides as a peer pair would: prepare, exchange blobs, connect."""
    prepared = [
        await ours.prepare(controlling=True, way=ways[0], servers=servers),
        await theirs.prepare(controlling=False, way=ways[1], servers=servers),
    ]
    channels: dict[int, Channel] = {}

    async def connect(index: int) -> None:
        half: PreparedChannel = prepared[index]
        channels[index] = await half.connect(prepared[1 - index].blob)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(connect, 0)
        nursery.start_soon(connect, 1)
    return channels[0], channels[1]


async def check_channel_contract(
    ours: Channels,
    theirs: Channels,
    *,
    way: LinkWay = LinkWay.DIRECT,
    servers: Sequence[RelayServer] = (),
) -> None:
    """Everything a link relies on. Real and fake channels both run this."""
    left, right = await connected(ours, theirs, ways=(way, way), servers=servers)
    assert left.is_relayed is right.is_relayed is (way is LinkWay.TURN)
    await check_channel_pair(left, right)


async def check_channel_pair(left: Channel, right: Channel) -> None:
    """The same for two ends that are connected already."""
    assert left.exporter == right.exporter
    assert len(left.exporter) == EXPORTER_SIZE

    records = [bytes([number]) * size for number, size in enumerate((1, 900, 16 * 1024, 7))] * 10
    for sender, receiver in ((left, right), (right, left)):
        before = sender.progress
        for record in records:
            sender.send_nowait(record)
        assert await _receive_bytes(receiver, len(records)) == records
        await sender.room()
        with trio.fail_after(5):
            while sender.progress == before:  # noqa: ASYNC110 - what is waited for has no event
                await trio.sleep(0.01)

    for record in records:
        left.send_nowait(record)
    await left.aclose()
    await left.aclose()
    assert await _receive_bytes(right, len(records)) == records, "closing threw records away"
    for call in (right.receive, right.room):
        try:
            await call()
        except ChannelFailed:
            continue
        raise AssertionError("a lost channel did not say so")
    right.send_nowait(b"swallowed")
    await right.aclose()


async def _receive_bytes(channel: Channel, count: int) -> list[bytes]:
    received: list[bytes] = []
    while len(received) < count:
        received += await channel.receive()
    return received
