"""Channels over WebRTC that are loaded a moment after the start, or with the first one.

aiortc, aioice and OpenSSL take a tenth of a second. A program that starts is ready without waiting
for them; they are loaded in a thread, and the page and the circles go on meanwhile.

Spec: docs/decisions/0037-what-is-needed-is-loaded-when-it-is-needed.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import trio
from attrs import define, field

from toheal_p2p.adapters.loading import load
from toheal_p2p.ports.channels import Channels, PreparedChannel, RelayServer
from toheal_protocol.machines.events import LinkWay

LOAD_AFTER: Final = 1.0
"""Seconds of a program that is ready: whatever a person asks first is not held up."""


@define(eq=False)
class WebRtcLater:
    """`ports.channels.Channels` over the real network. Works inside `bridge.run` only."""

    include_loopback: bool = False
    """Offer and try 127.0.0.1 too: for tests and the demo on one machine."""
    _channels: Channels | None = field(default=None, init=False)

    async def load_soon(self) -> None:
        """Load in a moment, so that the first link need not wait for it."""
        await trio.sleep(LOAD_AFTER)
        with suppress(ImportError, OSError):  # the first link tries again, and says so
            await self._loaded()

    async def prepare(
        self, *, controlling: bool, way: LinkWay, servers: Sequence[RelayServer]
    ) -> PreparedChannel:
        """Prepare a channel; see `ports.channels.Channels`."""
        channels = await self._loaded()
        return await channels.prepare(controlling=controlling, way=way, servers=servers)

    async def _loaded(self) -> Channels:
        if self._channels is None:
            self._channels = await load(self._load)
        return self._channels

    def _load(self) -> Channels:
        from toheal_p2p.adapters.webrtc import WebRtcChannels

        return WebRtcChannels(include_loopback=self.include_loopback)
