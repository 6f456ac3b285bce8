"""Alarms: what is due when the clock rings, and when it should ring next."""

from __future__ import annotations

from typing import Final

from toheal_protocol.machines import (
    cards,
    courier,
    door,
    greeting,
    lan,
    lan_secrets,
    linking,
    moving,
    seats,
    talks,
)
from toheal_protocol.machines.addressing import move_on
from toheal_protocol.machines.calls import repeat_call
from toheal_protocol.machines.carrying import want_from_all
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.fetching import next_fetch_instant
from toheal_protocol.machines.log import next_gap_instant, release_held
from toheal_protocol.machines.missing import ask_if_due, next_ask_instant
from toheal_protocol.machines.pair import forget_expired
from toheal_protocol.machines.state import Courier
from toheal_protocol.model import Instant, MemberId

HOUSEKEEPING: Final = 60.0
"""Seconds between looks at what depends on the wall clock: expiry, epochs."""


def ring(draft: Draft) -> None:
    """Do everything that is due now. Doing it again at once does nothing."""
    release_held(draft)
    for member in draft.cold.peers:
        courier.retry_if_due(draft, member)
        courier.resend_if_due(draft, member)
        courier.leave_if_due(draft, member)
        linking.give_up_if_due(draft, member)
        _say_again_if_due(draft, member)
    ask_if_due(draft)
    repeat_at = draft.live.repeat_at
    if repeat_at is not None and repeat_at <= draft.now:
        for member in draft.cold.peers:
            move_on(draft, member)
            forget_expired(draft, member)
            linking.close_if_over(draft, member)
            lan.close_if_over(draft, member)
        moving.settle_all(draft)
        seats.expire_invitations(draft)
        door.tidy_door(draft)
        door.tidy_gone(draft)
        talks.tidy_talks(draft)
        want_from_all(draft)
        lan_secrets.follow_departures(draft)
        lan_secrets.forget_old(draft)
        greeting.compare_again(draft)
        cards.renew_card(draft)
        draft.set_live(repeat_at=None)


def _say_again_if_due(draft: Draft, member: MemberId) -> None:
    """Repeat what has no number: a first flight without answer, or that we are here."""
    present = draft.courier(member)
    if present.call_at is not None and present.call_at <= draft.now:
        draft.change_courier(member, call_at=None)
        repeat_call(draft, member)
    greeting.say_if_due(draft, member)


def next_alarm(draft: Draft) -> Instant | None:
    """Return the next instant something is due; sets the slow round going when it is needed."""
    _plan_round(draft)
    instants = [
        draft.live.repeat_at,
        next_ask_instant(draft),
        next_gap_instant(draft) if draft.log.held else None,
        next_fetch_instant(draft),
    ]
    for member, present in draft.live.couriers.items():
        instants += (
            present.resend_at,
            _ack_instant(draft, present),
            present.call_at,
            present.here_at,
            present.retry_at,
            present.leave_at,
            present.copy_at,
            present.away_at,
            present.answer_at,
        )
        if (present.link_after or present.attempt) and member in draft.cold.peers:
            instants.append(linking.next_instant(draft, member))
    return min([instant for instant in instants if instant is not None], default=None)


def _ack_instant(draft: Draft, present: Courier) -> Instant | None:
    """An acknowledgement that is overdue has no way to go: it waits for a route, not a clock."""
    due = present.ack_at
    return due if due is not None and due > draft.now else None


def _plan_round(draft: Draft) -> None:
    if draft.live.repeat_at is not None:
        return
    has_seats = any(one.sealed for one in draft.cold.invitations)
    if has_seats or draft.cold.peers:
        draft.set_live(repeat_at=Instant(draft.now + HOUSEKEEPING))
