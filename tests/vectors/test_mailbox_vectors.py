"""Every case of mailboxes.json, and that its script writes exactly that file."""

from __future__ import annotations

import json

import pytest

from tests.vectors.make_mailbox_vectors import FILE, as_text
from toheal_protocol.crypto import SigningSeed, token_of, verify_key
from toheal_protocol.crypto.turn import turn_password
from toheal_protocol.wire.mailbox import (
    Binding,
    Delete,
    Open,
    address_of,
    check_signatures,
    decode_command,
)
from toheal_protocol.wire.mailbox_answers import decode_answer
from toheal_protocol.wire.relay_address import parse_relay_address
from toheal_protocol.wire.turn_grant import TurnGrant

VECTORS = json.loads(FILE.read_text(encoding="utf-8"))
BINDING = Binding(bytes.fromhex(VECTORS["relay_fingerprint"]), bytes.fromhex(VECTORS["nonce"]))


def test_the_script_writes_this_file() -> None:
    assert as_text() == FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", VECTORS["commands"])
def test_a_command_is_read(name: str) -> None:
    command = decode_command(bytes.fromhex(VECTORS["commands"][name]))
    assert type(command).__name__.lower() == name.replace("_", "")
    if isinstance(command, Open | Delete):
        check_signatures(command, BINDING)


@pytest.mark.parametrize("name", VECTORS["answers"])
def test_an_answer_is_read(name: str) -> None:
    decode_answer(bytes.fromhex(VECTORS["answers"][name]))


@pytest.mark.parametrize("mailbox", VECTORS["mailboxes"])
def test_an_address_follows_from_its_read_key(mailbox: dict[str, str]) -> None:
    read_key = verify_key(SigningSeed(bytes.fromhex(mailbox["read_seed"])))
    assert read_key.hex() == mailbox["read_key"]
    assert address_of(read_key).hex() == mailbox["address"]


def test_a_token_has_its_hash() -> None:
    token = bytes.fromhex(VECTORS["token"]["token"])
    assert token_of(token).hex() == VECTORS["token"]["hash"]


def test_a_turn_password_follows_from_its_name() -> None:
    turn = VECTORS["turn"]
    password = turn_password(bytes.fromhex(turn["secret"]), turn["username"])
    assert password == turn["password"]
    grant = decode_answer(bytes.fromhex(VECTORS["answers"]["turn_grant"]))
    assert isinstance(grant, TurnGrant)
    assert (grant.username, grant.password) == (turn["username"], password)


@pytest.mark.parametrize("text", VECTORS["relay_addresses"])
def test_a_relay_address_is_read(text: str) -> None:
    address = parse_relay_address(text)
    assert address.fingerprint == BINDING.relay
    assert str(address) == text
