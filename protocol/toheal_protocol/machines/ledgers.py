"""Ledgers: what a circle's operations come to, read once and used often.

Spec: docs/protocol/circle.md, section 6; docs/protocol/membership.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from toheal_protocol.envelope import MAX_VIEW
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.state import Standing
from toheal_protocol.membership import (
    Ledger,
    Membership,
    Roll,
    conclude,
    extend_ledger,
    read_ledger,
    roll_at,
)
from toheal_protocol.messages.operations import decode_operation
from toheal_protocol.model import Audience, CircleId, MemberId, OperationId, Role

_CHUNK: Final = 16
"""Operations after which a ledger is kept to go on from."""


def members(draft: Draft) -> tuple[MemberId, ...]:
    """Return who is in now and known to us, ourselves first."""
    is_in = Standing.MEMBER
    others = [member for member, peer in draft.cold.peers.items() if peer.standing is is_in]
    return (draft.our_id, *others)


def members_for(draft: Draft, audience: Audience) -> tuple[MemberId, ...]:
    """Return the other members a message of ours is for; facilitators are those of our view."""
    others = members(draft)[1:]
    if audience is Audience.CIRCLE:
        return others
    roll = roll_in(draft, our_view(draft))
    return tuple(one for one in others if one in roll and roll[one].role is Role.FACILITATOR)


def ledger_of(draft: Draft) -> Ledger:
    """Return the operations taken in so far. A step asks several times for each message."""
    operations = draft.cold.operations
    if draft.ledger is None or draft.ledger[0] is not operations:
        draft.ledger = operations, _ledger(draft.cold.id, operations)
    return draft.ledger[1]


def membership_of(circle: CircleId, operations: tuple[bytes, ...]) -> Membership:
    """Return what a circle's operations come to."""
    return _membership(circle, operations)


def our_view(draft: Draft) -> tuple[OperationId, ...]:
    """Return the newest operations we know: under which membership we speak."""
    return ledger_of(draft).heads[:MAX_VIEW]


def roll_in(draft: Draft, view: Iterable[OperationId]) -> Roll:
    """Return who was in for somebody with this view; where some of it is not here, who is for us."""
    ledger = ledger_of(draft)
    known = ledger.known_to(view)
    return roll_at(ledger, ledger.everything if known is None else known)


def unknown(draft: Draft, view: Iterable[OperationId]) -> tuple[OperationId, ...]:
    """Return what of a view is not here."""
    numbers = ledger_of(draft).numbers
    return tuple([operation for operation in view if operation not in numbers])


@lru_cache(maxsize=128)
def _ledger(circle: CircleId, operations: tuple[bytes, ...]) -> Ledger:
    """Read a ledger, going on from an earlier one: a circle grows by one operation at a time."""
    if not operations:
        raise MalformedFrame("a circle without operations")
    kept = (len(operations) - 1) // _CHUNK * _CHUNK
    fresh = (decode_operation(encoded) for encoded in operations[kept:])
    if not kept:
        return read_ledger(fresh, circle=circle)
    return extend_ledger(_ledger(circle, operations[:kept]), fresh)


@lru_cache(maxsize=128)
def _membership(circle: CircleId, operations: tuple[bytes, ...]) -> Membership:
    return conclude(_ledger(circle, operations))
