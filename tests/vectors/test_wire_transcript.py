"""What an earlier run of this version sent is read still, byte for byte (`wire.json`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.entropy import SeededEntropy
from tests.support.parsers_circle import EVERY_FRAME, EVERY_NOTE
from toheal_protocol.crypto import SealKey
from toheal_protocol.envelope import ContentKey, decode_content, message_id, open_content
from toheal_protocol.errors import ReplayedMessage
from toheal_protocol.machines.addressing import open_deposit
from toheal_protocol.machines.pair import parts_of
from toheal_protocol.messages.bodies import decode_text
from toheal_protocol.messages.frames import (
    Envelope,
    Note,
    Passed,
    Sealed,
    decode_frame,
    encode_frame,
)
from toheal_protocol.messages.notes import decode_item, decode_note, encode_item
from toheal_protocol.model import MemberId, WallTime
from toheal_protocol.ratchet import decode_session, open_message

KEPT: dict[str, Any] = json.loads((Path(__file__).parent / "wire.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", KEPT["notes"], ids=lambda row: row["note"])
def test_every_kind_of_note_is_read_as_it_was_written(row: dict[str, str]) -> None:
    note = decode_item(bytes.fromhex(row["item"]))
    assert type(note).__name__ == row["note"]
    assert encode_item(note).hex() == row["item"]


@pytest.mark.parametrize("row", KEPT["frames"], ids=lambda row: row["frame"])
def test_every_kind_of_frame_is_read_as_it_was_written(row: dict[str, str]) -> None:
    frame = decode_frame(bytes.fromhex(row["bytes"]))
    assert type(frame).__name__ == row["frame"]
    assert encode_frame(frame).hex() == row["bytes"]


def test_nothing_is_missing() -> None:
    assert {row["note"] for row in KEPT["notes"]} == {type(note).__name__ for note in EVERY_NOTE}
    assert {row["frame"] for row in KEPT["frames"]} == {type(one).__name__ for one in EVERY_FRAME}


def test_a_kept_talk_opens_from_its_deposits_to_its_words() -> None:
    session = decode_session(bytes.fromhex(KEPT["talk"]["session"]))
    words: list[str] = []
    opened: set[str] = set()
    authors: dict[bytes, bytes] = {}
    for row in KEPT["talk"]["deposits"]:
        deposit = open_deposit(
            SealKey(bytes.fromhex(row["seal_key"])), bytes.fromhex(row["deposit"])
        )
        assert deposit.hex() == row["frame"]
        frame = decode_frame(deposit)
        assert isinstance(frame, Sealed)
        try:
            session, plain = open_message(
                session, *parts_of(frame), entropy=SeededEntropy(1), now=WallTime(1_800_000_100)
            )
        except ReplayedMessage:
            continue  # an item that lay there twice
        match frame:
            case Note():
                _, _, note = decode_note(plain)
                assert note is not None
                opened.add(type(note).__name__)
            case Envelope(common=common):
                opened.add("Envelope")
                authors[message_id(common)] = plain[8:40]
            case Passed(common=common):
                opened.add("Passed")
                author, key = MemberId(plain[:32]), ContentKey(plain[32:])
                assert authors[message_id(common)] == key
                content = decode_content(open_content(common, key, author=author))
                words.append(decode_text(content.body).text)
    assert {"Envelope", "Passed", "Asked", "Answered"} <= opened
    assert words == ["أهلًا"]
