"""Leave to use one relay's TURN service: asked for when a link needs it, and used for a while.

A relay hands out a name and a password that end after an hour or so. They are used for half of
that, so that what is lent under them has as long again; and all links of the circle share them, for
the relay sees the same address behind them anyway.
"""

from __future__ import annotations

from typing import Final

import trio
from attrs import define, field

from toheal_p2p.ports.channels import RelayServer, ServerKind
from toheal_p2p.services.relay_connection import RelayConnection
from toheal_protocol.wire.relay_address import RelayAddress
from toheal_protocol.wire.turn_grant import TurnGrant

ASK_LONGEST: Final = 3.0
"""Seconds for the relay's answer; without one a link is opened without this relay."""

REFUSED_FOR: Final = 60.0
"""Seconds for which a relay that has no TURN is not asked again."""

SHARE_USED: Final = 0.5
"""Share of their life for which credentials are given to new links."""


@define(eq=False)
class TurnLeave:
    """What one relay does for channels, credentials included."""

    connection: RelayConnection
    _servers: tuple[RelayServer, ...] = field(default=(), init=False, repr=False)
    _ask_at: float = field(default=0.0, init=False)
    _asking: trio.Lock = field(factory=trio.Lock, init=False, repr=False)

    @property
    def has_asked(self) -> bool:
        """Say whether the relay has answered for now."""
        return self._ask_at > 0

    async def servers(self) -> tuple[RelayServer, ...]:
        """Return the relay's services: STUN always, TURN where it lets us."""
        async with self._asking:  # whoever comes meanwhile gets the same answer
            if trio.current_time() >= self._ask_at:
                await self._ask()
        address = self.connection.address
        stun = RelayServer(address.host, address.port, ServerKind.STUN)
        return (stun, *self._servers)

    async def _ask(self) -> None:
        self._servers = ()
        with trio.move_on_after(ASK_LONGEST):
            answer = await self.connection.ask_turn()
            now = trio.current_time()
            if answer.grant is not None:
                self._servers = _servers(self.connection.address, answer.grant, now=now)
                self._ask_at = now + SHARE_USED * answer.grant.life
            elif self.connection.is_connected:
                self._ask_at = now + max(REFUSED_FOR, answer.retry_after)


def _servers(relay: RelayAddress, grant: TurnGrant, *, now: float) -> tuple[RelayServer, ...]:
    """Return the services a grant names on the relay's own host.

    Others are left out: a relay would otherwise say whom else we contact, and our circle chose
    relays, not their friends.
    """
    return tuple(
        RelayServer(
            relay.host,
            server.port,
            server.transport,
            grant.username,
            grant.password,
            relay.fingerprint if ServerKind(server.transport) is ServerKind.TLS else b"",
            until=now + grant.life,
        )
        for server in grant.servers
        if server.host in ("", relay.host)
    )
