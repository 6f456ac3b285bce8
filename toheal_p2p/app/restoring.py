"""Restoring: a profile out of a backup, as a new vault under a new passphrase.

It is made in a folder beside the profile's and put in its place at the end: after a crash there
is a whole profile or none.

Spec: docs/protocol/backup.md, section 6.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

import trio
from attrs import define, field

from toheal_p2p.adapters.entropy import SystemEntropy
from toheal_p2p.adapters.vault import create_vault, open_vault, sync_folder, wipe_vault
from toheal_p2p.app.erasing import folder_beside
from toheal_p2p.app.house import Told
from toheal_p2p.app.look import Look, write_look
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.running import RunningCircle
from toheal_p2p.app.vault_refusals import refusal
from toheal_p2p.ports import vault as ports
from toheal_p2p.services.committer import Committer
from toheal_protocol.errors import ForgedMessage, RemoteError
from toheal_protocol.identity import NoRecoveryWords, RecoverySecret, parse_recovery_words
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.backup_records import (
    About,
    BackupRecord,
    decode_backup_record,
)
from toheal_protocol.machines.records import (
    KeptEntry,
    PutAges,
    PutCircle,
    PutSetting,
    Write,
)
from toheal_protocol.messages.backup_file import HEAD_SIZE, SEALED_CHUNK_SIZE, BackupOpener
from toheal_protocol.model import CircleId

RESTORED: Final = "restored"
"""The setting that says that the circles do not know yet that they came out of a backup."""

_AT_ONCE: Final = 256
"""Records in a transaction."""


def restore_profile(
    home: Path, path: str, *, words: str, passphrase: str, told: Told = lambda _done, _all: None
) -> None:
    """Make the profile that a backup has. Blocks, so call it in a thread.

    Raises:
        Refused: recovery_words_count, recovery_word_unknown, recovery_words_unfit: of the words
            themselves; backup_closed: they do not open this file; backup_unknown: it is none, or
            its bytes were changed; cannot_read_file; and those of making a profile.
    """
    secret = read_words(words)
    if not passphrase:
        raise Refused("passphrase_empty")
    beside = folder_beside(home)
    try:
        with open(path, "rb") as file:
            records = _records(file, secret)
            first = next(records)  # with other words nothing is made at all
            if not isinstance(first, About):
                raise Refused("backup_unknown")
            _refuse_profile(home)
            wipe_vault(beside)
            try:
                create_vault(beside, passphrase, entropy=SystemEntropy())
                trio.run(_fill, beside, passphrase, records, first, told)
                _put_in_place(beside, home)
            except BaseException:  # whatever it was: half a profile is of no use
                wipe_vault(beside)
                raise
    except ports.VaultError as reason:
        raise refusal(reason) from None
    except (OSError, ValueError):
        raise Refused("cannot_read_file", path=path) from None


def read_words(typed: str) -> RecoverySecret:
    """Read the words a person typed, or say what is wrong with them.

    Raises:
        Refused: recovery_words_count, recovery_word_unknown, recovery_words_unfit.
    """
    try:
        return parse_recovery_words(typed)
    except NoRecoveryWords as problem:
        if problem.place:
            raise Refused("recovery_word_unknown", place=problem.place) from None
        if problem.is_whole:
            raise Refused("recovery_words_unfit") from None
        raise Refused("recovery_words_count") from None


async def begin_restored(
    stored: Mapping[str, bytes], circles: Iterable[RunningCircle], committer: Committer
) -> None:
    """Tell circles that just came out of a backup so; nothing happens at any later start."""
    if not stored.get(RESTORED):
        return
    for running in circles:
        running.service.take(machine.Restored())
    committer.submit([PutSetting(RESTORED, b"")])
    await committer.flushed()


async def _fill(
    home: Path, passphrase: str, records: Iterator[BackupRecord], about: About, told: Told
) -> None:
    vault = await open_vault(home, passphrase, entropy=SystemEntropy())
    try:
        check, done = _Check(), 0
        some: list[Write] = [PutSetting(RESTORED, b"1")]
        for record in records:
            some.append(check.take(record))
            if len(some) >= _AT_ONCE:
                await vault.commit(some)
                done += sum(isinstance(one, KeptEntry) for one in some)
                told(done, about.messages)
                some = []
        await vault.commit(some)
        _write_look(home, (await vault.load()).settings)
    finally:
        with trio.CancelScope(shield=True):
            await vault.aclose()


@define
class _Check:
    """Refuses records in another order than that of a backup."""

    _circles: set[CircleId] = field(factory=set)

    def take(self, record: BackupRecord) -> Write:
        match record:
            case About():
                raise Refused("backup_unknown")
            case PutSetting() | PutAges():
                return record
            case PutCircle(circle):
                self._circles.add(circle)
            case KeptEntry(entry):
                self._require(entry.circle)
            case _:
                self._require(record.circle)
        return record

    def _require(self, circle: CircleId) -> None:
        if circle not in self._circles:
            raise Refused("backup_unknown")


def _records(file: BinaryIO, secret: RecoverySecret) -> Iterator[BackupRecord]:
    """Read a file to its end, a chunk at a time.

    Raises:
        Refused: backup_unknown, backup_closed.
    """
    try:
        opener = BackupOpener(secret, file.read(HEAD_SIZE))
        chunk, number = file.read(SEALED_CHUNK_SIZE), 0
        while True:
            after = file.read(SEALED_CHUNK_SIZE)
            for kind, body in opener.open(chunk, is_last=not after):
                yield decode_backup_record(kind, body)
            if not after:
                return
            chunk, number = after, number + 1
    except ForgedMessage:
        raise Refused("backup_unknown" if number else "backup_closed") from None
    except RemoteError:
        raise Refused("backup_unknown") from None


def _refuse_profile(home: Path) -> None:
    if home.exists() and any(home.iterdir()):
        raise Refused("profile_exists" if (home / "keyring").exists() else "folder_taken")


def _put_in_place(beside: Path, home: Path) -> None:
    if home.exists():
        home.rmdir()  # empty, or it is not ours
    os.replace(beside, home)
    with suppress(OSError):  # the profile is there; if power fails, so is the backup
        sync_folder(home.parent)


def _write_look(home: Path, settings: Mapping[str, bytes]) -> None:
    """Let the commands and the locked page know what the settings have of it."""
    named = {name: settings.get(f"setting.{name}", b"").decode() or None for name in Look._fields}
    if named["neutral"] == "on":
        named["country"] = None
    write_look(str(home), Look(**named))
