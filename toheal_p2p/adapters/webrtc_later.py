"""Channels over WebRTC that are loaded when the first one is prepared.

aiortc, aioice and OpenSSL take a tenth of a second and 15 MB. A profile that nobody is there to
connect with needs none of them, and a program that starts is ready without waiting for them. They
are loaded in a thread: the page and the other circles go on meanwhile.

Spec: docs/decisions/0037-what-is-needed-is-loaded-when-it-is-needed.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from toheal_p2p.adapters.loading import load
from toheal_p2p.ports.channels import Channels, PreparedChannel, RelayServer
from toheal_protocol.machines.events import LinkWay


@define(eq=False)
class WebRtcLater:
    """`ports.channels.Channels` over the real network. Works inside `bridge.run` only."""

    include_loopback: bool = False
    """Offer and try 127.0.0.1 too: for tests and the demo on one machine."""
    _channels: Channels | None = field(default=None, init=False)

    async def prepare(
        self, *, controlling: bool, way: LinkWay, servers: Sequence[RelayServer]
    ) -> PreparedChannel:
        """Prepare a channel; see `ports.channels.Channels`."""
        if self._channels is None:
            self._channels = await load(self._load)
        return await self._channels.prepare(controlling=controlling, way=way, servers=servers)

    def _load(self) -> Channels:
        from toheal_p2p.adapters.webrtc import WebRtcChannels

        return WebRtcChannels(include_loopback=self.include_loopback)
