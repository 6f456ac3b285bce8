"""Bad weather between two ends: a proxy in user space that is late and loses, from a seed.

    ours  <-->  [stands for theirs | stands for ours]  <-->  theirs        `Weather.between`
    clients  <-->  [stands for the relay]  <-->  relay, UDP and TCP        `Weather.before`

Which packets are lost follows from the seed and the order they come in, for each direction of each
flow alone. TCP cannot be made to lose anything from outside a kernel: a lost segment is a pause of
the whole stream, as long as the repetition would take.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from typing import Final, TypeVar

import trio
from attrs import define, field, frozen

HOST: Final = "127.0.0.1"
LARGEST: Final = 65536
SEGMENT: Final = 1400
"""Bytes of a TCP stream that are lost, or not, together."""
MORE_THAN_ROUND_TRIP: Final = 0.2
"""Seconds that a kernel waits at least before it repeats a segment."""
WAITING_MOST: Final = 4096
"""Pieces of one TCP stream on their way."""

T = TypeVar("T")
Address = tuple[str, int]


@frozen
class Climate:
    """What one direction does to packets."""

    delay: float
    """Seconds, each way."""
    loss: float
    """Share of packets, each way."""
    jitter: float = 0.0
    """Seconds more at most, evenly spread; packets may overtake each other."""
    seed: int = 1


@define(eq=False)
class Luck:
    """The fate of the packets of one direction of one flow, one after the other."""

    climate: Climate
    flow: int
    sent: int = 0
    lost: int = 0
    _draw: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._draw = random.Random(f"{self.climate.seed}/{self.flow}")

    def next(self) -> float | None:
        """Return how long the next packet takes, or None when it is lost."""
        is_lost = self._draw.random() < self.climate.loss
        late = self.climate.jitter * self._draw.random()
        self.sent += 1
        self.lost += is_lost
        return None if is_lost else self.climate.delay + late


@define(eq=False)
class Weather:
    """A proxy that runs. Made by `bad_weather`."""

    climate: Climate
    lucks: list[Luck] = field(factory=list)
    _token: trio.lowlevel.TrioToken | None = None
    _nursery: trio.Nursery | None = None
    _sockets: ExitStack = field(factory=ExitStack)
    _flying: list[tuple[float, int, trio.socket.SocketType, bytes, Address]] = field(factory=list)
    _serial: Iterator[int] = field(factory=itertools.count)
    _has_more: trio.Event = field(factory=trio.Event)

    def between(self, ours: Address, theirs: Address) -> tuple[Address, Address]:
        """Stand between two UDP sockets; return who each is for the other: ours, theirs."""
        return self._call(self._start_between, ours, theirs)

    def before(self, server: Address) -> Address:
        """Stand before a server, with UDP and TCP on one port; return where."""
        return self._call(self._start_before, server)

    async def run(self, started: threading.Event, scope: trio.CancelScope) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with scope, self._sockets:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self._land)
                started.set()
                await trio.sleep_forever()

    def _call(self, start: Callable[..., Awaitable[T]], *addresses: Address) -> T:
        done: Future[T] = Future()

        async def answer() -> None:
            done.set_result(await start(*addresses))

        assert self._token is not None
        self._token.run_sync_soon(lambda: self._tasks.start_soon(answer))
        return done.result(10)

    def _luck(self) -> Luck:
        luck = Luck(self.climate, len(self.lucks))
        self.lucks.append(luck)
        return luck

    @property
    def _tasks(self) -> trio.Nursery:
        assert self._nursery is not None
        return self._nursery

    # ---- two ends

    async def _start_between(self, ours: Address, theirs: Address) -> tuple[Address, Address]:
        as_ours, as_theirs = await self._udp(), await self._udp()
        self._tasks.start_soon(self._carry, as_theirs, ours, as_ours, theirs)
        self._tasks.start_soon(self._carry, as_ours, theirs, as_theirs, ours)
        return as_ours.getsockname(), as_theirs.getsockname()

    async def _carry(
        self,
        heard: trio.socket.SocketType,
        source: Address,
        said: trio.socket.SocketType,
        target: Address,
    ) -> None:
        luck = self._luck()
        while True:
            datagram, sender = await _receive(heard)
            if sender == source:
                self._send_later(said, datagram, target, luck)

    def _send_later(
        self, said: trio.socket.SocketType, datagram: bytes, target: Address, luck: Luck
    ) -> None:
        takes = luck.next()
        if takes is not None:
            due = trio.current_time() + takes
            heapq.heappush(self._flying, (due, next(self._serial), said, datagram, target))
            self._has_more.set()

    async def _land(self) -> None:
        """Send each datagram when its time has come. Without jitter they keep their order."""
        while True:
            self._has_more = trio.Event()
            with trio.move_on_at(self._flying[0][0] if self._flying else math.inf):
                await self._has_more.wait()
            while self._flying and self._flying[0][0] <= trio.current_time():
                _, _, said, datagram, target = heapq.heappop(self._flying)
                with suppress(OSError):
                    await said.sendto(datagram, target)

    # ---- clients of a server

    async def _start_before(self, server: Address) -> Address:
        front = await self._udp()
        address: Address = front.getsockname()
        [listener] = await trio.open_tcp_listeners(address[1], host=HOST)
        self._tasks.start_soon(self._front, front, server)
        self._tasks.start_soon(
            trio.serve_listeners, lambda stream: self._serve_stream(stream, server), [listener]
        )
        return address

    async def _front(self, front: trio.socket.SocketType, server: Address) -> None:
        known: dict[Address, tuple[trio.socket.SocketType, Luck]] = {}
        while True:
            datagram, client = await _receive(front)
            if client not in known:
                behind = await self._udp()
                known[client] = behind, self._luck()
                self._tasks.start_soon(self._carry, behind, server, front, client)
            behind, luck = known[client]
            self._send_later(behind, datagram, server, luck)

    async def _serve_stream(self, ours: trio.SocketStream, server: Address) -> None:
        with suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            async with ours, await trio.open_tcp_stream(*server) as theirs:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._pump, ours, theirs)
                    nursery.start_soon(self._pump, theirs, ours)

    async def _pump(self, source: trio.SocketStream, target: trio.SocketStream) -> None:
        luck = self._luck()
        send, receive = trio.open_memory_channel[tuple[float, bytes]](WAITING_MOST)

        async def deliver() -> None:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                async with receive:
                    async for due, piece in receive:
                        await trio.sleep_until(due)
                        await target.send_all(piece)
                await target.send_eof()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(deliver)
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                async with send:
                    while piece := await source.receive_some(SEGMENT):
                        await send.send((trio.current_time() + self._stream_takes(luck), piece))

    def _stream_takes(self, luck: Luck) -> float:
        takes = luck.next()
        if takes is not None:
            return takes
        return 3 * self.climate.delay + MORE_THAN_ROUND_TRIP

    async def _udp(self) -> trio.socket.SocketType:
        made = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
        self._sockets.enter_context(made)
        await made.bind((HOST, 0))
        return made


async def _receive(heard: trio.socket.SocketType) -> tuple[bytes, Address]:
    while True:
        try:
            return await heard.recvfrom(LARGEST)
        except ConnectionRefusedError:
            continue  # somebody we sent to is gone


@contextmanager
def bad_weather(climate: Climate) -> Iterator[Weather]:
    """A proxy in a thread of its own, ended with the block."""
    weather = Weather(climate)
    started = threading.Event()
    scope = trio.CancelScope()

    async def main() -> None:
        await weather.run(started, scope)

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    try:
        assert started.wait(10)
        yield weather
    finally:
        assert weather._token is not None
        weather._token.run_sync_soon(scope.cancel)
        thread.join(10)
