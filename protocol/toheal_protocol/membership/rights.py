"""Rights: what may be taken in at all. It depends on an operation's past alone.

Spec: docs/protocol/membership.md, section 3.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from toheal_protocol.crypto import VerifyKey
from toheal_protocol.errors import ForgedMessage, MalformedFrame
from toheal_protocol.membership.ledger import Bits, Ledger, Roll
from toheal_protocol.membership.quorum import is_proposal
from toheal_protocol.messages.acts import (
    Act,
    Addition,
    CharterChange,
    Foundation,
    Muting,
    Removal,
    RoleChange,
    Second,
    Term,
    Unmuting,
    decode_act,
    verify_voucher,
)
from toheal_protocol.messages.operations import (
    NO_CIRCLE,
    Operation,
    OperationKind,
    circle_id_of,
    verify_operation,
)
from toheal_protocol.model import MAX_MEMBERS, CircleId, MemberId, OperationId, Role

MAX_OPEN_MUTES: Final = 2
"""Mutes of one member by who facilitates, until one ends them: a mute can be renewed once."""


def check_foundation(operation: Operation, *, circle: CircleId | None) -> Foundation:
    """Read and verify a circle's first operation.

    Args:
        circle: the id it should have, or None to take it as it is.

    Raises:
        MalformedFrame, ForgedMessage: it is not one, or not of this circle.
    """
    act = decode_act(operation)
    if not isinstance(act, Foundation) or operation.circle != NO_CIRCLE:
        raise MalformedFrame("a circle's first operation is create")
    if act.founder.member_id != operation.author:
        raise ForgedMessage("somebody else's keys in create")
    _verify(operation, act.founder.verify)
    if circle is not None and circle_id_of(operation) != circle:
        raise ForgedMessage("the foundation of another circle")
    return act


def check_operation(ledger: Ledger, operation: Operation, *, past: Bits, at: Roll) -> Act:
    """Return what an operation says if its author may do that.

    Args:
        past: what it knows, all of it in the ledger.
        at: who is in at it.

    Raises:
        MalformedFrame, ForgedMessage: no device takes it in.
    """
    if operation.kind is OperationKind.CREATE or operation.circle != ledger.circle:
        raise MalformedFrame("a second create, or an act in another circle")
    if operation.author not in at:
        raise ForgedMessage("an act of somebody who is not in")
    _verify(operation, ledger.keys[operation.author].verify)
    act = decode_act(operation)
    if ledger.is_for_two and isinstance(act, _OVER_OTHERS):
        raise ForgedMessage("an act of one of two over the other")
    match act:
        case Addition():
            _check_addition(ledger, operation.author, act, past=past, at=at)
        case Second(subject):
            _check_second(ledger, operation.author, subject, past=past)
        case Muting(target):
            _check_muting(ledger, operation.author, target, past=past, at=at)
        case Unmuting(target):
            _check_unmuting(ledger, operation.author, target, past=past, at=at)
        case _:
            _check_target(operation.author, act, at=at)
    return act


def _check_target(author: MemberId, act: Act, *, at: Roll) -> None:
    match act:
        case Removal(target):
            if target not in at or target == author:
                raise ForgedMessage("a removal of somebody who is not in, or of oneself")
        case RoleChange(target, role):
            if target not in at or at[target].role is role:
                raise ForgedMessage("a role for somebody who is not in, or has it already")
        case Term(target):
            if target not in at or at[target].role is not Role.FACILITATOR:
                raise ForgedMessage("a term for somebody who does not facilitate")
        case _:
            pass


_OVER_OTHERS = Removal | RoleChange | CharterChange | Term | Muting | Unmuting


def _check_muting(
    ledger: Ledger, author: MemberId, target: MemberId, *, past: Bits, at: Roll
) -> None:
    if target not in at or target == author or at[target].role is Role.LISTENER:
        raise ForgedMessage("a mute of somebody who is not in, only listens, or is its author")
    led = [
        number
        for number in open_mutes(ledger, target, past)
        if (entry := ledger.entries[number]).at[entry.author].role is Role.FACILITATOR
    ]
    if len(led) >= MAX_OPEN_MUTES:
        raise ForgedMessage("a mute that was renewed once already")


def _check_unmuting(
    ledger: Ledger, author: MemberId, target: MemberId, *, past: Bits, at: Roll
) -> None:
    if target not in at or not open_mutes(ledger, target, past):
        raise ForgedMessage("the end of a mute that is none")
    if author != target and at[author].role is not Role.FACILITATOR:
        raise ForgedMessage("somebody else's mute ends by who facilitates")


def open_mutes(ledger: Ledger, target: MemberId, within: Bits) -> tuple[int, ...]:
    """Return the mutes of somebody that no unmute of these operations knows, standing or not."""
    ends = [number for number in ledger.unmutes.get(target, ()) if within >> number & 1]
    return tuple(
        number
        for number in ledger.mutes.get(target, ())
        if within >> number & 1 and not any(ledger.entries[end].knows(number) for end in ends)
    )


def _check_addition(
    ledger: Ledger, author: MemberId, addition: Addition, *, past: Bits, at: Roll
) -> None:
    newcomer = addition.keys.member_id
    if at[author].role is not Role.FACILITATOR:
        raise ForgedMessage("only facilitators add members")
    if newcomer in at or ledger.leaves.get(newcomer, 0) & past:
        raise ForgedMessage("somebody who is in, or left for good")
    if len(at) >= MAX_MEMBERS:
        raise ForgedMessage("a circle that is full")
    if ledger.is_for_two and any(isinstance(e.act, Addition) for e in ledger.among(past)):
        raise ForgedMessage("a third one in a conversation of two")
    if not _vouches(addition, ledger.circle):
        raise ForgedMessage("somebody who did not ask to come in")


def _check_second(ledger: Ledger, author: MemberId, subject: OperationId, *, past: Bits) -> None:
    number = ledger.numbers.get(subject)
    if number is None or not past >> number & 1:
        raise ForgedMessage("support for something its author does not know")
    entry = ledger.entries[number]
    if not is_proposal(entry) or author not in entry.at:
        raise ForgedMessage("support for what needs none, or by somebody without a say in it")
    if isinstance(entry.act, Removal | Muting) and author == entry.target:
        raise ForgedMessage("support for one's own removal or mute")


@lru_cache(maxsize=4096)  # a ledger is read anew with each operation, and a signature costs 70 us
def _holds(operation: Operation, key: VerifyKey) -> bool:
    try:
        verify_operation(operation, key)
    except ForgedMessage:
        return False
    return True


@lru_cache(maxsize=1024)
def _vouches(addition: Addition, circle: CircleId) -> bool:
    try:
        verify_voucher(addition, circle=circle)
    except ForgedMessage:
        return False
    return True


def _verify(operation: Operation, key: VerifyKey) -> None:
    if not _holds(operation, key):
        raise ForgedMessage("an act its author did not sign")
