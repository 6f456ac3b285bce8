"""The doctor: everything that could be wrong, looked at one after the other.

What it finds are codes with facts; the doors put them into words. No address of this machine is
among the facts.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import trio
from attrs import frozen

from toheal_p2p.app.interface import CheckView, MeetingView
from toheal_p2p.app.network_policy import NetworkPolicy
from toheal_p2p.app.running import RunningCircle
from toheal_p2p.app.showing import name_of
from toheal_p2p.app.vocabulary import CheckCode, MeetingState
from toheal_p2p.app.ways import link_views
from toheal_p2p.ports.probes import Interfaces, Probe, RelayProbe
from toheal_p2p.ports.vault import Vault
from toheal_protocol.machines.allowances import is_spent
from toheal_protocol.machines.ledgers import membership_of
from toheal_protocol.machines.moving import unreached
from toheal_protocol.machines.state import Stage
from toheal_protocol.model import Instant
from toheal_protocol.wire.relay_address import RelayAddress, parse_relay_address

LITTLE_ROOM: Final = 64 * 1024 * 1024
"""Bytes of free disk below which we say so before it is too late."""

RESET_SHOWN: Final = 14 * 24 * 3600
"""Seconds for which a session that was begun anew is told of."""

EARLIEST_CLOCK: Final = 1_790_000_000
"""A clock that shows less than this (September 2026) is wrong: the program is younger."""

AHEAD: Final = 600
"""Seconds by which a message may come from the future before one of two clocks is wrong."""

RECENT: Final = 7 * 24 * 3600
"""Seconds for which such a message is worth telling of."""

LOOKED_AT: Final = 50
"""Newest messages of a circle whose times are compared with our clock."""

AT_ONCE: Final = 8
"""Relays that are knocked at together."""


@frozen
class Patient:
    """What the doctor looks at."""

    home: Path
    vault: Vault
    network: NetworkPolicy
    probe: Probe
    interfaces: Interfaces
    was_put_back: bool
    wall_now: int
    relays: Sequence[str]
    circles: Sequence[RunningCircle]
    meetings: Sequence[MeetingView]


async def examine(patient: Patient) -> tuple[CheckView, ...]:
    """Look at everything. Takes as long as the slowest relay, at most about fifteen seconds."""
    active = [one for one in patient.circles if one.service.circle.cold.stage is Stage.ACTIVE]
    return (
        _vault(patient),
        *await _clock(patient, active),
        *_network(patient),
        *await _relays(patient),
        *_circles(active, patient.wall_now, patient.network),
    )


def _vault(patient: Patient) -> CheckView:
    if patient.was_put_back:
        return CheckView("vault", False, "vault_put_back")
    if shutil.disk_usage(patient.home).free < LITTLE_ROOM:
        return CheckView("vault", False, "disk_nearly_full")
    return CheckView("vault", True, "vault_sound")


async def _clock(patient: Patient, circles: Iterable[RunningCircle]) -> list[CheckView]:
    """Compare with what can be known: the program's age, and the times of others' messages.

    No relay tells the time, and nobody else is asked.
    """
    now = patient.wall_now
    if now <= EARLIEST_CLOCK:
        return [CheckView("clock", False, "clock_doubtful")]
    for running in circles:
        cold = running.service.circle.cold
        rows = await patient.vault.entries(cold.id, limit=LOOKED_AT, newest=True)
        for row in rows:
            is_ahead = not row.is_mine and row.kind == "text" and row.sent_at > row.received_at
            if (
                is_ahead
                and row.sent_at - row.received_at > AHEAD
                and now - row.received_at < RECENT
            ):
                facts = {"circle": cold.name, "name": name_of(cold, row.author)}
                return [CheckView("clock", False, "clock_differs", facts)]
    return [CheckView("clock", True, "clock_agrees")]


# ---- the network


def _network(patient: Patient) -> list[CheckView]:
    kinds = patient.interfaces()
    codes: dict[str, CheckCode] = {
        "wired": "network_wired",
        "wireless": "network_wireless",
        "mobile": "network_mobile",
        "vpn": "network_vpn",
        "other": "network_other",
    }
    checks = [CheckView("network", True, codes[kind]) for kind in kinds]
    if not checks:
        checks.append(CheckView("network", False, "network_none"))
    network = patient.network
    if network.proxy is None:
        checks.append(CheckView("proxy", True, "proxy_none"))
    else:
        checks.append(CheckView("proxy", True, "proxy_in_use", {"proxy": network.proxy.shown}))
    return [*checks, *_lan(patient)]


_MEETING_CODES: Final[dict[MeetingState, CheckCode]] = {
    "searching": "lan_searching",
    "met": "lan_met",
    "silent": "lan_silent",
    "no_network": "lan_no_network",
}


def _lan(patient: Patient) -> list[CheckView]:
    """Say how it goes where "meet here" is open; closed is how it should be otherwise."""
    if not patient.network.may_use_lan:
        return [CheckView("lan", True, "lan_off")]
    checks = [
        CheckView(
            "lan",
            one.state in ("searching", "met"),
            _MEETING_CODES[one.state],
            {"circle": one.circle_name},
        )
        for one in patient.meetings
        if one.state in _MEETING_CODES
    ]
    return checks or [CheckView("lan", True, "lan_closed")]


async def _relays(patient: Patient) -> list[CheckView]:
    if not patient.relays:
        return [CheckView("relay", False, "no_relay")]
    probes: dict[str, RelayProbe] = {}
    limit = trio.CapacityLimiter(AT_ONCE)

    async def look(address: str, relay: RelayAddress) -> None:
        async with limit:
            probes[address] = await patient.probe(relay)

    async with trio.open_nursery() as nursery:
        for address in patient.relays:
            nursery.start_soon(look, address, parse_relay_address(address))
    found = [(address, probes[address]) for address in patient.relays]
    checks = [_relay(address, probe) for address, probe in found]
    return checks + [_udp(address, probe) for address, probe in found if probe.reason is None]


def _relay(address: str, probe: RelayProbe) -> CheckView:
    facts: dict[str, str | int] = {"address": address, "milliseconds": probe.milliseconds}
    if probe.reason is None:
        return CheckView("relay", True, "relay_connected", facts)
    codes: dict[str, CheckCode] = {
        "wrong_fingerprint": "relay_wrong_fingerprint",
        "full": "relay_full",
        "proxy_unreachable": "relay_proxy_unreachable",
        "proxy_refused": "relay_proxy_refused",
    }
    ordinary: CheckCode = "relay_no_answer" if probe.has_tcp else "relay_unreachable"
    return CheckView("relay", False, codes.get(probe.reason, ordinary), {"address": address})


def _udp(address: str, probe: RelayProbe) -> CheckView:
    if probe.udp == "not_sent":
        return CheckView("udp", True, "udp_not_sent", {"address": address})
    if probe.udp == "blocked":
        return CheckView("udp", False, "udp_blocked", {"address": address})
    code: CheckCode = "udp_works_behind_nat" if probe.is_behind_nat else "udp_works"
    facts: dict[str, str | int] = {"address": address, "milliseconds": probe.udp_milliseconds}
    return CheckView("udp", True, code, facts)


# ---- circles


def _circles(
    active: Sequence[RunningCircle], wall_now: int, network: NetworkPolicy
) -> list[CheckView]:
    if not active:
        return [CheckView("circles", True, "no_circle")]
    checks = []
    for running in active:
        cold = running.service.circle.cold
        if running.forked:
            checks.append(CheckView("fork", False, "fork_seen", {"circle": cold.name}))
        for member in sorted(running.warnings.differing & cold.peers.keys()):
            facts = {"circle": cold.name, "name": cold.peers[member].name}
            checks.append(CheckView("stories", False, "stories_differ", facts))
        checks += _too_many_words(running)
        checks += _terms(running, wall_now)
        checks += _resets(running, wall_now)
        checks += _not_contacted(running)
        checks.append(_links(running, network))
    return checks


def _links(running: RunningCircle, network: NetworkPolicy) -> CheckView:
    kinds = [view.link for view in link_views(running, network)]
    code: CheckCode = "links_none"
    if not kinds or set(kinds) & {"direct", "turn", "lan"}:
        code = "links_up"
    elif "relay" in kinds:
        code = "links_by_relay_only"
    facts: dict[str, str | int] = {"circle": running.service.circle.cold.name}
    facts |= {kind: kinds.count(kind) for kind in ("direct", "turn", "lan", "relay", "none")}
    return CheckView("links", code != "links_none", code, facts)


def _not_contacted(running: RunningCircle) -> list[CheckView]:
    """Say who reads only where we may not write."""
    cold = running.service.circle.cold
    return [
        CheckView(
            "relay",
            False,
            "relay_not_allowed",
            {"circle": cold.name, "name": peer.name, "address": str(named[0])},
        )
        for peer in cold.peers.values()
        if (named := unreached(cold, peer))
    ]


def _terms(running: RunningCircle, wall_now: int) -> list[CheckView]:
    """Say whose term as a facilitator is over: somebody follows, or it is prolonged."""
    cold = running.service.circle.cold
    until = membership_of(cold.id, cold.operations).terms
    return [
        CheckView("term", False, "term_over", {"circle": cold.name, "name": name_of(cold, member)})
        for member in sorted(until)
        if until[member] <= wall_now
    ]


def _too_many_words(running: RunningCircle) -> list[CheckView]:
    """Say who writes so much that the rest has to wait."""
    circle, now = running.service.circle, Instant(trio.current_time())
    return [
        CheckView("words", False, "words_wait", {"circle": circle.cold.name, "name": peer.name})
        for member, peer in circle.cold.peers.items()
        if is_spent(circle.live, member, now=now)
    ]


def _resets(running: RunningCircle, wall_now: int) -> list[CheckView]:
    """Say with whom a session was begun anew not long ago: a surprise is worth a question."""
    cold, seen_at = running.service.circle.cold, running.warnings.seen_at
    return [
        CheckView("session", False, "session_reset", {"circle": cold.name, "name": peer.name})
        for peer in cold.peers.values()
        if peer.reset_at > seen_at and 0 <= wall_now - peer.reset_at < RESET_SHOWN
    ]
