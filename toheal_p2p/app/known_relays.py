"""The part of the application that is about relays: the profile's own, and those of its circles.

Docs: docs/command-line.md, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from toheal_p2p.app import interface as views
from toheal_p2p.app.profile import MAX_OWN_RELAYS, put_relays, read_relay
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.running import RunningCircle, relay_view
from toheal_protocol.machines.records import Write
from toheal_protocol.model import CircleId
from toheal_protocol.wire.relay_address import RelayAddress


class KnownRelays:
    """What `Application` offers about relays. The circles are the application's."""

    _running: dict[CircleId, RunningCircle]
    _relays: tuple[RelayAddress, ...]

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

    def _known_relays(self) -> tuple[RelayAddress, ...]:
        used = [relay for one in self._running.values() for relay in one.relays]
        return tuple(dict.fromkeys((*self._relays, *used)))
