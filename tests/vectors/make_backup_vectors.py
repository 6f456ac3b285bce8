"""Writes backup.json: words and their secrets, a small backup, and files that must be refused.

Run from the repository's root: `python -m tests.vectors.make_backup_vectors`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.kept import SECRET, sealed_file
from tests.support.parsers_backup import RECORDS
from toheal_protocol.errors import RemoteError
from toheal_protocol.identity import RecoverySecret, parse_recovery_words, recovery_words
from toheal_protocol.machines.backup_records import encode_backup_record

FILE = Path(__file__).parent / "backup.json"

SECRETS = (SECRET, RecoverySecret(bytes(29)), RecoverySecret(b"\xff" * 29))
SALT = bytes(range(32))
LONG = (RECORDS[-1],) * 700


def _words() -> Iterator[dict[str, Any]]:
    for secret in SECRETS:
        for language in ("ar", "en"):
            words = recovery_words(secret, language=language)  # type: ignore[arg-type]
            yield {"secret": secret.hex(), "words": " ".join(words)}


def _typed() -> Iterator[dict[str, Any]]:
    """Words as people type them, and the error they must end in."""
    arabic, english = (recovery_words(SECRET, language=one) for one in ("ar", "en"))
    swapped = (english[1], english[0], *english[2:])
    for why, typed in (
        ("four letters are enough", " ".join(word[:4] for word in english)),
        ("capitals, numbers, commas, lines", _numbered(english).upper()),
        ("both languages", " ".join((*arabic[:12], *english[12:]))),
        ("tatweel and marks", " ".join(word[0] + "ـ" + word[1:] + "\u064f" for word in arabic)),
        ("one too few", " ".join(english[:23])),
        ("one too many", " ".join((*english, english[0]))),
        ("a word of no list", " ".join(("zzzzzz", *english[1:]))),
        ("two changed places", " ".join(swapped)),
        ("nothing", ""),
    ):
        yield {"why": why, "typed": typed, "secret": _secret_of(typed)}


def _numbered(words: tuple[str, ...]) -> str:
    return "".join(f"{place}. {word},\n" for place, word in enumerate(words, 1))


def _secret_of(typed: str) -> str | None:
    try:
        return parse_recovery_words(typed).hex()
    except RemoteError:
        return None


def _files() -> Iterator[dict[str, Any]]:
    """Files that whoever follows the specification must write byte for byte."""
    for why, records in (("a small one", RECORDS), ("two chunks", (*RECORDS, *LONG))):
        file = sealed_file(records, salt=SALT)
        yield {
            "why": why,
            "secret": SECRET.hex(),
            "salt": SALT.hex(),
            "records": [encode_backup_record(record).hex() for record in records[: len(RECORDS)]],
            "last_record_again": len(records) - len(RECORDS),
            "size": len(file),
            "begins": file[:128].hex(),
            "sha256": hashlib.sha256(file).hexdigest(),
        }


def as_text() -> str:
    """Return the file's text."""
    vectors = {
        "specification": "docs/protocol/backup.md",
        "words": list(_words()),
        "typed": list(_typed()),
        "files": list(_files()),
    }
    return json.dumps(vectors, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_text(), encoding="utf-8")
