"""Who is in a circle and what was decided there, for the doors: acts signed, acts shown.

Docs: docs/command-line.md, section 3; docs/protocol/membership.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from attrs import evolve

from toheal_p2p.app import interface as views
from toheal_p2p.app.names import find
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.running import RunningCircle, require_active, require_facilitated
from toheal_p2p.app.showing import act_view, name_of, others
from toheal_p2p.app.vocabulary import ActReason, Role
from toheal_p2p.ports.vault import Vault
from toheal_protocol.identity import PREKEY_LIFE
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.governing import can_return
from toheal_protocol.machines.ledgers import membership_of
from toheal_protocol.machines.state import Cold, Stage
from toheal_protocol.membership import Membership, Outcome
from toheal_protocol.membership import Standing as Outcomes
from toheal_protocol.messages.acts import (
    Acceptance,
    Act,
    CharterChange,
    Reason,
    ReasonCategory,
    Removal,
    RoleChange,
    Second,
    text_hash,
)
from toheal_protocol.messages.announcement import MAX_REASON_SIZE
from toheal_protocol.model import MAX_MEMBERS, MemberId, OperationId, WallTime
from toheal_protocol.model import Role as MemberRole

WEEK: Final = 7 * 24 * 3600

WEEKS_MOST: Final = 26
"""The longest term: half a year, so that who looks after a circle is chosen anew."""


class Governance:
    """What an application offers of this. It is part of `Application`, which has the circles."""

    vault: Vault
    wall_clock: Callable[[], WallTime]

    def _find(self, circle: str) -> RunningCircle:
        raise NotImplementedError

    async def _decide(
        self, running: RunningCircle, event: machine.Event
    ) -> tuple[machine.Effect, ...]:
        raise NotImplementedError

    async def circle_acts(self, circle: str) -> Sequence[views.ActView]:
        """Return what was done in the circle, oldest first."""
        cold = self._find(circle).service.circle.cold
        times = await self.vault.operation_times(cold.id)
        return [self._dated(cold, one, times.get(one.id)) for one in _of_members(cold)]

    def _dated(self, cold: Cold, outcome: Outcome, seen_at: WallTime | None) -> views.ActView:
        """Show an act with its times. What was signed has none of its own."""
        until = _returns_until(cold, outcome, seen_at)
        is_over = until is None or until <= self.wall_clock()
        shown = act_view(cold, outcome)
        return evolve(shown, seen_at=seen_at, returns_until=None if is_over else until)

    async def circle_remove(
        self, circle: str, who: str, *, reason: ActReason, text: str
    ) -> views.ActView:
        """Sign that somebody is to be out."""
        running = require_active(self._find(circle))
        member = member_called(running.service.circle.cold, who)
        if member == our_id(running):
            raise Refused("act_on_oneself")
        return await self._sign(running, Removal(member, 0, why(reason, text)), text)

    async def circle_role(
        self, circle: str, who: str, role: Role, *, reason: ActReason, text: str, weeks: int = 4
    ) -> views.ActView:
        """Sign that somebody is to have a role, and for how long if it is to facilitate."""
        running = require_active(self._find(circle))
        member = member_called(running.service.circle.cold, who)
        if now_in(running).members.get(member) == role:
            raise Refused("role_already")
        until = term_from(self.wall_clock(), weeks) if role == "facilitator" else 0
        change = RoleChange(member, MemberRole(role), 0, why(reason, text), until)
        return await self._sign(running, change, text)

    async def circle_second(self, circle: str, act: str) -> views.ActView:
        """Sign that we support what somebody proposed."""
        running = require_active(self._find(circle))
        acts = _of_members(running.service.circle.cold)
        known = [(one.id, one.id.hex(), one) for one in acts]
        found = find(act[:64], known, missing="no_such_act")
        if our_id(running) not in found.may_support:
            raise Refused("act_not_ours")
        await self._sign(running, Second(OperationId(found.id)), "")
        return self._shown(running, OperationId(found.id))

    async def circle_readmit(self, circle: str, who: str) -> None:
        """Take somebody back who was removed."""
        running = require_facilitated(self._find(circle))
        cold = running.service.circle.cold
        gone = [
            (member, peer.name, member)
            for member, peer in cold.peers.items()
            if can_return(cold, member)
        ]
        member = find(who, gone, missing="no_such_member")
        if len(others(cold)) + 1 >= MAX_MEMBERS:
            raise Refused("circle_full", limit=MAX_MEMBERS)
        await self._decide(running, machine.Readmitted(member))

    async def _sign(self, running: RunningCircle, act: Act, text: str) -> views.ActView:
        is_over_the_other = isinstance(act, Removal | RoleChange | CharterChange)
        if running.service.circle.cold.for_talk and is_over_the_other:
            raise Refused("talk_is_for_two")
        before = {one.id for one in now_in(running).outcomes}
        await self._decide(running, machine.Acted(act, text))
        made = [one for one in now_in(running).outcomes if one.id not in before]
        ours = [one for one in made if one.author == our_id(running)]
        if not ours:
            raise Refused("act_not_ours")
        return self._shown(running, ours[-1].id)

    def _shown(self, running: RunningCircle, operation: OperationId) -> views.ActView:
        outcome = now_in(running).outcome(operation)
        assert outcome is not None  # it was just found, and nothing takes an operation away
        return act_view(running.service.circle.cold, outcome)


_CATEGORIES: Final[dict[ActReason, ReasonCategory]] = {
    "other": ReasonCategory.OTHER,
    "confidence": ReasonCategory.CONFIDENCE,
    "harm": ReasonCategory.HARM,
    "pressure": ReasonCategory.PRESSURE,
    "impostor": ReasonCategory.IMPOSTOR,
    "absent": ReasonCategory.ABSENT,
    "request": ReasonCategory.REQUEST,
    "term": ReasonCategory.TERM,
}


def why(reason: ActReason, text: str) -> Reason:
    """Return a reason. Raises `Refused`: text_too_long."""
    if len(text.encode(errors="replace")) > MAX_REASON_SIZE:
        raise Refused("text_too_long", limit=MAX_REASON_SIZE)
    return Reason(_CATEGORIES[reason], text_hash(text))


def term_from(now: WallTime, weeks: int) -> int:
    """Return when a term of so many weeks ends. Raises `Refused`: term_unfit."""
    if not 1 <= weeks <= WEEKS_MOST:
        raise Refused("term_unfit", limit=WEEKS_MOST)
    return now + weeks * WEEK


def now_in(running: RunningCircle) -> Membership:
    """Return what the operations of a circle come to now."""
    cold = running.service.circle.cold
    return membership_of(cold.id, cold.operations)


def our_id(running: RunningCircle) -> MemberId:
    """Return who we are in a circle."""
    return running.service.circle.cold.persona.keys.member_id


def _of_members(cold: Cold) -> list[Outcome]:
    """Return the acts that stand for themselves: seconds are shown with what they support."""
    outcomes = membership_of(cold.id, cold.operations).outcomes
    return [one for one in outcomes if not isinstance(one.act, Second | Acceptance)]


def _returns_until(cold: Cold, outcome: Outcome, seen_at: WallTime | None) -> WallTime | None:
    """Return until when who was removed by this can be taken back; of ourselves as it is seen here."""
    if not isinstance(outcome.act, Removal) or outcome.standing is not Outcomes.STANDS:
        return None
    target = outcome.act.target
    if target == cold.persona.keys.member_id:
        gone_at = seen_at if cold.stage is Stage.REMOVED else None
    else:
        peer = cold.peers.get(target)
        gone_at = peer.gone_at if peer is not None and can_return(cold, target) else None
    return WallTime(gone_at + PREKEY_LIFE) if gone_at else None


def member_called(cold: Cold, who: str) -> MemberId:
    """Return the member of this name or id. Raises `Refused`: no_such_member, ambiguous_name."""
    ours = cold.persona.keys.member_id
    known = [(member, name_of(cold, member), member) for member in (ours, *others(cold))]
    return find(who, known, missing="no_such_member")
