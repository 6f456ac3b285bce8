"""The part of the application that is about ways to members, and about the network they lead through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import trio

from toheal_p2p.app import interface as views
from toheal_p2p.app import showing, ways
from toheal_p2p.app.names import find
from toheal_p2p.app.network_policy import NetworkPolicy
from toheal_p2p.app.relays import RelayPair
from toheal_p2p.app.running import RunningCircle, decide, find_circle, require_active
from toheal_p2p.app.settings import Settings
from toheal_p2p.ports.channels import RelayServer
from toheal_p2p.services.committer import Committer
from toheal_protocol.machines import events as machine
from toheal_protocol.model import CircleId


class Paths:
    """What `Application` offers about ways. It looks for the circles in what the application has."""

    _running: dict[CircleId, RunningCircle]
    committer: Committer
    settings: Settings

    async def links(self, circle: str) -> Sequence[views.LinkView]:
        """Return how each other member is reached now."""
        return ways.link_views(find_circle(circle, self._running), self.settings.network)

    async def direct(self, circle: str, who: str, *, allow: bool) -> views.DirectView:
        """Say whether a member and we may connect directly."""
        running = require_active(find_circle(circle, self._running))
        cold = running.service.circle.cold
        known = [(one, cold.peers[one].name, one) for one in showing.others(cold)]
        member = find(who, known, missing="no_such_member")
        await decide(running, machine.DirectChosen(member, allow), self.committer)
        return ways.direct_view(running.service.circle.cold, member)

    async def network_changed(self) -> None:
        """Have every circle look for new ways; returns when the relays are known to hear us.

        Where no link may be opened there is no other way to look for, and nothing to ask a member.
        """
        async with trio.open_nursery() as nursery:
            for running in self._running.values():
                if self.settings.network.may_open_links:
                    running.service.take(machine.NetworkChanged())
                for pair in running.relays.values():
                    nursery.start_soon(pair.make_sure)


async def servers_of(relays: Iterable[RelayPair], network: NetworkPolicy) -> Sequence[RelayServer]:
    """Return the services of a circle's relays, the first relay's first.

    Where no link may be opened no relay is asked, and none is returned.
    """
    pairs = list(relays) if network.may_open_links else []
    found: list[Sequence[RelayServer]] = [()] * len(pairs)

    async def ask(place: int, pair: RelayPair) -> None:
        found[place] = await pair.turn.servers()

    async with trio.open_nursery() as nursery:
        for place, pair in enumerate(pairs):
            nursery.start_soon(partial(ask, place, pair))
    return [server for servers in found for server in servers]
