"""What this process may do on the network: the one place that everybody asks.

With a proxy set, everything goes to the relays through it: no UDP is sent, no name is looked up,
and nothing is said on the local network. Whoever makes a data channel, asks a relay for TURN,
announces itself on the LAN, or sends a STUN request asks here first, each time.

Docs: docs/command-line.md, section 8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field

from toheal_p2p.adapters.socks import ProxyAddress
from toheal_p2p.ports.channels import ChannelFailed, Channels, PreparedChannel, RelayServer
from toheal_p2p.services.relay_line import DIRECT_LINE, PROXY_LINE, Line
from toheal_protocol.machines.events import LinkWay


@define(eq=False)
class NetworkPolicy:
    """Holds what the person set, and tells who has to act on a change."""

    proxy: ProxyAddress | None = None
    _listeners: list[Callable[[], None]] = field(factory=list, init=False)

    @property
    def may_send_udp(self) -> bool:
        """Say whether any datagram may be sent, to whomever."""
        return self.proxy is None

    @property
    def may_open_links(self) -> bool:
        """Say whether data channels may be prepared or answered, of any way (TURN too)."""
        return self.proxy is None

    @property
    def may_use_lan(self) -> bool:
        """Say whether we may announce, listen or look for others on the local network."""
        return self.proxy is None

    @property
    def line(self) -> Line:
        """Return what patience connections to relays need."""
        return DIRECT_LINE if self.proxy is None else PROXY_LINE

    def use_proxy(self, proxy: ProxyAddress | None) -> None:
        """Go another way from now on. Listeners are told at once, in the order they came."""
        if proxy != self.proxy:
            self.proxy = proxy
            for told in self._listeners:
                told()

    def on_change(self, told: Callable[[], None]) -> None:
        """Have something called, synchronously, after each change."""
        self._listeners.append(told)


@define(eq=False)
class PolicedChannels:
    """Channels that are made only where that is allowed. Fulfils `ports.channels.Channels`."""

    channels: Channels
    policy: NetworkPolicy

    async def prepare(
        self, *, controlling: bool, way: LinkWay, servers: Sequence[RelayServer]
    ) -> PreparedChannel:
        """Prepare a channel, of whatever way.

        Raises:
            ChannelFailed: not allowed now, or as the channels say.
        """
        if not self.policy.may_open_links:
            raise ChannelFailed("with a proxy no channel is opened")
        return await self.channels.prepare(controlling=controlling, way=way, servers=servers)
