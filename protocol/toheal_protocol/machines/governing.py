"""Governing: acts of ours that everybody sees and that are signed.

What may not be done does nothing: the application asked before, and only a race gets this far.

Spec: docs/protocol/circle.md, section 6; docs/protocol/membership.md.
"""

from __future__ import annotations

from contextlib import suppress

from attrs import evolve

from toheal_protocol.errors import LocalError, RemoteError
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.ledgers import ledger_of, membership_of
from toheal_protocol.machines.log import write_message
from toheal_protocol.machines.restoring import has_heard_nobody
from toheal_protocol.machines.state import Cold, Stage, Stream
from toheal_protocol.membership import Ledger
from toheal_protocol.messages.acts import (
    Act,
    Addition,
    Leaving,
    Muting,
    Removal,
    RoleChange,
    Second,
    encode_act,
    kind_of,
)
from toheal_protocol.messages.announcement import Announcement, encode_announcement
from toheal_protocol.messages.bodies import ContentKind
from toheal_protocol.messages.operations import (
    MAX_PARENTS,
    Operation,
    sign_operation,
)
from toheal_protocol.model import Audience, MemberId, MessageId


def act(draft: Draft, wanted: Act, *, text: str = "", leave_out: MemberId | None = None) -> bool:
    """Sign an act and tell the circle. False: it is not ours to do, and nothing happened.

    Args:
        text: the words whose hash the act names.
        leave_out: who is not told this way: a newcomer gets a welcome instead.
    """
    is_blind = has_heard_nobody(draft.cold) and not isinstance(wanted, Leaving)
    if draft.cold.stage is not Stage.ACTIVE or is_blind:
        return False
    operation = sign_act(draft, _informed(draft, wanted))
    body = encode_announcement(Announcement(operation, text))
    with suppress(RemoteError), draft.attempt():
        _write(draft, body, leave_out)
        return True
    return False


def _write(draft: Draft, body: bytes, leave_out: MemberId | None) -> MessageId:
    return write_message(draft, ContentKind.OPERATION, body, leave_out=leave_out)


def leave(draft: Draft) -> None:
    """Go, and say so where we are still heard."""
    act(draft, Leaving())
    draft.set_cold(stage=Stage.LEFT)


def sign_act(draft: Draft, wanted: Act) -> Operation:
    """Sign an act that knows everything we know."""
    return sign_operation(
        kind_of(wanted),
        circle=draft.cold.id,
        parents=ledger_of(draft).heads[:MAX_PARENTS],
        body=encode_act(wanted),
        author=draft.cold.persona,
    )


def addition_of(ledger: Ledger, member: MemberId) -> Addition:
    """Return what somebody came in by, to take them back.

    Raises:
        LocalError: they never came in by an add.
    """
    for number in reversed(ledger.adds.get(member, ())):
        found = ledger.entries[number].act
        if isinstance(found, Addition):
            return found
    raise LocalError("nobody who was added")


def can_return(cold: Cold, member: MemberId) -> bool:
    """Say whether somebody can be taken back: was removed, did not leave, and once asked to come in.

    A founder never did: they come back by a new invitation.
    """
    now = membership_of(cold.id, cold.operations)
    was_removed = member in now.gone and bool(now.silences.get(member))
    return was_removed and member not in now.left and member != now.founder


def _informed(draft: Draft, wanted: Act) -> Act:
    """Fill in how far we have heard whom the act is about."""
    match wanted:
        case Removal(target) | RoleChange(target) | Muting(target):
            return evolve(wanted, heard=_heard(draft, target))
        case Second(subject):
            number = ledger_of(draft).numbers.get(subject)
            about = None if number is None else ledger_of(draft).entries[number].target
            return wanted if about is None else evolve(wanted, heard=_heard(draft, about))
        case _:
            return wanted


def _heard(draft: Draft, member: MemberId) -> int:
    head = draft.log.heads.get(Stream(member, Audience.CIRCLE))
    return 0 if head is None else head.seq
