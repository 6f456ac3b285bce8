"""Every case of backup.json, and that its script writes exactly that file."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.support.kept import opened_file
from tests.vectors.make_backup_vectors import FILE, as_text
from toheal_protocol.identity import NoRecoveryWords, RecoverySecret, parse_recovery_words
from toheal_protocol.machines.backup_records import encode_backup_record
from toheal_protocol.messages.backup_file import BackupSealer

VECTORS = json.loads(FILE.read_text(encoding="utf-8"))


def test_the_script_writes_this_file() -> None:
    assert as_text() == FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", VECTORS["words"])
def test_words_stand_for_their_secret(case: dict[str, Any]) -> None:
    assert parse_recovery_words(case["words"]).hex() == case["secret"]


@pytest.mark.parametrize("case", VECTORS["typed"], ids=lambda case: case["why"])
def test_words_as_they_are_typed(case: dict[str, Any]) -> None:
    if case["secret"] is None:
        with pytest.raises(NoRecoveryWords):
            parse_recovery_words(case["typed"])
    else:
        assert parse_recovery_words(case["typed"]).hex() == case["secret"]


@pytest.mark.parametrize("case", VECTORS["files"], ids=lambda case: case["why"])
def test_a_file_is_written_byte_for_byte_and_read_again(case: dict[str, Any]) -> None:
    sealer = BackupSealer(
        RecoverySecret(bytes.fromhex(case["secret"])), bytes.fromhex(case["salt"])
    )
    records = [bytes.fromhex(record) for record in case["records"]]
    records += records[-1:] * case["last_record_again"]
    chunks = [chunk for record in records for chunk in sealer.add(record)]
    file = b"".join((sealer.head, *chunks, sealer.finish()))
    assert (len(file), file[:128].hex()) == (case["size"], case["begins"])
    assert hashlib.sha256(file).hexdigest() == case["sha256"]
    assert [encode_backup_record(record) for record in opened_file(file)] == records
