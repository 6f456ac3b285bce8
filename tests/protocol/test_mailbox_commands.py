"""Commands and answers between a client and a relay: layouts, limits, signatures."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from toheal_protocol.crypto import SigningSeed, token_of, verify_key
from toheal_protocol.errors import ForgedMessage, LocalError, MalformedFrame, RemoteError
from toheal_protocol.model import Address, DepositToken
from toheal_protocol.wire.mailbox import (
    LONGEST_LIFE,
    MAX_BATCH,
    MAX_COMMAND_SIZE,
    MAX_DELETED,
    MAX_DEPOSIT_SIZE,
    AskTurn,
    Binding,
    Credit,
    Delete,
    Deposit,
    Hail,
    ItemId,
    MailboxKind,
    Open,
    Opening,
    Unwatch,
    address_of,
    check_signatures,
    decode_command,
    encode_ask_turn,
    encode_credit,
    encode_deposit,
    encode_hail,
    encode_unwatch,
    sign_delete,
    sign_open,
)
from toheal_protocol.wire.mailbox_answers import (
    MAX_ANSWER_SIZE,
    Code,
    Hello,
    Mail,
    Outcome,
    Reply,
    decode_answer,
    encode_hello,
    encode_mail,
    encode_reply,
)

BINDING = Binding(b"\x01" * 32, b"\x02" * 32)

numbers = st.integers(0, 2**32 - 1)
seeds = st.binary(min_size=32, max_size=32).map(SigningSeed)
addresses = st.binary(min_size=16, max_size=16).map(Address)
items = st.integers(0, 2**63 - 1).map(ItemId)
frames = st.binary(min_size=1, max_size=300)


def opening_of(seed: SigningSeed, **changes: object) -> Opening:
    opening = Opening(verify_key(seed), token_of(seed[:16]), MailboxKind.MAIL, 3600)
    return evolve(opening, **changes)


@given(
    number=numbers,
    wanted=st.lists(
        st.tuples(
            seeds,
            st.sampled_from(MailboxKind),
            st.integers(1, 2**32 - 1),
            st.booleans(),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_an_open_is_read_as_it_was_signed(
    number: int, wanted: list[tuple[SigningSeed, MailboxKind, int, bool]]
) -> None:
    signed = [
        (seed, opening_of(seed, kind=kind, ttl=ttl, watch=watch))
        for seed, kind, ttl, watch in wanted
    ]
    command = decode_command(sign_open(number, signed, BINDING))
    assert isinstance(command, Open)
    assert command.number == number
    assert command.openings == tuple(opening for _, opening in signed)
    check_signatures(command, BINDING)


@given(number=numbers, seed=seeds, names=st.lists(items, min_size=1, max_size=20))
def test_a_delete_is_read_as_it_was_signed(
    number: int, seed: SigningSeed, names: list[ItemId]
) -> None:
    command = decode_command(sign_delete(number, seed, names, BINDING))
    assert isinstance(command, Delete)
    assert (command.number, command.read_key) == (number, verify_key(seed))
    assert command.items == tuple(names)
    check_signatures(command, BINDING)


@given(number=numbers, address=addresses, token=st.binary(min_size=16, max_size=16), frame=frames)
def test_a_deposit_is_read_as_it_was_written(
    number: int, address: Address, token: bytes, frame: bytes
) -> None:
    written = encode_deposit(number, address, DepositToken(token), frame)
    assert decode_command(written) == Deposit(number, address, DepositToken(token), frame)


@given(number=numbers, names=st.lists(addresses, min_size=1, max_size=MAX_BATCH))
def test_the_other_commands_are_read_as_they_were_written(
    number: int, names: list[Address]
) -> None:
    assert decode_command(encode_unwatch(number, names)) == Unwatch(number, tuple(names))
    assert decode_command(encode_credit(number)) == Credit(number)
    assert decode_command(encode_hail(number)) == Hail(number)
    assert decode_command(encode_ask_turn(number)) == AskTurn(number)


outcomes = st.builds(Outcome, st.sampled_from(Code), numbers)


@given(
    number=numbers,
    told=st.lists(outcomes, min_size=1, max_size=MAX_BATCH),
    address=addresses,
    item=items,
    frame=frames,
)
def test_answers_are_read_as_they_were_written(
    number: int, told: list[Outcome], address: Address, item: ItemId, frame: bytes
) -> None:
    hello = Hello(frame[:1] * 32, frame[:1] * 16)
    assert decode_answer(encode_hello(hello)) == hello
    assert decode_answer(encode_reply(number, told)) == Reply(number, tuple(told))
    assert decode_answer(encode_mail(address, item, frame)) == Mail(address, item, frame)


SEED = SigningSeed(b"s" * 32)
OTHER = SigningSeed(b"o" * 32)
WELL_FORMED = [
    sign_open(1, [(SEED, opening_of(SEED)), (OTHER, opening_of(OTHER))], BINDING),
    sign_delete(2, SEED, [ItemId(3), ItemId(4)], BINDING),
    encode_unwatch(3, [Address(bytes(16)), Address(b"a" * 16)]),
    encode_credit(4),
    encode_hail(5),
    encode_ask_turn(6),
]


TAGS = range(0x01, 0x08)


@pytest.mark.parametrize(
    "command", WELL_FORMED, ids=["open", "delete", "unwatch", "credit", "hail", "turn"]
)
def test_a_command_cut_short_or_longer_is_malformed(command: bytes) -> None:
    for length in range(len(command)):
        with pytest.raises(MalformedFrame):
            decode_command(command[:length])
    with pytest.raises(MalformedFrame):
        decode_command(command + b"\x00")


@pytest.mark.parametrize("command", WELL_FORMED[:2], ids=["open", "delete"])
def test_no_bit_of_a_signed_command_can_be_changed(command: bytes) -> None:
    for place in range(len(command)):
        for bit in (0x01, 0x80):
            changed = bytearray(command)
            changed[place] ^= bit
            if place == 0 and changed[0] in TAGS:
                continue  # it says to be another command, and is read as that
            with pytest.raises(RemoteError):
                read_and_check(bytes(changed), BINDING)


@pytest.mark.parametrize("command", WELL_FORMED[:2], ids=["open", "delete"])
@pytest.mark.parametrize(
    "elsewhere",
    [evolve(BINDING, relay=b"\x09" * 32), evolve(BINDING, nonce=b"\x09" * 32)],
    ids=["another relay", "another connection"],
)
def test_a_signature_is_worth_nothing_elsewhere(command: bytes, elsewhere: Binding) -> None:
    read_and_check(command, BINDING)
    with pytest.raises(ForgedMessage):
        read_and_check(command, elsewhere)


def test_nobody_opens_a_mailbox_whose_key_they_lack() -> None:
    mine_and_theirs = [(SEED, opening_of(SEED)), (SEED, opening_of(OTHER))]
    with pytest.raises(ForgedMessage):
        read_and_check(sign_open(1, mine_and_theirs, BINDING), BINDING)


@given(frame=st.binary(max_size=400))
def test_any_bytes_are_a_command_or_a_remote_error(frame: bytes) -> None:
    for tag in (b"", b"\x01", b"\x02", b"\x03", b"\x04", b"\x05", b"\x06", b"\x07"):
        try:
            read_and_check(tag + frame, BINDING)
        except RemoteError:
            pass


@given(frame=st.binary(max_size=400))
def test_any_bytes_are_an_answer_or_a_remote_error(frame: bytes) -> None:
    for tag in (b"", b"\x81\x01", b"\x82", b"\x83", b"\x84"):
        try:
            decode_answer(tag + frame)
        except RemoteError:
            pass


def test_the_largest_deposit_fits_and_a_larger_one_does_not() -> None:
    address, token = Address(bytes(16)), DepositToken(bytes(16))
    largest = encode_deposit(1, address, token, bytes(MAX_DEPOSIT_SIZE))
    assert len(largest) <= MAX_COMMAND_SIZE
    decode_command(largest)
    with pytest.raises(MalformedFrame):
        decode_command(largest + b"\x00")
    with pytest.raises(LocalError):
        encode_deposit(1, address, token, bytes(MAX_DEPOSIT_SIZE + 1))
    mail = encode_mail(address, ItemId(1), bytes(MAX_DEPOSIT_SIZE))
    assert len(mail) <= MAX_ANSWER_SIZE
    decode_answer(mail)


@pytest.mark.parametrize("count", [0, MAX_BATCH + 1])
def test_batches_have_limits(count: int) -> None:
    with pytest.raises(LocalError):
        sign_open(1, [(SEED, opening_of(SEED))] * count, BINDING)
    with pytest.raises(LocalError):
        encode_unwatch(1, [Address(bytes(16))] * count)
    with pytest.raises(MalformedFrame):
        decode_command(b"\x04" + bytes(4) + bytes([count]) + bytes(16) * count)


@pytest.mark.parametrize("count", [0, MAX_DELETED + 1])
def test_a_delete_has_a_limit(count: int) -> None:
    with pytest.raises(LocalError):
        sign_delete(1, SEED, [ItemId(1)] * count, BINDING)


def test_a_mailbox_lives_for_some_time_and_is_of_a_kind_we_know() -> None:
    signed = sign_open(1, [(SEED, opening_of(SEED))], BINDING)
    kind_at, ttl_at, watch_at = 6 + 64, 6 + 65, 6 + 69
    for place, size, wrong in ((kind_at, 1, 3), (ttl_at, 4, 0), (watch_at, 1, 2)):
        changed = signed[:place] + wrong.to_bytes(size, "big") + signed[place + size :]
        with pytest.raises(MalformedFrame):
            decode_command(changed)
    assert set(LONGEST_LIFE) == set(MailboxKind)


def test_an_address_is_not_the_read_key_and_hides_it() -> None:
    key = verify_key(SEED)
    assert len(address_of(key)) == 16
    assert address_of(key) not in key
    assert address_of(key) != address_of(verify_key(OTHER))


def read_and_check(frame: bytes, binding: Binding) -> None:
    command = decode_command(frame)
    if isinstance(command, Open | Delete):
        check_signatures(command, binding)
