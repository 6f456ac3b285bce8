"""Our own TURN server: the machine with its sockets.

Spec: docs/protocol/turn.md, section 2.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

import trio
from attrs import define, field

from toheal_protocol.model import Instant
from toheal_relay.desk import Desk
from toheal_relay.server.greeting import TurnCaller
from toheal_relay.server.lookout import Lookout
from toheal_relay.server.relayed_ports import RelayedPorts
from toheal_relay.server.sockets import own_addresses
from toheal_relay.server.turn_stream import Dirty, Spawn, TurnStream
from toheal_relay.turn.config import TurnConfig
from toheal_relay.turn.credentials import Credentials
from toheal_relay.turn.machine import Turn
from toheal_relay.turn.rules import PeerRules, site_of

FAREWELL: Final = 5.0
"""Seconds that packets are still relayed when this relay goes away: links need that long to be opened
anew elsewhere, before the old ones break."""

_LOOK: Final = 0.1


@define(eq=False)
class TurnService:
    """What the relay's server needs of TURN."""

    turn: Turn
    desk: Desk
    dirty: Dirty
    lookout: Lookout
    _streams: dict[TurnStream, None] = field(factory=dict, init=False)

    async def serve_stream(self, caller: TurnCaller, host: str, port: int, *, spawn: Spawn) -> None:
        """Serve somebody who came over TCP or TLS, to the end. `spawn` starts work for them."""
        limits = self.desk.limits
        stream = TurnStream(
            caller.stream,
            self.turn,
            self.dirty,
            spawn,
            queue=limits.turn_queue,
            write_deadline=limits.write_deadline,
            patience=limits.turn_patience,
            lookout=self.lookout,
            note_fault=self.desk.note_fault,
        )
        self._streams[stream] = None
        try:
            await stream.run(caller, host, port)
        finally:
            del self._streams[stream]

    async def sweep(self) -> None:
        """Look every few seconds at what is over."""
        while True:
            await trio.sleep(self.desk.limits.sweep_every)
            now = trio.current_time()
            self.turn.sweep(now=Instant(now))
            for stream in self._streams:
                stream.look_after(now)

    async def see_off(self) -> None:
        """Make no new allocations, wait a little for those there are to end, and close all streams."""
        self.turn.close()
        with trio.move_on_after(FAREWELL):
            while self.turn.allocations:  # noqa: ASYNC110 - the machine knows no events
                await trio.sleep(_LOOK)
        for stream in self._streams:
            stream.close()


def open_turn(
    config: TurnConfig,
    credentials: Credentials,
    desk: Desk,
    nursery: trio.Nursery,
    lookout: Lookout,
    *,
    bind_to: Mapping[str, str],
    listening: frozenset[int],
) -> TurnService:
    """Put a TURN server together.

    Args:
        nursery: serves the relayed ports.
        lookout: notices what comes to them, and from clients over TCP and TLS.
        bind_to: the addresses others reach these at, and what they are bound to.
        listening: the relay's own ports, as it and others know them.
    """
    dirty = Dirty()
    ports = RelayedPorts(nursery, lookout, bind_to, dirty, desk.note_fault)
    known = frozenset(bind_to) | frozenset(bind_to.values())
    sites = [site_of(host) for host in bind_to]
    turn = Turn(
        desk.limits,
        hosts=tuple(bind_to),
        credentials=credentials,
        admission=desk.admission,
        rules=PeerRules(
            own_addresses(known), listening, config.allowed, next(filter(None, sites), None)
        ),
        open_port=ports.open,
        close_port=ports.close,
        draw=secrets.token_bytes,
    )
    ports.turn = turn
    return TurnService(turn, desk, dirty, lookout)
