"""Keeping: everything of a profile in one file, under words that are drawn for it.

Spec: docs/protocol/backup.md.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, cast

import trio
from attrs import define, evolve, field

from toheal_p2p.adapters.vault import sync_folder
from toheal_p2p.app.keeping_interface import BackupView
from toheal_p2p.app.passing import PART, noted_part
from toheal_p2p.app.progress_view import ProgressView, Report
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.vault_refusals import refusal
from toheal_p2p.ports.vault import Snapshot, Vault, VaultError
from toheal_p2p.services.committer import Committer, VaultFailed
from toheal_protocol.crypto import Entropy
from toheal_protocol.identity import draw_recovery_secret, recovery_words
from toheal_protocol.machines.backup_records import About, BackupRecord, encode_backup_record
from toheal_protocol.machines.keeping import kept_cold
from toheal_protocol.machines.records import KeptEntry, PutAges, PutCircle, PutSetting, Write
from toheal_protocol.machines.storing import decode_cold, encode_cold
from toheal_protocol.messages.backup_file import SALT_SIZE, BackupSealer
from toheal_protocol.model import CircleId, WallTime

REPORT_EVERY: Final = 1024
"""Messages after which it is told how far it has come."""

_NOT_TO_BE_SYNCED: Final = frozenset((errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP))
"""What a system says that cannot write this folder's names out just now: then it does so by itself, later."""


@define(eq=False)
class Backups:
    """Fulfils `KeepingInterface`."""

    home: Path
    vault: Vault
    committer: Committer
    entropy: Entropy
    wall_clock: Callable[[], WallTime]

    async def make(self, path: str, *, language: Literal["ar", "en"], report: Report) -> BackupView:
        """Write everything into a new file."""
        if await trio.to_thread.run_sync(os.path.lexists, path):
            raise Refused("backup_there", path=path)
        secret = draw_recovery_secret(self.entropy)
        sealer = BackupSealer(secret, self.entropy.draw(SALT_SIZE))
        part = f"{path}.{self.entropy.draw(4).hex()}{PART}"  # it is nobody else's
        try:
            await self.committer.flushed()
            async with self.vault.snapshot() as snapshot:
                about = About(self.wall_clock(), await snapshot.count())
                with noted_part(self.home, part):
                    size = await self._write_file(part, sealer, snapshot, about, report)
                    await trio.to_thread.run_sync(_put_in_place, part, path)
        except (VaultError, VaultFailed) as failed:
            _remove(part)
            raise refusal(failed.reason if isinstance(failed, VaultFailed) else failed) from None
        except OSError:
            _remove(part)
            raise Refused("cannot_write_file", path=path) from None
        except BaseException:
            _remove(part)
            raise
        return BackupView(path, recovery_words(secret, language=language), about.messages, size)

    async def _write_file(
        self, part: str, sealer: BackupSealer, snapshot: Snapshot, about: About, report: Report
    ) -> int:
        """Write the file under its name of the way, through to the disk; return its size."""
        with await trio.to_thread.run_sync(_begin, part) as file:
            await _write(file, sealer.head)
            await _write(file, *sealer.add(encode_backup_record(about)))
            await self._write_all(file, sealer, snapshot, about, report)
            await _write(file, sealer.finish())
            return await trio.to_thread.run_sync(_sync, file)

    async def _write_all(
        self,
        file: BinaryIO,
        sealer: BackupSealer,
        snapshot: Snapshot,
        about: About,
        report: Report,
    ) -> None:
        done, sieve = 0, _Sieve()
        async for some in snapshot.records():
            chunks: list[bytes] = []
            for record in sieve.keep(some):
                chunks += sealer.add(encode_backup_record(record))
            await _write(file, *chunks)
            before, done = done, done + sum(isinstance(one, KeptEntry) for one in some)
            if done // REPORT_EVERY > before // REPORT_EVERY:
                await report(ProgressView("backing_up", {"count": done, "all": about.messages}))


@define
class _Sieve:
    """Lets through what a backup has: circles as far as they are kept, and what belongs to those."""

    _kept: set[CircleId] = field(factory=set)

    def keep(self, writes: Iterable[Write]) -> Iterable[BackupRecord]:
        for write in writes:
            if isinstance(write, PutCircle):
                cold = kept_cold(decode_cold(write.blob))
                if cold is not None:
                    self._kept.add(write.circle)
                    yield evolve(write, blob=encode_cold(cold))
            elif isinstance(write, PutSetting | PutAges) or self._circle_of(write) in self._kept:
                yield cast("BackupRecord", write)

    def _circle_of(self, write: Any) -> CircleId:  # every other record of a snapshot has one
        return (write.entry if isinstance(write, KeptEntry) else write).circle


async def _write(file: BinaryIO, *pieces: bytes) -> None:
    if pieces:
        await trio.to_thread.run_sync(file.writelines, pieces)


def _begin(part: str) -> BinaryIO:
    """Make the file, for its owner only."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    return open(os.open(part, flags, mode=0o600), "wb")


def _sync(file: BinaryIO) -> int:
    file.flush()
    os.fsync(file.fileno())
    return file.tell()


def _put_in_place(part: str, path: str) -> None:
    """Give the file its name, through to the disk; one that came meanwhile is not written over."""
    if os.path.lexists(path):
        raise FileExistsError
    os.replace(part, path)
    try:
        sync_folder(Path(path).parent)
    except OSError as error:
        if error.errno not in _NOT_TO_BE_SYNCED:
            _remove(path)
            raise


def _remove(part: str) -> None:
    with suppress(OSError):
        os.unlink(part)
