"""The part of the application that is about relays: the profile's own, and those of its circles.

Docs: docs/command-line.md, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from toheal_p2p.app import interface as views
from toheal_p2p.app.circle_relays_interface import CircleRelayView
from toheal_p2p.app.profile import MAX_OWN_RELAYS, put_relays, read_relay
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.running import (
    RunningCircle,
    decide,
    find_circle,
    relay_view,
    require_active,
)
from toheal_p2p.app.showing import name_of
from toheal_p2p.app.vocabulary import RelayUse
from toheal_p2p.services.committer import Committer
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.addressing import MAX_RELAYS
from toheal_protocol.machines.moving import MAX_ALLOWED, relays_in_use
from toheal_protocol.machines.records import Write
from toheal_protocol.machines.state import Cold, Standing
from toheal_protocol.model import CircleId
from toheal_protocol.wire.relay_address import RelayAddress


class KnownRelays:
    """What `Application` offers about relays. The circles are the application's."""

    _running: dict[CircleId, RunningCircle]
    _relays: tuple[RelayAddress, ...]
    committer: Committer

    async def _keep(self, writes: Sequence[Write]) -> None:
        raise NotImplementedError

    async def relay_add(self, address: str) -> None:
        """Add a relay to the profile's own."""
        relay = read_relay(address)
        if relay in self._relays:
            return
        if len(self._relays) >= MAX_OWN_RELAYS:
            raise Refused("too_many_relays", limit=MAX_OWN_RELAYS)
        await self._keep_relays((*self._relays, relay))

    async def relay_list(self) -> Sequence[views.RelayView]:
        """Return the profile's own relays, and those its circles use."""
        circles = self._running.values()
        return [relay_view(relay, circles) for relay in self._known_relays()]

    async def relay_remove(self, address: str) -> None:
        """Remove one of the profile's relays."""
        relay = read_relay(address)
        if relay not in self._relays:
            raise Refused("no_such_relay", address=address[:200])
        await self._keep_relays(tuple(one for one in self._relays if one != relay))

    async def _keep_relays(self, relays: tuple[RelayAddress, ...]) -> None:
        self._relays = relays
        await self._keep([put_relays(relays)])

    async def circle_relays(self, circle: str) -> Sequence[CircleRelayView]:
        """Return the relays of a circle, and what it does there."""
        return circle_relay_views(find_circle(circle, self._running))

    async def circle_relay(
        self, circle: str, address: str, *, change: Literal["add", "remove", "allow"]
    ) -> Sequence[CircleRelayView]:
        """Change where we read or write in a circle."""
        running = require_active(find_circle(circle, self._running))
        event = _change(running.service.circle.cold, read_relay(address), change)
        if event is not None:
            await decide(running, event, self.committer)
        return circle_relay_views(running)

    def _known_relays(self) -> tuple[RelayAddress, ...]:
        used = [relay for one in self._running.values() for relay in one.relays]
        return tuple(dict.fromkeys((*self._relays, *used)))


def circle_relay_views(running: RunningCircle) -> list[CircleRelayView]:
    """Show every relay that a circle has to do with; of what others name, sixteen at most."""
    cold = running.service.circle.cold
    readers: dict[RelayAddress, list[str]] = {}
    for member, peer in cold.peers.items():
        if peer.standing in (Standing.MEMBER, Standing.HOST):
            named = peer.their_move.relays if peer.their_move else ()
            for relay in dict.fromkeys(named or (grant.relay for grant in peer.grants)):
                readers.setdefault(relay, []).append(name_of(cold, member))
    contacted = (*cold.relays, *cold.allowed, *relays_in_use(cold))
    known = dict.fromkeys((*contacted, *list(readers)[:MOST_NAMED]))
    return [_circle_relay_view(running, relay, tuple(readers.get(relay, ()))) for relay in known]


MOST_NAMED: Final = 16
"""Relays of others that are shown: they can name as many as they like."""


def _circle_relay_view(
    running: RunningCircle, relay: RelayAddress, readers: tuple[str, ...]
) -> CircleRelayView:
    use = _use(running.service.circle.cold, relay)
    if relay not in running.relays:
        return CircleRelayView(str(relay), use, None, None, readers)
    seen = relay_view(relay, [running])
    return CircleRelayView(str(relay), use, seen.state, seen.reason, readers, seen.again_in)


def _use(cold: Cold, relay: RelayAddress) -> RelayUse:
    if relay in cold.relays:
        return "reading"
    boxes = (box.relay for peer in cold.peers.values() for box in peer.mailboxes)
    if relay in boxes:
        return "leaving"
    return "allowed" if relay in cold.allowed else "named"


def _change(
    cold: Cold, relay: RelayAddress, change: Literal["add", "remove", "allow"]
) -> machine.Event | None:
    """Return what the circle has to hear; None: it is so already.

    Raises:
        Refused: too_many_relays, no_such_relay, last_relay.
    """
    match change:
        case "add":
            if relay in cold.relays:
                return None
            if len(cold.relays) >= MAX_RELAYS:
                raise Refused("too_many_relays", limit=MAX_RELAYS)
            return machine.RelayAdded(relay)
        case "allow":
            if relay in (*cold.relays, *cold.allowed):
                return None
            if len(cold.allowed) >= MAX_ALLOWED:
                raise Refused("too_many_relays", limit=MAX_ALLOWED)
            return machine.RelayAllowed(relay)
        case "remove":
            if relay not in (*cold.relays, *cold.allowed):
                raise Refused("no_such_relay", address=str(relay))
            if cold.relays == (relay,):
                raise Refused("last_relay")
            return machine.RelayDropped(relay)
