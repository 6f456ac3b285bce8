"""Every case of membership.json, and that its script writes exactly that file."""

from __future__ import annotations

import json

import pytest

from tests.vectors.make_membership_vectors import FILE, as_text
from toheal_protocol.membership import merge
from toheal_protocol.messages.operations import decode_operation, encode_operation
from toheal_protocol.model import CircleId

VECTORS = json.loads(FILE.read_text(encoding="utf-8"))
OPERATIONS = {
    name: decode_operation(bytes.fromhex(encoded))
    for name, encoded in VECTORS["operations"].items()
}


def test_the_script_writes_this_file() -> None:
    assert as_text() == FILE.read_text(encoding="utf-8")


def test_every_operation_is_named_by_its_hash_and_written_back_the_same() -> None:
    for name, operation in OPERATIONS.items():
        assert operation.id.hex() == name
        assert encode_operation(operation).hex() == VECTORS["operations"][name]


@pytest.mark.parametrize("name", VECTORS["cases"])
def test_a_case_comes_out_as_it_says(name: str) -> None:
    case = VECTORS["cases"][name]
    operations = [OPERATIONS[known] for known in reversed(case["operations"])]
    membership = merge(operations, circle=CircleId(bytes.fromhex(case["circle_id"])))
    members = {member.hex(): role.value for member, role in membership.members.items()}
    assert members == case["members"]
    assert membership.is_direct == case["is_direct"]
    assert membership.charter_hash.hex() == case["charter_hash"]
    assert sorted(member.hex() for member in membership.accepted) == case["accepted"]
    assert [head.hex() for head in membership.heads] == case["heads"]
    outcomes = {one.id.hex(): one.standing.value for one in membership.outcomes}
    assert outcomes == case["outcomes"]
