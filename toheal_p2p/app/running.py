"""One running circle, and what has to be true of it before something can be asked of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import trio
from attrs import define, field

from toheal_p2p.app import showing
from toheal_p2p.app.interface import RelayView
from toheal_p2p.app.names import find
from toheal_p2p.app.refusals import RefusalCode, Refused
from toheal_p2p.app.relays import RelayPair
from toheal_p2p.app.together import Together
from toheal_p2p.app.vault_refusals import refusal
from toheal_p2p.app.warnings import Warnings, put_warnings, warnings_in
from toheal_p2p.ports.vault import Vault
from toheal_p2p.services.circle import CircleService
from toheal_p2p.services.committer import Committer, VaultFailed
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.allowances import WORDS_A_DAY, is_spent
from toheal_protocol.machines.charters import is_asked
from toheal_protocol.machines.mutes import muted_until
from toheal_protocol.machines.records import PutSetting
from toheal_protocol.machines.restoring import has_heard_nobody
from toheal_protocol.machines.state import Cold, Invitation, Peer, Seat, Stage, Standing
from toheal_protocol.model import (
    ID_SIZE,
    MAX_MEMBERS,
    Audience,
    CircleId,
    Instant,
    MemberId,
    Role,
    WallTime,
)
from toheal_protocol.wire.relay_address import RelayAddress

_STAGE_REFUSALS: Final[dict[Stage, RefusalCode]] = {
    Stage.KNOCKING: "not_admitted_yet",
    Stage.LEFT: "left_circle",
    Stage.DECLINED: "declined_at_door",
    Stage.REMOVED: "removed_from_circle",
}

_PROBLEMS: Final[dict[str, RefusalCode]] = {
    "wrong_fingerprint": "relay_wrong_fingerprint",
    "full": "relay_full",
    "proxy_unreachable": "proxy_unreachable",
    "proxy_refused": "proxy_refused",
}


@define(eq=False)
class RunningCircle:
    """One circle with its service and its connections."""

    service: CircleService
    relays: dict[RelayAddress, RelayPair]
    changed: trio.Event = field(factory=trio.Event)
    """Replaced and set whenever something is shown: followers wait for it."""
    warnings: Warnings = field(factory=Warnings)
    together: Together = field(init=False)
    """What is said here goes through it."""

    def __attrs_post_init__(self) -> None:
        self.together = Together(self.service)

    def hear(self, happened: machine.Show | machine.Tell) -> None:
        """Take what the circle shows or tells."""
        match happened:
            case machine.Tell("fork_seen", member) if member is not None:
                self._warn(member)
            case machine.Tell("stories_differ", member) if member is not None:
                self._keep(self.warnings.with_differing(member))
            case machine.Tell("fork_told"):
                self._warn(self.service.circle.cold.persona.keys.member_id)
            case _:
                pass
        self.changed.set()
        self.changed = trio.Event()

    @property
    def forked(self) -> frozenset[MemberId]:
        """Of whom two copies were seen, until the person has confirmed it; perhaps ourselves."""
        return self.warnings.of(self.service.circle.cold)

    def remember(self, warnings: Warnings) -> None:
        """Take over what the vault kept, beside what was seen since the start."""
        for member in self.warnings.forked:
            warnings = warnings.with_fork(member)
        for member in self.warnings.differing:
            warnings = warnings.with_differing(member)
        self.warnings = warnings

    def see(self, *, wall_now: int) -> PutSetting:
        """Note that the person has seen the warnings; return what has to be kept of that."""
        cold = self.service.circle.cold
        self.warnings = self.warnings.seen(cold, wall_now=wall_now)
        return put_warnings(cold.id, self.warnings)

    def _warn(self, member: MemberId) -> None:
        self._keep(self.warnings.with_fork(member))

    def _keep(self, warnings: Warnings) -> None:
        self.warnings = warnings
        kept = put_warnings(self.service.circle.cold.id, self.warnings)
        self.service.committer.submit([kept])

    def is_up(self, relay: RelayAddress) -> bool:
        """Say whether a relay answers now."""
        return relay in self.service.circle.live.boots

    def at_door(self, who: str) -> MemberId:
        """Return who waits at the door by this name or id.

        Raises:
            Refused: nobody_waiting, ambiguous_name.
        """
        waiting = [
            (member, peer.name, member)
            for member, peer in self.service.circle.cold.peers.items()
            if peer.standing is Standing.WAITING
        ]
        return find(who, waiting, missing="nobody_waiting")


def find_circle(circle: str, running: Mapping[CircleId, RunningCircle]) -> RunningCircle:
    """Return the circle of this name or id.

    Raises:
        Refused: no_such_circle, ambiguous_name.
    """
    exact = running.get(_as_id(circle))
    if exact is not None and not exact.service.circle.cold.porch_of:
        return exact
    known = [
        (key, one.service.circle.cold.name, one)
        for key, one in running.items()
        if not one.service.circle.cold.porch_of
    ]
    return find(circle, known, missing="no_such_circle")


def _as_id(text: str) -> CircleId:
    """Return the bytes a whole id stands for, or what no circle has."""
    try:
        return CircleId(bytes.fromhex(text) if len(text) == 2 * ID_SIZE else b"")
    except ValueError:
        return CircleId(b"")


def require_active(running: RunningCircle) -> RunningCircle:
    """Return a circle we are in; refuse one we only knocked at, left, or were declined by."""
    stage = running.service.circle.cold.stage
    if stage is not Stage.ACTIVE:
        raise Refused(_STAGE_REFUSALS[stage])
    return running


def require_voice(running: RunningCircle) -> RunningCircle:
    """Return a circle we are in, may write to just now, and whose charter we said yes to."""
    cold = require_active(running).service.circle.cold
    if cold.my_role is Role.LISTENER:
        raise Refused("listens_only")
    until = muted_until(cold, cold.persona.keys.member_id)
    if until is not None and until > running.service.wall_clock():
        raise Refused("muted", hours=-(-(until - running.service.wall_clock()) // 3600))
    if is_asked(cold):
        raise Refused("charter_to_accept")
    return running


def require_audience(running: RunningCircle, audience: Audience) -> RunningCircle:
    """Return a circle in which we may write to this audience, and did not write too much today."""
    is_note = audience is Audience.FACILITATORS
    live, ours = running.service.circle.live, running.service.circle.cold.persona.keys.member_id
    if is_spent(live, ours, now=Instant(trio.current_time())):
        raise Refused("words_enough", limit=WORDS_A_DAY >> 20)
    return require_facilitators(running) if is_note else require_voice(running)


def require_facilitators(
    running: RunningCircle, *, beside: MemberId | None = None
) -> RunningCircle:
    """Return a circle we are in, in whatever role, where somebody but us and `beside` facilitates."""
    peers = require_active(running).service.circle.cold.peers.items()
    if not any(_facilitates(peer) for member, peer in peers if member != beside):
        raise Refused("no_facilitator")
    return running


def _facilitates(peer: Peer) -> bool:
    return peer.standing is Standing.MEMBER and peer.role is Role.FACILITATOR


def require_facilitated(running: RunningCircle) -> RunningCircle:
    """Return a circle we are in and facilitate."""
    if require_active(running).service.circle.cold.my_role is not Role.FACILITATOR:
        raise Refused("not_a_facilitator")
    return running


async def decide(
    running: RunningCircle, event: machine.Event, committer: Committer
) -> tuple[machine.Effect, ...]:
    """Have a circle decide; return what it asked for, once that is on disk.

    Raises:
        Refused: the vault failed.
    """
    is_act = isinstance(event, machine.Acted | machine.Admitted | machine.Readmitted)
    if is_act and has_heard_nobody(running.service.circle.cold):
        raise Refused("restored_heard_nobody")
    try:
        decision = running.service.take(event)
        await committer.flushed()
    except VaultFailed as failed:
        raise refusal(failed.reason) from None
    return decision.effects


def require_room(running: RunningCircle) -> RunningCircle:
    """Return a circle that has room for one person more."""
    if len(showing.others(running.service.circle.cold)) + 1 >= MAX_MEMBERS:
        raise Refused("circle_full", limit=MAX_MEMBERS)
    return running


def require_relay(running: RunningCircle) -> RunningCircle:
    """Return a circle that has a relay to leave an invitation at."""
    if not running.service.circle.cold.relays:
        raise Refused("no_relay")
    return running


def open_seats(cold: Cold, now: WallTime = WallTime(0)) -> tuple[Invitation, ...]:
    """Return the seats on offer whose time is not over."""
    return tuple(one for one in cold.invitations if one.seat is Seat.OPEN and one.expires > now)


def relay_view(relay: RelayAddress, circles: Iterable[RunningCircle]) -> RelayView:
    """Show how a relay answers our circles; one that no circle uses yet has not been tried."""
    pairs = [one.relays[relay] for one in circles if relay in one.relays]
    problems = [pair.problem for pair in pairs]
    if None in problems:
        return RelayView(str(relay), "connected", None)
    if not problems:
        return RelayView(str(relay), "trying", None)
    code: RefusalCode = _PROBLEMS.get(str(problems[0]), "relay_unreachable")
    return RelayView(str(relay), "unreachable", code, pairs[0].again_in)


def remember_warnings(
    running: Mapping[CircleId, RunningCircle], settings: Mapping[str, bytes]
) -> None:
    """Give every circle the warnings that the vault kept. Raises `Refused`: vault_damaged."""
    for circle, one in running.items():
        one.remember(warnings_in(settings, circle))


async def begin_anew(circles: Iterable[RunningCircle], committer: Committer, vault: Vault) -> None:
    """Reset every session: an older vault lies here than the one that sent last."""
    for running in circles:
        for member, peer in running.service.circle.cold.peers.items():
            if peer.continuity:
                running.service.take(machine.ResetAsked(member))
    await committer.flushed()
    await vault.accept_put_back()
