"""A backup's file: records in, sealed chunks out, and the way back.

```
file   = 01 || salt[32] || chunk..
record = kind[1] || length[4] || body
```
Both directions go chunk by chunk, so that a vault of any size takes little memory.

Spec: docs/protocol/backup.md, sections 2 and 3. Vectors: tests/vectors/backup.json.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from toheal_protocol.crypto import NONCE_SIZE, TAG_SIZE, SealKey, open_sealed, prf, seal
from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.identity import RecoverySecret
from toheal_protocol.wire.codec import prefixed, u8, u64

BACKUP_VERSION: Final = 1

SALT_SIZE: Final = 32
"""Bytes drawn for each file, so that a secret that is used twice still gives another key."""

HEAD_SIZE: Final = 1 + SALT_SIZE
"""Bytes before the first chunk."""

CHUNK_SIZE: Final = 64 * 1024
"""Bytes of records in a chunk: little to hold, and few seals for a large vault."""

SEALED_CHUNK_SIZE: Final = CHUNK_SIZE + TAG_SIZE

MAX_RECORD_SIZE: Final = 16 * 1024 * 1024
"""Bytes of one record: 1024 operations of 4 kB each, and a circle's members."""

_RECORD_HEAD: Final = 5
_NOTHING: Final = 0


def encode_record(kind: int, body: bytes) -> bytes:
    """Write one record."""
    if len(body) > MAX_RECORD_SIZE or kind == _NOTHING:
        raise LocalError("no record of a backup")
    return u8(kind) + prefixed(body)


class BackupSealer:
    """Turns records into a file. Each is made for one file, with a salt drawn for it."""

    def __init__(self, secret: RecoverySecret, salt: bytes) -> None:
        if len(salt) != SALT_SIZE:
            raise LocalError("a salt has 32 bytes")
        self.head: Final = u8(BACKUP_VERSION) + salt
        self._key = _key(secret, self.head)
        self._number = 0
        self._rest = bytearray()
        self._is_over = False

    def add(self, record: bytes) -> Iterator[bytes]:
        """Take one record; give the chunks that are full. Call it to its end."""
        self._rest += record
        while len(self._rest) > CHUNK_SIZE:  # never the last one: it must be marked
            plain = bytes(self._rest[:CHUNK_SIZE])
            del self._rest[:CHUNK_SIZE]
            yield self._seal(plain, is_last=False)

    def finish(self) -> bytes:
        """Return the last chunk."""
        return self._seal(bytes(self._rest).ljust(CHUNK_SIZE, b"\0"), is_last=True)

    def _seal(self, plain: bytes, *, is_last: bool) -> bytes:
        if self._is_over:
            raise LocalError("a backup that was finished")
        self._is_over = is_last
        self._number += 1
        return seal(self._key, _nonce(self._number - 1, is_last=is_last), plain)


class BackupOpener:
    """Turns a file's chunks into records again."""

    def __init__(self, secret: RecoverySecret, head: bytes) -> None:
        """Begin with the first `HEAD_SIZE` bytes.

        Raises:
            MalformedFrame: no backup, or one of another version.
        """
        if len(head) != HEAD_SIZE or head[0] != BACKUP_VERSION:
            raise MalformedFrame("no backup of this version")
        self._key = _key(secret, head)
        self._number = 0
        self._rest = bytearray()

    def open(self, chunk: bytes, *, is_last: bool) -> Iterator[tuple[int, bytes]]:
        """Open the next chunk; give the records that are whole. Call it to its end.

        Raises:
            ForgedMessage: other words, another file, or changed bytes.
            MalformedFrame: not the layout.
        """
        if len(chunk) != SEALED_CHUNK_SIZE:
            raise MalformedFrame("a chunk that was cut off")
        self._rest += open_sealed(self._key, _nonce(self._number, is_last=is_last), chunk)
        self._number += 1
        at = 0
        while (end := self._end_of_record(at)) is not None:
            yield self._rest[at], bytes(self._rest[at + _RECORD_HEAD : end])
            at = end
        del self._rest[:at]
        if is_last and any(self._rest):
            raise MalformedFrame("a record that was cut off")

    def _end_of_record(self, at: int) -> int | None:
        """Return where the record that begins here ends, if it is here as a whole."""
        if len(self._rest) - at < _RECORD_HEAD or self._rest[at] == _NOTHING:
            return None
        size = int.from_bytes(self._rest[at + 1 : at + _RECORD_HEAD], "big")
        if size > MAX_RECORD_SIZE:
            raise MalformedFrame("a record above the limit")
        end = at + _RECORD_HEAD + size
        return end if end <= len(self._rest) else None


def _key(secret: RecoverySecret, head: bytes) -> SealKey:
    return SealKey(prf(secret, "th1/backup", head))


def _nonce(number: int, *, is_last: bool) -> bytes:
    return (u8(is_last) + u64(number)).rjust(NONCE_SIZE, b"\0")
