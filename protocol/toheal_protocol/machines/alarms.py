"""Alarms: what is due when the clock rings, and when it should ring next."""

from __future__ import annotations

from typing import Final

from toheal_protocol.machines import courier, door, linking
from toheal_protocol.machines.addressing import move_on
from toheal_protocol.machines.calls import REPEAT_CALL, repeat_call
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.log import next_gap_instant, release_held
from toheal_protocol.machines.state import Courier, Seat
from toheal_protocol.model import Instant

HOUSEKEEPING: Final = 60.0
"""Seconds between looks at what depends on the wall clock: expiry, epochs."""


def ring(draft: Draft) -> None:
    """Do everything that is due now. Doing it again at once does nothing."""
    release_held(draft)
    for member in draft.cold.peers:
        courier.resend_if_due(draft, member)
        linking.give_up_if_due(draft, member)
    repeat_at = draft.live.repeat_at
    if repeat_at is not None and repeat_at <= draft.now:
        for member in draft.cold.peers:
            repeat_call(draft, member)
            move_on(draft, member)
        door.expire_invitations(draft)
        door.renew_card(draft)
        draft.set_live(repeat_at=None)


def next_alarm(draft: Draft) -> Instant | None:
    """Return the next instant something is due; sets the slow round going when it is needed."""
    _plan_round(draft)
    instants = [draft.live.repeat_at, next_gap_instant(draft) if draft.log.held else None]
    for member, present in draft.live.couriers.items():
        instants += [present.resend_at, _ack_instant(draft, present)]
        if draft.cold.is_direct and member in draft.cold.peers:
            instants.append(linking.next_instant(draft, member))
    return min((instant for instant in instants if instant is not None), default=None)


def _ack_instant(draft: Draft, present: Courier) -> Instant | None:
    """An acknowledgement that is overdue has no way to go: it waits for a route, not a clock."""
    due = present.ack_at
    return due if due is not None and due > draft.now else None


def _plan_round(draft: Draft) -> None:
    if draft.live.repeat_at is not None:
        return
    is_calling = any(peer.calling is not None for peer in draft.cold.peers.values())
    has_seats = any(one.seat is Seat.OPEN for one in draft.cold.invitations)
    if is_calling or has_seats or draft.cold.peers:
        wait = REPEAT_CALL if is_calling else HOUSEKEEPING
        draft.set_live(repeat_at=Instant(draft.now + wait))
