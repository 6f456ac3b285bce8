"""Membership operations: signed by whom they say, for this circle, and by nobody else."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.parsers_circle import ADD, CREATE
from tests.support.personas import person
from toheal_protocol.errors import ForgedMessage, MalformedFrame, RemoteError
from toheal_protocol.machines.membership import check_foundation, check_operations
from toheal_protocol.machines.state import Role
from toheal_protocol.messages.operations import (
    Operation,
    OperationKind,
    circle_id_of,
    decode_foundation,
    decode_operation,
    encode_foundation,
    encode_keys,
    encode_operation,
    sign_operation,
    verify_operation,
)
from toheal_protocol.model import CircleId, MemberId

OURS, THEIRS, THIRD = person(1), person(2), person(3)
CIRCLE = circle_id_of(CREATE)


def an_operation(kind: OperationKind, author: object = OURS, body: bytes = b"") -> bytes:
    made = sign_operation(kind, circle=CIRCLE, parents=(), body=body, author=author.persona)  # type: ignore[attr-defined]
    return encode_operation(made)


ADD_THEIRS = an_operation(OperationKind.ADD, body=encode_keys(THEIRS.card.keys))


def check(*operations: bytes) -> dict[MemberId, Role]:
    return check_operations((encode_operation(CREATE), *operations), circle=CIRCLE)


@pytest.mark.parametrize("operation", [CREATE, ADD])
def test_an_operation_is_read_back_and_its_signature_holds(operation: Operation) -> None:
    read = decode_operation(encode_operation(operation))
    assert read == operation
    verify_operation(read, OURS.persona.keys.verify)


@pytest.mark.parametrize("operation", [CREATE, ADD])
def test_every_byte_of_an_operation_counts(operation: Operation) -> None:
    encoded = encode_operation(operation)
    for place in range(len(encoded)):
        changed = encoded[:place] + bytes([encoded[place] ^ 1]) + encoded[place + 1 :]
        with pytest.raises(RemoteError):
            _check_signed_by(changed, operation.author)


def _check_signed_by(encoded: bytes, author: MemberId) -> None:
    read = decode_operation(encoded)
    if read.author != author:
        raise ForgedMessage("another author, whose key this is not")
    verify_operation(read, OURS.persona.keys.verify)


@given(encoded=st.binary(max_size=400))
@settings(max_examples=100)
def test_what_is_read_is_written_back_the_same(encoded: bytes) -> None:
    try:
        operation = decode_operation(encoded)
    except RemoteError:
        return
    assert encode_operation(operation) == encoded


def test_a_founder_and_whom_they_added_are_members() -> None:
    roles = check(ADD_THEIRS)
    assert roles == {OURS.member_id: Role.FACILITATOR, THEIRS.member_id: Role.MEMBER}


def test_who_left_is_no_member() -> None:
    assert set(check(ADD_THEIRS, an_operation(OperationKind.LEAVE, THEIRS))) == {OURS.member_id}


def test_a_member_adds_nobody() -> None:
    add = an_operation(OperationKind.ADD, THEIRS, encode_keys(THIRD.card.keys))
    with pytest.raises(ForgedMessage):
        check(ADD_THEIRS, add)


def test_a_stranger_adds_nobody_and_cannot_leave() -> None:
    for kind, body in (
        (OperationKind.ADD, encode_keys(THIRD.card.keys)),
        (OperationKind.LEAVE, b""),
    ):
        with pytest.raises(ForgedMessage):
            check(an_operation(kind, THIRD, body))


def test_an_operation_signed_by_somebody_else_is_refused() -> None:
    forged = decode_operation(an_operation(OperationKind.LEAVE, THIRD))
    in_their_name = evolve(forged, author=THEIRS.member_id)
    with pytest.raises(ForgedMessage):
        check(ADD_THEIRS, encode_operation(in_their_name))


def test_an_operation_of_another_circle_is_refused() -> None:
    leave = sign_operation(
        OperationKind.LEAVE,
        circle=CircleId(b"x" * 32),
        parents=(),
        body=b"",
        author=OURS.persona,
    )
    with pytest.raises(ForgedMessage):
        check(encode_operation(leave))


def test_a_second_create_is_refused_and_so_is_a_list_without_one() -> None:
    with pytest.raises(RemoteError):
        check(encode_operation(CREATE))
    for operations in ((), (ADD_THEIRS,)):
        with pytest.raises(RemoteError):
            check_operations(operations, circle=CIRCLE)


def test_a_circle_is_founded_with_the_founders_own_keys() -> None:
    foundation = decode_foundation(CREATE.body)
    stolen = evolve(foundation, founder=THEIRS.card.keys)
    create = sign_operation(
        OperationKind.CREATE,
        circle=CircleId(bytes(32)),
        parents=(),
        body=encode_foundation(stolen),
        author=OURS.persona,
    )
    with pytest.raises(ForgedMessage):
        check_foundation(encode_operation(create), circle=None)


def test_the_circles_id_names_its_foundation() -> None:
    with pytest.raises(ForgedMessage):
        check_foundation(encode_operation(CREATE), circle=CircleId(bytes(32)))


def test_a_policy_we_do_not_know_is_refused() -> None:
    body = bytearray(CREATE.body)
    body[32 + 1248] = 2
    with pytest.raises(MalformedFrame):
        decode_foundation(bytes(body))


def test_too_many_parents_are_refused() -> None:
    encoded = bytearray(encode_operation(ADD))
    encoded[66] = 33
    with pytest.raises(MalformedFrame):
        decode_operation(bytes(encoded))
