"""Backups as the doors see them.

Docs: docs/command-line.md, section 3.
"""

from __future__ import annotations

from typing import Literal, Protocol

from attrs import field, frozen

from toheal_p2p.app.progress_view import Report


@frozen
class BackupView:
    """A backup that was made. Its words are shown once and kept nowhere."""

    path: str = field(repr=False)
    words: tuple[str, ...] = field(repr=False)
    messages: int
    size: int


class KeepingInterface(Protocol):
    """Making a backup. Bringing one back is done where no profile is (`app.restoring`)."""

    async def make(self, path: str, *, language: Literal["ar", "en"], report: Report) -> BackupView:
        """Write everything into a new file, and draw the words that open it.

        Raises:
            Refused: backup_there, cannot_write_file, disk_full, storage_failed.
        """
        ...
