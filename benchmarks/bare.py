"""Raw aiortc: one end of a data channel as anybody gets it from the package index.

Nothing of ours is in it: two `RTCPeerConnection`s, an offer, an answer, and one ordered, reliable
data channel. Only the addresses are chosen: the loopback, as for our own links.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import aioice.ice
from aiortc.rtcdatachannel import RTCDataChannel
from aiortc.rtcpeerconnection import RTCPeerConnection
from aiortc.rtcsessiondescription import RTCSessionDescription

LOW: Final = 64 * 1024
"""Bytes that may wait in the sender: more is filled up only below it."""


class Bare:
    """One end."""

    def __init__(self, *, offers: bool) -> None:
        aioice.ice.get_host_addresses = lambda *_args, **_named: ["127.0.0.1"]
        self.connection = RTCPeerConnection()
        self.received = 0
        self.wanted = 0
        self.enough = asyncio.Event()
        self.low = asyncio.Event()
        self.open = asyncio.Event()
        self.answer: Callable[[bytes], None] | None = None
        self.channel: RTCDataChannel
        self.connection.on("datachannel", self._use)
        if offers:
            self._use(self.connection.createDataChannel("bare"))

    async def offer(self) -> dict[str, str]:
        """Return what the other end answers."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self._description()

    async def take_offer(self, offer: dict[str, str]) -> dict[str, str]:
        """Take the other end's offer and return the answer."""
        await self.connection.setRemoteDescription(RTCSessionDescription(**offer))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return self._description()

    async def take_answer(self, answer: dict[str, str]) -> None:
        """Take the other end's answer."""
        await self.connection.setRemoteDescription(RTCSessionDescription(**answer))

    async def send_all(self, message: bytes, count: int) -> None:
        """Send as fast as the channel takes it."""
        for _ in range(count):
            while self.channel.bufferedAmount > LOW:
                self.low.clear()
                await self.low.wait()
            self.channel.send(message)

    async def receive_all(self, count: int) -> None:
        """Wait for so many messages more."""
        self.expect(count)
        await self.enough.wait()

    def expect(self, count: int) -> None:
        """Have `enough` set after so many messages more."""
        self.wanted = self.received + count
        self.enough.clear()

    async def stop(self) -> None:
        """Close."""
        await self.connection.close()

    def _description(self) -> dict[str, str]:
        ours = self.connection.localDescription
        return {"sdp": ours.sdp, "type": ours.type}

    def _use(self, channel: RTCDataChannel) -> None:
        self.channel = channel
        channel.bufferedAmountLowThreshold = LOW
        channel.on("message", self._take)
        channel.on("bufferedamountlow", self.low.set)
        channel.on("open", self.open.set)
        if channel.readyState == "open":
            self.open.set()

    def _take(self, message: bytes) -> None:
        self.received += 1
        if self.answer is not None:
            self.answer(message)
        if self.received == self.wanted:
            self.enough.set()


async def connect(ours: Bare, theirs: Bare) -> None:
    """Connect two ends of one process."""
    await ours.take_answer(await theirs.take_offer(await ours.offer()))
    await asyncio.gather(ours.open.wait(), theirs.open.wait())
