"""Backups of an application that has no vault behind it."""

from __future__ import annotations

from typing import Literal

import trio

from toheal_p2p.app.keeping_interface import BackupView
from toheal_p2p.app.progress_view import ProgressView, Report
from toheal_p2p.app.refusals import Refused
from toheal_protocol.identity import RecoverySecret, recovery_words

SECRET = RecoverySecret(bytes(range(29)))


class FakeBackups:
    """Writes a word."""

    async def make(self, path: str, *, language: Literal["ar", "en"], report: Report) -> BackupView:
        if await trio.Path(path).exists():
            raise Refused("backup_there", path=path)
        await report(ProgressView("backing_up", {"count": 1, "all": 2}))
        await trio.Path(path).write_bytes(b"backup")
        return BackupView(path, recovery_words(SECRET, language=language), 2, 6)
