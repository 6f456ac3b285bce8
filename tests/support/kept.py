"""A person's disk as a backup, and the disk that a backup gives: through the real file format."""

from __future__ import annotations

import random
from collections.abc import Iterable

from tests.support.disk import Disk
from tests.support.world import Person, World
from toheal_protocol.identity import RecoverySecret
from toheal_protocol.machines import events as m
from toheal_protocol.machines.backup_records import (
    About,
    BackupRecord,
    decode_backup_record,
    encode_backup_record,
)
from toheal_protocol.machines.keeping import kept_cold
from toheal_protocol.machines.records import (
    KeptEntry,
    PutCircle,
    PutHeld,
    PutLog,
    PutOwed,
    PutPair,
)
from toheal_protocol.machines.storing import decode_cold, encode_cold
from toheal_protocol.messages.backup_file import (
    HEAD_SIZE,
    SEALED_CHUNK_SIZE,
    BackupOpener,
    BackupSealer,
)
from toheal_protocol.model import WallTime

SECRET = RecoverySecret(bytes(range(100, 129)))


def sealed_file(
    records: Iterable[BackupRecord], *, secret: RecoverySecret = SECRET, salt: bytes = bytes(32)
) -> bytes:
    """Return the file of these records."""
    sealer = BackupSealer(secret, salt)
    pieces = [sealer.head]
    for record in records:
        pieces += sealer.add(encode_backup_record(record))
    return b"".join((*pieces, sealer.finish()))


def opened_file(file: bytes, *, secret: RecoverySecret = SECRET) -> list[BackupRecord]:
    """Return the records of a file."""
    opener = BackupOpener(secret, file[:HEAD_SIZE])
    chunks = [
        file[at : at + SEALED_CHUNK_SIZE]
        for at in range(HEAD_SIZE, max(len(file), HEAD_SIZE + 1), SEALED_CHUNK_SIZE)
    ]
    return [
        decode_backup_record(kind, body)
        for place, chunk in enumerate(chunks, 1)
        for kind, body in opener.open(chunk, is_last=place == len(chunks))
    ]


def backup_of(disk: Disk) -> bytes:
    """Return the file of everything on a disk."""
    cold = kept_cold(decode_cold(disk.blobs["cold"]))
    assert cold is not None
    circle = cold.id
    records: list[BackupRecord] = [
        About(WallTime(1), len(disk.entries)),
        PutCircle(circle, encode_cold(cold)),
    ]
    if "log" in disk.blobs:
        records.append(PutLog(circle, disk.blobs["log"]))
    records += [PutPair(circle, member, blob) for member, blob in disk.pairs.items()]
    records += [PutHeld(circle, mid, blob) for mid, blob in disk.held.items()]
    records += [KeptEntry(entry, 0, None) for entry in disk.entries.values()]
    records += [
        PutOwed(circle, member, row.seq, row.mid, row.item, row.frame)
        for member, rows in disk.owed.items()
        for row in rows.values()
    ]
    return sealed_file(records, salt=random.Random(len(disk.entries)).randbytes(32))


def disk_of(file: bytes) -> Disk:
    """Return the disk that a backup gives."""
    disk = Disk()
    for record in opened_file(file):
        match record:
            case About():
                pass
            case KeptEntry(entry):
                disk.apply((entry,))
            case _:
                disk.apply((record,))
    return disk


def restore(world: World, person: Person, file: bytes) -> None:
    """The device is lost; another one gets what the backup has, and is told so at its start."""
    world.kill(person)
    person.disk = disk_of(file)
    world.start(person)
    person.feed(m.Restored())
