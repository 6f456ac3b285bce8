"""A backup's file: whole or refused, whatever happened to it; nothing large on anybody's word."""

from __future__ import annotations

import pytest

from tests.support.kept import SECRET, opened_file, sealed_file
from tests.support.parsers_backup import RECORDS
from toheal_protocol.errors import ForgedMessage, LocalError, MalformedFrame, RemoteError
from toheal_protocol.identity import RecoverySecret, is_same_word, recovery_words
from toheal_protocol.machines.backup_records import decode_backup_record, encode_backup_record
from toheal_protocol.messages.backup_file import (
    CHUNK_SIZE,
    HEAD_SIZE,
    MAX_RECORD_SIZE,
    SEALED_CHUNK_SIZE,
    BackupOpener,
    BackupSealer,
    encode_record,
)

LONG = (*RECORDS, *(RECORDS[-1],) * 2000)
FILE = sealed_file(LONG)
CHUNKS = [
    FILE[at : at + SEALED_CHUNK_SIZE] for at in range(HEAD_SIZE, len(FILE), SEALED_CHUNK_SIZE)
]


def joined(*chunks: bytes) -> bytes:
    return b"".join((FILE[:HEAD_SIZE], *chunks))


def test_what_was_put_in_comes_out() -> None:
    assert len(CHUNKS) >= 3
    assert [encode_backup_record(r) for r in opened_file(FILE)] == [
        encode_backup_record(r) for r in LONG
    ]


@pytest.mark.parametrize(
    "size", [CHUNK_SIZE - 6, CHUNK_SIZE - 5, CHUNK_SIZE - 4, 2 * CHUNK_SIZE - 5]
)
def test_a_record_that_just_fits_a_chunk(size: int) -> None:
    sealer = BackupSealer(SECRET, bytes(32))
    chunks = [*sealer.add(encode_record(9, b"x" * size)), sealer.finish()]
    opener = BackupOpener(SECRET, sealer.head)
    found = [
        record
        for place, chunk in enumerate(chunks, 1)
        for record in opener.open(chunk, is_last=place == len(chunks))
    ]
    assert found == [(9, b"x" * size)]


@pytest.mark.parametrize(
    "file",
    [
        joined(*CHUNKS[:-1]),
        joined(*CHUNKS[1:]),
        joined(*CHUNKS, CHUNKS[-1]),
        joined(CHUNKS[1], CHUNKS[0], *CHUNKS[2:]),
        joined(CHUNKS[0], *CHUNKS),
        FILE[:-1],
        FILE + b"\0",
        FILE[:HEAD_SIZE],
        b"\2" + FILE[1:],
        FILE[:1] + bytes(31) + b"\1" + FILE[HEAD_SIZE:],
        b"",
    ],
    ids=range(11),
)
def test_a_file_that_is_not_as_it_was_made_is_refused(file: bytes) -> None:
    with pytest.raises(RemoteError):
        opened_file(file)


@pytest.mark.parametrize("at", [0, 1, HEAD_SIZE, HEAD_SIZE + 40, len(FILE) // 2, len(FILE) - 1])
def test_a_changed_bit_is_refused(at: int) -> None:
    changed = bytearray(FILE)
    changed[at] ^= 1
    with pytest.raises(RemoteError):
        opened_file(bytes(changed))


def test_other_words_open_nothing() -> None:
    with pytest.raises(ForgedMessage):
        opened_file(FILE, secret=RecoverySecret(bytes(29)))


def test_a_record_that_says_it_is_huge_is_refused_before_any_of_it_is_kept() -> None:
    sealer = BackupSealer(SECRET, bytes(32))
    lie = b"\x07" + (MAX_RECORD_SIZE + 1).to_bytes(4, "big")
    chunks = [*sealer.add(lie + bytes(CHUNK_SIZE)), sealer.finish()]
    opener = BackupOpener(SECRET, sealer.head)
    with pytest.raises(MalformedFrame):
        list(opener.open(chunks[0], is_last=False))


@pytest.mark.parametrize("tail", [b"\0\0\1", b"\7\0\1\0\0half"])
def test_what_follows_the_last_record_is_nothing(tail: bytes) -> None:
    sealer = BackupSealer(SECRET, bytes(32))
    chunks = [*sealer.add(encode_record(9, b"x") + tail)]
    opener = BackupOpener(SECRET, sealer.head)
    with pytest.raises(MalformedFrame):
        list(opener.open(sealer.finish(), is_last=True))
    assert not chunks


def test_a_file_is_finished_once() -> None:
    sealer = BackupSealer(SECRET, bytes(32))
    sealer.finish()
    with pytest.raises(LocalError):
        sealer.finish()


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: type(one).__name__)
def test_a_record_cut_anywhere_or_longer_is_refused_or_another_one(record: object) -> None:
    whole = encode_backup_record(record)  # type: ignore[arg-type]
    kind, body = whole[0], whole[5:]
    assert encode_backup_record(decode_backup_record(kind, body)) == whole
    for end in range(0, len(body), 7):
        try:
            again = encode_backup_record(decode_backup_record(kind, body[:end]))
        except RemoteError:
            continue
        assert again[5:] == body[:end]


@pytest.mark.parametrize("language", ["ar", "en"])
def test_a_wrong_word_is_noticed_when_it_is_asked_for(language: str) -> None:
    words = recovery_words(SECRET, language=language)  # type: ignore[arg-type]
    assert is_same_word(" " + words[3].upper(), words[3])
    assert not is_same_word(words[4], words[3])
    assert not is_same_word("", words[3])


def test_a_file_cut_between_two_records_and_two_chunks_is_refused() -> None:
    """Nothing of what is left is cut off: only the mark of the last chunk tells."""
    sealer = BackupSealer(SECRET, bytes(32))
    record = encode_record(9, b"x" * (CHUNK_SIZE - 5))
    chunks = [*sealer.add(record), *sealer.add(record), sealer.finish()]
    assert len(chunks) == 2
    opener = BackupOpener(SECRET, sealer.head)
    with pytest.raises(ForgedMessage):
        list(opener.open(chunks[0], is_last=True))
