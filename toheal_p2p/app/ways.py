"""How each member is reached now, and what is being tried where it could be better."""

from __future__ import annotations

from collections.abc import Sequence

from toheal_p2p.app import interface as views
from toheal_p2p.app.network_policy import NetworkPolicy
from toheal_p2p.app.running import RunningCircle
from toheal_p2p.app.showing import others
from toheal_p2p.app.vocabulary import LinkKind
from toheal_p2p.services.circle_links import HeldLink
from toheal_protocol.machines.events import LinkWay
from toheal_protocol.machines.moving import unreached
from toheal_protocol.machines.state import Cold
from toheal_protocol.machines.ways import direct_choices
from toheal_protocol.model import MemberId
from toheal_protocol.wire.relay_address import RelayAddress


def link_views(running: RunningCircle, network: NetworkPolicy) -> tuple[views.LinkView, ...]:
    """Show how each other member is reached now, and what is being tried."""
    service = running.service
    cold, live = service.circle.cold, service.circle.live
    shown = []
    for member in others(cold):
        in_room, held = service.lan.link_of(member), service.link_of(member)
        link = in_room or held
        peer = cold.peers[member]
        has_relay = any(grant.relay in live.boots for grant in peer.grants)
        kind: LinkKind = "relay" if has_relay else "none"
        if in_room is not None:
            kind = "lan"
        elif held is not None:
            kind = _link_kind(held)
        trip = link.round_trip if link is not None else None
        in_ms = None if trip is None else round(trip * 1000, 1)
        tried = None if link is not None else trying(running, member, network)
        code, facts = (None, {}) if tried is None else (tried.code, tried.facts)
        shown.append(views.LinkView(member.hex(), peer.name, kind, in_ms, code, facts))
    return tuple(shown)


def trying(
    running: RunningCircle, member: MemberId, network: NetworkPolicy
) -> views.ProgressView | None:
    """Say what is being tried to reach a member that no link reaches; None where nothing is."""
    cold, live = running.service.circle.cold, running.service.circle.live
    peer, courier = cold.peers[member], live.couriers.get(member)
    if named := unreached(cold, peer):
        facts: dict[str, str | int] = {"name": peer.name, "address": str(named[0])}
        return views.ProgressView("relay_not_allowed", facts)
    if not any(grant.relay in live.boots for grant in peer.grants):
        return _trying_relay(running, [grant.relay for grant in peer.grants])
    if courier is None or not courier.is_here:
        return views.ProgressView("waiting_for_member", {"name": peer.name})
    if not network.may_open_links:
        return views.ProgressView("through_proxy")
    if courier.attempt is not None:
        return views.ProgressView("opening_link", {"name": peer.name})
    return None


def direct_view(cold: Cold, member: MemberId) -> views.DirectView:
    """Show what we two have said about connecting directly."""
    mine, theirs = direct_choices(cold, member)
    return views.DirectView(member.hex(), cold.peers[member].name, mine, theirs)


def _link_kind(link: HeldLink) -> LinkKind:
    """Tell how frames really go: what was allowed is not always what was possible."""
    if link.way is LinkWay.LAN:
        return "lan"
    return "turn" if link.is_relayed else "direct"


def _trying_relay(
    running: RunningCircle, relays: Sequence[RelayAddress]
) -> views.ProgressView | None:
    pairs = [running.relays[relay] for relay in relays if relay in running.relays]
    pair = next(iter(pairs or running.relays.values()), None)
    if pair is None:
        return None
    address = str(pair.address)
    if pair.again_in is None:
        return views.ProgressView("connecting", {"address": address})
    return views.ProgressView("trying_again_in", {"address": address, "seconds": pair.again_in})
