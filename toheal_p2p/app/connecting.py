"""Making connections to relays: directly, or through the proxy that the person set."""

from __future__ import annotations

from functools import partial
from typing import Final
from weakref import WeakSet

from attrs import define, field

from toheal_p2p.adapters.relay_tls import TlsRelayChannel, dial, dial_through
from toheal_p2p.adapters.socks import open_through
from toheal_p2p.app.network_policy import NetworkPolicy
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

    def _redial(self) -> None:
        for connection in tuple(self._made):
            connection.redial()
