"""The keyring: any bytes are a keyring or refused, and no bytes open without the passphrase."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import unicodedata

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.entropy import SeededEntropy
from tests.support.vaults import CHEAP
from toheal_p2p.adapters.vault.keyring import (
    CHECKSUM_SIZE,
    KEYRING_SIZE,
    MAX_MEMORY,
    MAX_PASSES,
    MIN_MEMORY,
    DataKey,
    PassphraseCost,
    Unlocked,
    encode_keyring,
    make_keyring,
    parse_keyring,
    unlock_keyring,
    with_generation,
)
from toheal_p2p.ports.vault import DamagedVault, WrongPassphrase
from toheal_protocol.crypto import hash_parts
from toheal_protocol.errors import LocalError, MalformedFrame

UNLOCKED = Unlocked(DataKey(b"data key 32 bytes ..............".ljust(32)[:32]), 3, 41)
KEYRING = make_keyring("كلمة السر", UNLOCKED, cost=CHEAP, entropy=SeededEntropy(5))
FRAME = encode_keyring(KEYRING)


def with_checksum(body: bytes) -> bytes:
    """Make a changed keyring look whole, as somebody who changes it on purpose can."""
    return body + hash_parts("th1/keyring", body)[:CHECKSUM_SIZE]


def test_what_was_sealed_opens_with_its_passphrase() -> None:
    assert len(FRAME) == KEYRING_SIZE
    assert parse_keyring(FRAME) == KEYRING
    assert unlock_keyring(parse_keyring(FRAME), "كلمة السر") == UNLOCKED


@pytest.mark.parametrize("other", ["", "كلمة", "كلمة السر ", "كلمه السر"])
def test_another_passphrase_is_refused(other: str) -> None:
    with pytest.raises(WrongPassphrase):
        unlock_keyring(KEYRING, other)


@pytest.mark.parametrize("typed", ["café", "ﻻ", "أهلا", "\udc80 from a terminal", ""])
def test_one_passphrase_from_two_keyboards_opens(typed: str) -> None:
    keyring = make_keyring(typed, UNLOCKED, cost=CHEAP, entropy=SeededEntropy(5))
    assert unlock_keyring(keyring, unicodedata.normalize("NFKD", typed)) == UNLOCKED


def test_the_layout_is_frozen() -> None:
    assert hash_parts("th1/keyring", FRAME).hex()[:32] == "3263f91fdae4534e45380f03eaa0bde8"
    assert FRAME[:9].hex() == "010000000100002000"


@given(st.binary(max_size=KEYRING_SIZE + 8))
def test_any_bytes_are_a_keyring_or_malformed(frame: bytes) -> None:
    with pytest.raises(MalformedFrame):
        parse_keyring(frame)


@given(st.binary(min_size=KEYRING_SIZE - CHECKSUM_SIZE, max_size=KEYRING_SIZE - CHECKSUM_SIZE))
def test_any_body_with_its_checksum_is_affordable_or_malformed(body: bytes) -> None:
    for first in (body, b"\x01" + body[1:], FRAME[:9] + body[9:]):
        try:
            keyring = parse_keyring(with_checksum(first))
        except MalformedFrame:
            continue
        assert MIN_MEMORY <= keyring.cost.memory <= MAX_MEMORY
        assert 1 <= keyring.cost.passes <= MAX_PASSES
        assert encode_keyring(keyring) == with_checksum(first)


def test_every_flipped_bit_is_noticed() -> None:
    for place in range(KEYRING_SIZE * 8):
        changed = bytearray(FRAME)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(MalformedFrame):
            parse_keyring(bytes(changed))


@given(st.integers(0, (KEYRING_SIZE - CHECKSUM_SIZE) * 8 - 1))
@settings(max_examples=25)
def test_a_bit_flipped_on_purpose_opens_nothing(place: int) -> None:
    body = bytearray(FRAME[:-CHECKSUM_SIZE])
    body[place // 8] ^= 1 << place % 8
    try:
        keyring = parse_keyring(with_checksum(bytes(body)))
    except MalformedFrame:
        return
    if keyring.cost.memory * keyring.cost.passes > 4 * MIN_MEMORY:
        return  # affordable once, not in a test
    with pytest.raises((WrongPassphrase, DamagedVault)):
        unlock_keyring(keyring, "كلمة السر")


@pytest.mark.parametrize(
    ("passes", "memory_kib"),
    [
        (0, 8192),
        (MAX_PASSES + 1, 8192),
        (2**32 - 1, 8192),
        (1, 8191),
        (1, 0),
        (1, MAX_MEMORY // 1024 + 1),
        (1, 2**32 - 1),
    ],
)
def test_a_hostile_cost_is_refused_before_it_is_paid(passes: int, memory_kib: int) -> None:
    body = b"\x01" + passes.to_bytes(4, "big") + memory_kib.to_bytes(4, "big")
    with pytest.raises(MalformedFrame):
        parse_keyring(with_checksum(body + FRAME[9:-CHECKSUM_SIZE]))


def test_the_largest_cost_is_still_a_keyring() -> None:
    largest = PassphraseCost(memory=MAX_MEMORY, passes=MAX_PASSES)
    frame = encode_keyring(evolve(KEYRING, cost=largest))
    assert parse_keyring(frame).cost == largest


@pytest.mark.parametrize(
    ("memory", "passes"),
    [(MIN_MEMORY - 1024, 1), (MIN_MEMORY + 1, 1), (MAX_MEMORY + 1024, 1), (MIN_MEMORY, 0)],
)
def test_we_make_no_keyring_that_we_would_refuse(memory: int, passes: int) -> None:
    with pytest.raises(LocalError):
        PassphraseCost(memory=memory, passes=passes)


def test_the_generation_is_raised_without_the_passphrase() -> None:
    raised = with_generation(KEYRING, evolve(UNLOCKED, generation=42), entropy=SeededEntropy(6))
    assert raised.sealed_key == KEYRING.sealed_key
    assert unlock_keyring(raised, "كلمة السر").generation == 42


def test_a_keyring_put_together_from_two_is_damage() -> None:
    other = make_keyring(
        "x", evolve(UNLOCKED, data_key=DataKey(bytes(32))), cost=CHEAP, entropy=SeededEntropy(7)
    )
    mixed = evolve(KEYRING, sealed_generation=other.sealed_generation)
    with pytest.raises(DamagedVault):
        unlock_keyring(mixed, "كلمة السر")


def test_two_keyrings_of_one_passphrase_share_nothing() -> None:
    again = encode_keyring(
        make_keyring("كلمة السر", UNLOCKED, cost=CHEAP, entropy=SeededEntropy(8))
    )
    runs = {FRAME[at : at + 8] for at in range(9, KEYRING_SIZE - 8)}
    assert not any(again[at : at + 8] in runs for at in range(9, KEYRING_SIZE - 8))


def test_no_secret_is_shown() -> None:
    shown = repr(UNLOCKED) + repr(KEYRING)
    assert "data key 32" not in shown
    assert repr(KEYRING.sealed_key) not in shown


@pytest.mark.real
def test_too_little_memory_is_said_plainly() -> None:
    script = """
        import resource
        from tests.support.entropy import SeededEntropy
        from toheal_p2p.adapters.vault.keyring import *
        from toheal_p2p.ports.vault import NotEnoughMemory
        resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
        cost = PassphraseCost(memory=512 << 20, passes=1)
        try:
            make_keyring("x", Unlocked(DataKey(bytes(32)), 1, 1), cost=cost, entropy=SeededEntropy(1))
        except NotEnoughMemory:
            print("said")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.stdout == "said\n", done.stderr
