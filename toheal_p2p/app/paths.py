"""What a circle's relays do for its channels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from toheal_p2p.app.relays import RelayPair
from toheal_p2p.ports.channels import RelayServer, ServerKind


async def servers_of(relays: Iterable[RelayPair]) -> Sequence[RelayServer]:
    """Return the services of a circle's relays, the first relay's first."""
    return [RelayServer(one.address.host, one.address.port, ServerKind.STUN) for one in relays]
