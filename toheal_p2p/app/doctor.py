"""The doctor: everything that could be wrong, looked at one after the other."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from toheal_p2p.app.interface import CheckView, MeetingView, RelayView
from toheal_p2p.app.running import RunningCircle
from toheal_p2p.app.showing import link_views
from toheal_p2p.app.vocabulary import CheckCode, MeetingState
from toheal_protocol.machines.state import Cold, Stage

LITTLE_ROOM: Final = 64 * 1024 * 1024
"""Bytes of free disk below which we say so before it is too late."""

RESET_SHOWN: Final = 14 * 24 * 3600
"""Seconds for which a session that was begun anew is told of."""

EARLIEST_CLOCK: Final = 1_790_000_000
"""A clock that shows less than this (September 2026) is wrong: the program is younger."""


def examine(
    *,
    home: Path,
    was_put_back: bool,
    wall_now: int,
    relays: Sequence[RelayView],
    circles: Iterable[RunningCircle],
    meetings: Iterable[MeetingView] = (),
) -> tuple[CheckView, ...]:
    """Look at the vault, the disk, the clock, the relays, the links, and meeting on the LAN."""
    return (
        _vault(home, was_put_back=was_put_back),
        CheckView("clock", wall_now > EARLIEST_CLOCK, _clock_code(wall_now)),
        *_relays(relays),
        *_circles(circles, wall_now),
        *_meetings(meetings),
    )


def _vault(home: Path, *, was_put_back: bool) -> CheckView:
    if was_put_back:
        return CheckView("vault", False, "vault_put_back")
    if shutil.disk_usage(home).free < LITTLE_ROOM:
        return CheckView("vault", False, "disk_nearly_full")
    return CheckView("vault", True, "vault_sound")


def _clock_code(wall_now: int) -> CheckCode:
    return "clock_agrees" if wall_now > EARLIEST_CLOCK else "clock_doubtful"


_RELAY_CODES: Final[dict[str | None, CheckCode]] = {
    "relay_unreachable": "relay_unreachable",
    "relay_wrong_fingerprint": "relay_wrong_fingerprint",
    "relay_full": "relay_full",
}


def _relays(relays: Sequence[RelayView]) -> list[CheckView]:
    if not relays:
        return [CheckView("relay", False, "no_relay")]
    checks = []
    for relay in relays:
        is_up = relay.state == "connected"
        code: CheckCode = "relay_connected" if is_up else "relay_trying"
        if relay.state == "unreachable":
            code = _RELAY_CODES.get(relay.reason, "relay_unreachable")
        checks.append(CheckView("relay", is_up, code, {"address": relay.address}))
    return checks


def _circles(circles: Iterable[RunningCircle], wall_now: int) -> list[CheckView]:
    active = [one for one in circles if one.service.circle.cold.stage is Stage.ACTIVE]
    if not active:
        return [CheckView("circles", True, "no_circle")]
    checks = []
    for running in active:
        cold = running.service.circle.cold
        if running.has_fork:
            checks.append(CheckView("fork", False, "fork_seen", {"circle": cold.name}))
        checks += _resets(cold, wall_now)
        kinds = {view.link for view in link_views(running.service)}
        if not kinds or kinds & {"direct", "turn", "lan"}:
            code: CheckCode = "links_up"
        else:
            code = "links_by_relay_only" if "relay" in kinds else "links_none"
        checks.append(CheckView("links", code != "links_none", code, {"circle": cold.name}))
    return checks


_MEETING_CODES: Final[dict[MeetingState, CheckCode]] = {
    "searching": "lan_searching",
    "met": "lan_met",
    "silent": "lan_silent",
    "no_network": "lan_no_network",
}


def _meetings(meetings: Iterable[MeetingView]) -> list[CheckView]:
    """Say how it goes where "meet here" is open; closed is how it should be otherwise."""
    return [
        CheckView(
            "lan",
            one.state in ("searching", "met"),
            _MEETING_CODES[one.state],
            {"circle": one.circle_name},
        )
        for one in meetings
        if one.state in _MEETING_CODES
    ]


def _resets(cold: Cold, wall_now: int) -> list[CheckView]:
    """Say with whom a session was begun anew not long ago: a surprise is worth a question."""
    return [
        CheckView("session", False, "session_reset", {"circle": cold.name, "name": peer.name})
        for peer in cold.peers.values()
        if peer.reset_at and 0 <= wall_now - peer.reset_at < RESET_SHOWN
    ]
