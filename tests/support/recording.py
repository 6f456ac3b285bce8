"""What somebody could see: bytes on the wire, on disk and in memory, and a search in them.

Recordings are taken from real processes: TCP by a proxy in the middle, UDP from the loopback
interface, memory through `/proc`. The search knows every form a text can have in a Python process.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trio
from attrs import define, evolve, field

from tests.support.parts import SKIP_PREFIX
from toheal_protocol.wire.relay_address import parse_relay_address

TEXT_FORMS = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le")
"""How a text can lie in bytes: on the wire, and in the memory of a Python process."""

PIECE = 65536

ETHERNET, LOOPBACK_HEADER = 0x0003, 14
"""Every kind of packet, and the bytes before the IP header on the loopback interface."""

UDP = 17


def forms(text: str) -> tuple[bytes, ...]:
    """Return every form in which a text could be found."""
    return tuple(dict.fromkeys(text.encode(form) for form in TEXT_FORMS))


def found(needles: Iterable[tuple[str, bytes]], pieces: Iterable[bytes]) -> set[str]:
    """Return the names of those needles that occur in any of the pieces."""
    wanted = list(needles)
    seen: set[str] = set()
    for piece in pieces:
        seen |= {name for name, needle in wanted if needle in piece}
    return seen


@define(eq=False)
class RecordingProxy:
    """Stands between people and a relay and keeps every byte of both directions."""

    upstream: str
    address: str = field(default="", init=False)
    sent: list[bytearray] = field(factory=list, init=False)
    """One stream per connection and direction."""
    port: int = field(default=0, init=False)

    def pieces(self) -> list[bytes]:
        return [bytes(one) for one in self.sent]

    async def run(self, started: threading.Event) -> None:
        behind = parse_relay_address(self.upstream)
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        self.address = str(evolve(behind, host="127.0.0.1", port=self.port))
        started.set()

        async def forward(ours: trio.SocketStream) -> None:
            with suppress(trio.BrokenResourceError, OSError):
                async with ours, await trio.open_tcp_stream(behind.host, behind.port) as theirs:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._pump, ours, theirs, nursery.cancel_scope)
                        nursery.start_soon(self._pump, theirs, ours, nursery.cancel_scope)

        await trio.serve_listeners(forward, [listener])

    async def _pump(
        self, source: trio.SocketStream, target: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        kept = bytearray()
        self.sent.append(kept)
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for piece in source:
                kept += piece
                await target.send_all(piece)
        scope.cancel()


@contextmanager
def a_recording_proxy(upstream: str) -> Iterator[RecordingProxy]:
    """A proxy in a thread of its own, ended with the block."""
    proxy = RecordingProxy(upstream)
    started = threading.Event()
    scope = trio.CancelScope()
    token: list[trio.lowlevel.TrioToken] = []

    async def main() -> None:
        token.append(trio.lowlevel.current_trio_token())
        with scope:
            await proxy.run(started)

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    try:
        assert started.wait(10)
        yield proxy
    finally:
        token[0].run_sync_soon(scope.cancel)
        thread.join(10)


@define(eq=False)
class LoopbackRecording:
    """Every UDP datagram on the loopback interface, with its IP header."""

    packets: list[bytes] = field(factory=list)
    _is_over: threading.Event = field(factory=threading.Event)

    def pieces(self) -> list[bytes]:
        return list(self.packets)

    def to_port(self, port: int) -> list[bytes]:
        """Return the datagrams for one port."""
        return [packet for packet in self.packets if _target_port(packet) == port]

    def listen(self, tap: socket.socket) -> None:
        tap.settimeout(0.1)
        while not self._is_over.is_set():
            try:
                packet = tap.recv(PIECE)[LOOPBACK_HEADER:]
            except TimeoutError:
                continue
            if _protocol(packet) == UDP:
                self.packets.append(packet)

    def end(self) -> None:
        self._is_over.set()


@contextmanager
def a_loopback_recording() -> Iterator[LoopbackRecording]:
    """A recording of the loopback interface; skips the test where that is not allowed."""
    try:
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERNET))
    except (AttributeError, PermissionError):
        pytest.skip(f"{SKIP_PREFIX}netns: looking at packets needs root on Linux")
    with tap:
        tap.bind(("lo", ETHERNET))
        tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        recording = LoopbackRecording()
        thread = threading.Thread(target=recording.listen, args=(tap,))
        thread.start()
        try:
            yield recording
        finally:
            time.sleep(0.05)  # what was sent last is still in the socket
            recording.end()
            thread.join(10)


def _protocol(packet: bytes) -> int | None:
    if len(packet) < 20:
        return None
    return packet[6] if packet[0] >> 4 == 6 else packet[9]


def _target_port(packet: bytes) -> int:
    start = 40 if packet[0] >> 4 == 6 else (packet[0] & 15) * 4
    return int.from_bytes(packet[start + 2 : start + 4], "big")


def memory_of(pid: int) -> list[bytes]:
    """Return every writable region of a process's memory; skips where that is not allowed."""
    try:
        with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps:
            regions = [match for line in maps if (match := _REGION.match(line))]
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            return [piece for one in regions if (piece := _region(memory.fileno(), one))]
    except (FileNotFoundError, PermissionError) as reason:
        pytest.skip(f"{SKIP_PREFIX}netns: reading another process's memory: {reason.strerror}")


_REGION = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw")


def _region(descriptor: int, region: re.Match[str]) -> bytes:
    at, end = int(region[1], 16), int(region[2], 16)
    pieces = bytearray()
    with suppress(OSError):  # unmapped in the meantime, or of the kernel
        while at < end and (piece := os.pread(descriptor, min(end - at, 1 << 24), at)):
            pieces += piece
            at += len(piece)
    return bytes(pieces)


def files_below(folder: Path) -> list[bytes]:
    """Return the content of every ordinary file, and its name."""
    pieces = []
    for path in sorted(folder.rglob("*")):
        pieces.append(str(path.relative_to(folder)).encode())
        if path.is_file():
            with suppress(FileNotFoundError):  # the vault may tidy up while we look
                pieces.append(path.read_bytes())
    return pieces
