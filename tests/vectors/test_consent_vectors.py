"""Every case of consent.json, and that its script writes exactly that file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.vectors.make_consent_vectors import FILE, as_text
from toheal_protocol import errors
from toheal_protocol.messages.consent import decode_receipt, encode_receipt, verify_receipt
from toheal_protocol.model import WallTime

CASES = json.loads(FILE.read_text(encoding="utf-8"))["cases"]


def test_the_script_writes_this_file() -> None:
    assert as_text() == FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_a_receipt_is_found_as_written(case: dict[str, Any]) -> None:
    encoded = bytes.fromhex(case["receipt"])
    receipt = decode_receipt(encoded)
    assert encode_receipt(receipt) == encoded
    if case["error"] is None:
        verify_receipt(receipt, case["excerpt"], wall_now=WallTime(case["wall_now"]))
        return
    with pytest.raises(getattr(errors, case["error"])):
        verify_receipt(receipt, case["excerpt"], wall_now=WallTime(case["wall_now"]))
