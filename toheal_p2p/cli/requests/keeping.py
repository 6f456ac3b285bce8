"""The request behind `toheal backup`."""

from __future__ import annotations

from typing import ClassVar, Literal

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.cli.requests.base import Give, Request, Word


class Backup(Request, frozen=True):
    """`toheal backup`."""

    path: Word
    language: Literal["ar", "en"]
    changes: ClassVar[bool] = False
    """Ctrl-C leaves no half file behind."""

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give where it is, and its words."""
        await give(await app.backups.make(self.path, language=self.language, report=give))
