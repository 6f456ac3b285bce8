"""A stream between two who recognised each other, as a `ports.channels.Channel` for a link.

    length[2, big endian] || record

A task of its own writes, so that sending never waits; reading happens where it is asked for.

Spec: docs/protocol/lan.md, section 5.
"""

from __future__ import annotations

from typing import Final

import trio
from attrs import define, field

from toheal_p2p.ports.channels import BUFFER_LOW, ChannelFailed
from toheal_p2p.ports.lan import LanFailed, LanStream
from toheal_protocol.wire.link_record import MAX_RECORD_SIZE

LINGER_LONGEST: Final = 1.0
"""Seconds that closing waits for what was sent to leave."""
UNSENT_MOST: Final = 1024 * 1024
"""Bytes that may wait to be sent: only somebody who asks and never reads gets there."""
READ_MOST: Final = 64 * 1024
"""Bytes read at once."""

_HEAD: Final = 2


@define(eq=False)
class LanChannel:
    """One connection. `run` has to run beside whoever uses it."""

    stream: LanStream
    exporter: bytes = field(repr=False)
    _unread: bytearray = field(factory=bytearray, init=False, repr=False)
    _unsent: bytearray = field(factory=bytearray, init=False, repr=False)
    _is_writing: bool = field(default=False, init=False)
    _writes: int = field(default=0, init=False)
    _is_lost: bool = field(default=False, init=False)
    _has_unsent: trio.Event = field(factory=trio.Event, init=False, repr=False)
    _has_room: trio.Event = field(factory=trio.Event, init=False, repr=False)
    _lost: trio.CancelScope = field(factory=trio.CancelScope, init=False, repr=False)

    @property
    def is_relayed(self) -> bool:
        """Never: both are in one room."""
        return False

    @property
    def progress(self) -> int:
        """Writes that the system took: what a slow reader leaves stands still after some of them."""
        return self._writes

    async def run(self) -> None:
        """Write what is sent, until the connection is lost or closed."""
        with self._lost:
            try:
                while True:
                    while not self._unsent:
                        self._has_unsent = trio.Event()
                        await self._has_unsent.wait()
                    leaving, self._unsent = bytes(self._unsent), bytearray()
                    self._is_writing = True
                    await self.stream.send_all(leaving)
                    self._is_writing = False
                    self._writes += 1
                    self._tell_room()
            except LanFailed:
                self._lose()

    def send_nowait(self, record: bytes) -> None:
        """Send one message; see `ports.channels.Channel`."""
        if self._is_lost:
            return
        if len(self._unsent) > UNSENT_MOST:
            self._lose()
            return
        self._unsent += len(record).to_bytes(_HEAD, "big") + record
        self._has_unsent.set()

    async def room(self) -> None:
        """Wait until less than `BUFFER_LOW` bytes are held; see `ports.channels.Channel`."""
        while not self._is_lost:
            if len(self._unsent) < BUFFER_LOW:
                return
            self._has_room = trio.Event()
            await self._has_room.wait()
        raise ChannelFailed("the connection is lost")

    async def receive(self) -> tuple[bytes, ...]:
        """Return all messages that have arrived; see `ports.channels.Channel`."""
        while not (records := self._whole_records()):
            if self._is_lost:
                raise ChannelFailed("the connection is lost")
            try:
                some = await self.stream.receive_some(READ_MOST)
            except LanFailed:
                some = b""
            if not some:
                self._lose()
            self._unread += some
        return records

    async def aclose(self) -> None:
        """Close, after a moment for what was sent; see `ports.channels.Channel`."""
        try:
            with trio.move_on_after(LINGER_LONGEST):
                while (self._unsent or self._is_writing) and not self._is_lost:
                    self._has_room = trio.Event()
                    await self._has_room.wait()
        finally:
            self._lose()
            with trio.CancelScope(shield=True):
                await self.stream.aclose()

    def _whole_records(self) -> tuple[bytes, ...]:
        """Take the whole records off the front of what was read.

        Raises:
            ChannelFailed: a length that no record has.
        """
        records: list[bytes] = []
        at, end = 0, len(self._unread)
        while at + _HEAD <= end:
            begin = at + _HEAD
            size = int.from_bytes(self._unread[at:begin], "big")
            if not 0 < size <= MAX_RECORD_SIZE:
                self._lose()
                raise ChannelFailed("a length that no record has")
            if begin + size > end:
                break
            records.append(bytes(self._unread[begin : begin + size]))
            at = begin + size
        del self._unread[:at]
        return tuple(records)

    def _tell_room(self) -> None:
        if len(self._unsent) < BUFFER_LOW:
            self._has_room.set()

    def _lose(self) -> None:
        self._is_lost = True
        self._lost.cancel()
        self._has_room.set()
