"""Consent receipts: what they hold for, and for nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.personas import person
from tests.vectors.make_consent_vectors import EXCERPT, NOT_AFTER, receipts
from toheal_p2p.app.sharing import DAYS_MOST
from toheal_protocol.errors import MalformedFrame, RemoteError
from toheal_protocol.messages.consent import (
    LONGEST_CONSENT,
    decode_receipt,
    encode_receipt,
    sign_receipt,
    verify_receipt,
)
from toheal_protocol.model import WallTime

RECEIPT = receipts()["plain"]


def test_a_receipt_holds_until_its_end() -> None:
    verify_receipt(RECEIPT, EXCERPT, wall_now=NOT_AFTER)
    with pytest.raises(MalformedFrame):
        verify_receipt(RECEIPT, EXCERPT, wall_now=WallTime(NOT_AFTER + 1))


def test_a_receipt_holds_for_nothing_but_what_it_says() -> None:
    """Every bit of it flipped, and every other excerpt."""
    encoded = encode_receipt(RECEIPT)
    for place in range(len(encoded) * 8):
        mauled = bytearray(encoded)
        mauled[place // 8] ^= 1 << place % 8
        with pytest.raises(RemoteError):
            verify_receipt(decode_receipt(bytes(mauled)), EXCERPT, wall_now=WallTime(0))


@given(st.text(max_size=40).filter(lambda text: text != EXCERPT))
def test_it_holds_for_no_other_words(excerpt: str) -> None:
    with pytest.raises(RemoteError):
        verify_receipt(RECEIPT, excerpt, wall_now=WallTime(0))


def test_nobody_signs_for_somebody_else() -> None:
    forged = sign_receipt(RECEIPT, person(2).persona.signing)
    with pytest.raises(RemoteError):
        verify_receipt(forged, EXCERPT, wall_now=WallTime(0))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_receipt_or_malformed(encoded: bytes) -> None:
    for frame in (encoded, encode_receipt(RECEIPT)[:168] + encoded):
        try:
            receipt = decode_receipt(frame)
        except RemoteError:
            continue
        assert encode_receipt(receipt) == frame


def test_the_door_and_the_core_agree_on_the_longest_consent() -> None:
    assert DAYS_MOST * 24 * 3600 == LONGEST_CONSENT
