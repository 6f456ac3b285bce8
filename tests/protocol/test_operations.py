"""Membership operations: signed by whom they say, for this circle, and by nobody else."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.parsers_circle import ADD, CREATE, EVERY_OPERATION
from tests.support.personas import person
from toheal_protocol.errors import ForgedMessage, MalformedFrame, RemoteError
from toheal_protocol.membership import check_foundation
from toheal_protocol.messages.acts import (
    Addition,
    Foundation,
    Reason,
    ReasonCategory,
    Removal,
    decode_act,
    encode_act,
    kind_of,
    text_hash,
    verify_voucher,
)
from toheal_protocol.messages.operations import (
    NO_CIRCLE,
    Operation,
    OperationKind,
    circle_id_of,
    decode_operation,
    encode_operation,
    sign_operation,
    verify_operation,
)
from toheal_protocol.model import CircleId, MemberId

OURS, THEIRS = person(1), person(2)


@pytest.mark.parametrize("operation", EVERY_OPERATION, ids=lambda one: one.kind.name.lower())
def test_an_operation_is_read_back_and_its_signature_holds(operation: Operation) -> None:
    read = decode_operation(encode_operation(operation))
    assert read == operation
    assert read.id == operation.id
    verify_operation(read, OURS.persona.keys.verify)
    act = decode_act(read)
    assert kind_of(act) is operation.kind
    assert encode_act(act) == operation.body


def test_there_is_one_of_every_kind() -> None:
    assert {operation.kind for operation in EVERY_OPERATION} == set(OperationKind)


@pytest.mark.parametrize("operation", EVERY_OPERATION, ids=lambda one: one.kind.name.lower())
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


def test_a_body_of_one_kind_is_none_of_another() -> None:
    """A mute and a role differ by one byte, a second and an acceptance by four: sizes tell them apart."""
    alike = {OperationKind.CHARTER, OperationKind.ACCEPT, OperationKind.UNMUTE}
    for operation in EVERY_OPERATION:
        for kind in OperationKind:
            if kind is operation.kind or {kind, operation.kind} <= alike:
                continue  # those have one layout; the kind is signed
            with pytest.raises(RemoteError):
                decode_act(evolve(operation, kind=kind))


def test_a_circle_is_founded_with_the_founders_own_keys() -> None:
    foundation = decode_act(CREATE)
    assert isinstance(foundation, Foundation)
    create = sign_operation(
        OperationKind.CREATE,
        circle=NO_CIRCLE,
        parents=(),
        body=encode_act(evolve(foundation, founder=THEIRS.card.keys)),
        author=OURS.persona,
    )
    with pytest.raises(ForgedMessage):
        check_foundation(create, circle=None)


def test_the_circles_id_names_its_foundation() -> None:
    assert check_foundation(CREATE, circle=circle_id_of(CREATE)) == decode_act(CREATE)
    with pytest.raises(ForgedMessage):
        check_foundation(CREATE, circle=CircleId(bytes(32)))
    with pytest.raises(RemoteError):
        check_foundation(ADD, circle=None)


def test_a_voucher_is_for_one_circle_one_persona_and_one_charter() -> None:
    addition = decode_act(ADD)
    assert isinstance(addition, Addition)
    verify_voucher(addition, circle=ADD.circle)
    for other, circle in (
        (addition, CircleId(b"x" * 32)),
        (evolve(addition, keys=OURS.card.keys), ADD.circle),
        (evolve(addition, charter_hash=b"x" * 32), ADD.circle),
    ):
        with pytest.raises(ForgedMessage):
            verify_voucher(other, circle=circle)


def test_a_policy_we_do_not_know_is_refused() -> None:
    body = bytearray(CREATE.body)
    body[32 + 1248] = 4
    with pytest.raises(MalformedFrame):
        decode_act(evolve(CREATE, body=bytes(body)))
    policy = next(one for one in EVERY_OPERATION if one.kind is OperationKind.POLICY)
    for flags in (b"\x02", b"\x04"):  # two people who talk alone are so from the beginning
        with pytest.raises(MalformedFrame):
            decode_act(evolve(policy, body=flags))


def test_a_category_of_a_later_version_is_read_as_other_and_a_role_is_not() -> None:
    removal = next(one for one in EVERY_OPERATION if one.kind is OperationKind.REMOVE)
    later = removal.body[:36] + b"\xff" + removal.body[37:]
    act = decode_act(evolve(removal, body=later))
    assert isinstance(act, Removal) and act.reason.category is ReasonCategory.OTHER
    role = next(one for one in EVERY_OPERATION if one.kind is OperationKind.ROLE)
    with pytest.raises(MalformedFrame):
        decode_act(evolve(role, body=role.body[:32] + b"\xff" + role.body[33:]))


def test_a_reason_without_text_names_no_text() -> None:
    assert text_hash("") == Reason().text_hash == bytes(32)
    assert text_hash("x") != text_hash("y")


def test_too_many_parents_are_refused() -> None:
    encoded = bytearray(encode_operation(ADD))
    encoded[66] = 33
    with pytest.raises(MalformedFrame):
        decode_operation(bytes(encoded))


def test_parents_rise_and_only_create_has_none() -> None:
    for parents in ((b"q" * 32, b"p" * 32), (b"p" * 32, b"p" * 32), ()):
        with pytest.raises(MalformedFrame):
            decode_operation(encode_operation(evolve(ADD, parents=parents)))
    with pytest.raises(MalformedFrame):
        decode_operation(encode_operation(evolve(CREATE, parents=(b"p" * 32,))))
