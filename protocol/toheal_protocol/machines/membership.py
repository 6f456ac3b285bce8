"""Membership: who is in, computed from signed operations alone.

In this version: the founder facilitates and adds members; everybody may leave. The merge of
concurrent and conflicting operations comes with the circles' own issue; the log, the wire and
this table already hold any number of members.

Spec: docs/protocol/circle.md, section 6.
"""

from __future__ import annotations

from functools import lru_cache

from attrs import evolve

from toheal_protocol.crypto import hash_parts
from toheal_protocol.errors import ForgedMessage, MalformedFrame
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Tell
from toheal_protocol.machines.records import GiveUpOwed
from toheal_protocol.machines.state import Role, Standing
from toheal_protocol.messages.operations import (
    Foundation,
    Operation,
    OperationKind,
    circle_id_of,
    decode_foundation,
    decode_keys,
    decode_operation,
    encode_operation,
    verify_operation,
)
from toheal_protocol.model import CircleId, MemberId


def members(draft: Draft) -> tuple[MemberId, ...]:
    """Return who is in now, ourselves first."""
    others = (
        member for member, peer in draft.cold.peers.items() if peer.standing == Standing.MEMBER
    )
    return (draft.our_id, *others)


def member_view(draft: Draft) -> bytes:
    """Return 32 bytes that name the operations we know: under which membership we speak."""
    return _view_of(draft.cold.operations)


@lru_cache(maxsize=64)  # every message names it, and it changes seldom
def _view_of(operations: tuple[bytes, ...]) -> bytes:
    return hash_parts("th1/view", *operations)


def check_foundation(create: bytes, *, circle: CircleId | None) -> tuple[Operation, Foundation]:
    """Read and verify a circle's first operation.

    Args:
        circle: the id it should have, or None to take it as it is.

    Raises:
        MalformedFrame, ForgedMessage: it is not one, or not of this circle.
    """
    operation = decode_operation(create)
    if operation.kind is not OperationKind.CREATE or operation.parents:
        raise MalformedFrame("a circle's first operation is create")
    foundation = decode_foundation(operation.body)
    if foundation.founder.member_id != operation.author:
        raise ForgedMessage("somebody else's keys in create")
    verify_operation(operation, foundation.founder.verify)
    if circle is not None and circle_id_of(operation) != circle:
        raise ForgedMessage("the foundation of another circle")
    return operation, foundation


def founder_of(draft: Draft) -> MemberId:
    """Return the founder's id."""
    return decode_operation(draft.cold.operations[0]).author


def take_operation(draft: Draft, operation: Operation, *, author: MemberId) -> tuple[str, MemberId]:
    """Apply an operation that came as a message.

    Returns:
        The kind of entry it makes, and the member it is about.

    Raises:
        ForgedMessage: its author is not who sent it, may not do this, or did not sign it.
    """
    if operation.author != author or operation.circle != draft.cold.id:
        raise ForgedMessage("an operation of somebody else, or of another circle")
    if author != draft.our_id:
        verify_operation(operation, draft.peer(author).keys.verify)
        if operation.kind is OperationKind.LEAVE and draft.peer(author).standing is Standing.GONE:
            return "left", author  # once is enough: a thousand would fill what a welcome carries
    encoded = encode_operation(operation)
    if encoded not in draft.cold.operations:
        draft.set_cold(operations=(*draft.cold.operations, encoded))
    match operation.kind:
        case OperationKind.ADD:
            return "joined", _take_add(draft, operation)
        case OperationKind.LEAVE:
            _take_leave(draft, author)
            return "left", author
        case _:
            raise MalformedFrame("a second create")


def check_operations(operations: tuple[bytes, ...], *, circle: CircleId) -> dict[MemberId, Role]:
    """Compute the membership from a welcome's operations alone.

    Raises:
        MalformedFrame, ForgedMessage: one is not signed by whom it should be.
    """
    if not operations:
        raise MalformedFrame("a welcome without operations")
    create, foundation = check_foundation(operations[0], circle=circle)
    found = {create.author: Role.FACILITATOR}
    keys = {create.author: foundation.founder.verify}
    gone: set[MemberId] = set()
    for encoded in operations[1:]:
        operation = decode_operation(encoded)
        if operation.circle != circle or operation.author not in keys:
            raise ForgedMessage("an operation of a stranger")
        verify_operation(operation, keys[operation.author])
        match operation.kind:
            case OperationKind.ADD if found.get(operation.author) is Role.FACILITATOR:
                added = decode_keys(operation.body)
                found[added.member_id] = Role.MEMBER
                keys[added.member_id] = added.verify
            case OperationKind.LEAVE:
                gone.add(operation.author)
            case _:
                raise ForgedMessage("an operation its author may not make")
    return {member: role for member, role in found.items() if member not in gone}


def _take_add(draft: Draft, operation: Operation) -> MemberId:
    is_ours = operation.author == draft.our_id
    role = draft.cold.my_role if is_ours else draft.peer(operation.author).role
    if role is not Role.FACILITATOR:
        raise ForgedMessage("only facilitators add members")
    added = decode_keys(operation.body).member_id
    peer = draft.cold.peers.get(added)
    if peer is not None and peer.standing is not Standing.MEMBER:
        draft.change_peer(added, standing=Standing.MEMBER)
    return added


def _take_leave(draft: Draft, author: MemberId) -> None:
    if author != draft.our_id:
        draft.change_peer(author, standing=Standing.GONE)
        _give_up_owed(draft, author)
        draft.ask(Tell("left", author))


def _give_up_owed(draft: Draft, member: MemberId) -> None:
    """Owe somebody who is gone nothing more; what had not arrived is shown as undelivered."""
    pair = draft.pair(member)
    last = pair.next_seq - 1
    if pair.acked_through < last:
        draft.set_pair(member, evolve(pair, acked_through=last, acked_beyond=frozenset()))
        draft.write(GiveUpOwed(draft.cold.id, member))
        draft.change_courier(member, cursor=last, resend_at=None)
