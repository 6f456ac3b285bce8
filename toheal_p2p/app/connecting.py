"""Making connections to relays: directly, or through the proxy that the person set."""

from __future__ import annotations

from functools import partial
from typing import Final
from weakref import WeakSet

import trio
from attrs import define, field

from toheal_p2p.adapters.relay_probe import Draw, probe_relay
from toheal_p2p.adapters.relay_tls import OpenStream, TlsRelayChannel, dial, dial_through
from toheal_p2p.adapters.socks import open_through
from toheal_p2p.app.network_policy import NetworkPolicy
from toheal_p2p.ports.probes import RelayProbe
from toheal_p2p.services.relay_connection import RelayConnection
from toheal_protocol.crypto import Entropy
from toheal_protocol.wire.relay_address import RelayAddress

ISOLATION_SIZE: Final = 16
"""Random bytes of the user by which a proxy tells our connections apart; twice as many as hex."""


@define(eq=False)
class Connector:
    """Makes connections, and has them made anew when the way changes."""

    policy: NetworkPolicy
    entropy: Entropy
    _made: WeakSet[RelayConnection] = field(factory=WeakSet, init=False)

    def __attrs_post_init__(self) -> None:
        self.policy.on_change(self._redial)

    def connect(self, address: RelayAddress) -> RelayConnection:
        """Make a connection that does not run yet. No two share a user at the proxy."""
        isolation = self.entropy.draw(ISOLATION_SIZE).hex().encode()
        connection = RelayConnection(
            address, dial=partial(self._dial, isolation), line=lambda: self.policy.line
        )
        self._made.add(connection)
        return connection

    async def _dial(self, isolation: bytes, address: RelayAddress) -> TlsRelayChannel:
        if self.policy.proxy is None:
            return await dial(address)
        open_stream = partial(open_through, self.policy.proxy, isolation)
        return await dial_through(open_stream, address)

    async def probe(self, address: RelayAddress) -> RelayProbe:
        """Look at a relay the way a connection to it would go. Fulfils `ports.probes.Probe`."""
        open_stream: OpenStream = trio.open_tcp_stream
        draw: Draw | None = self.entropy.draw
        if self.policy.proxy is not None:
            isolation = self.entropy.draw(ISOLATION_SIZE).hex().encode()
            open_stream = partial(open_through, self.policy.proxy, isolation)
        if not self.policy.may_send_udp:
            draw = None
        patience = self.policy.line.dialling
        return await probe_relay(address, open_stream=open_stream, patience=patience, draw=draw)

    def _redial(self) -> None:
        for connection in tuple(self._made):
            connection.redial()
