"""Requests behind `toheal bundle ...`."""

from __future__ import annotations

from typing import ClassVar

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.cli.requests.base import Give, Request, Word


class BundleExport(Request, frozen=True):
    """`toheal bundle export`."""

    circle: Word
    who: Word
    path: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what was written."""
        await give(await app.bundles.make(self.circle, self.who, self.path, report=give))


class BundleImport(Request, frozen=True):
    """`toheal bundle import`."""

    path: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give whose it was."""
        await give(await app.bundles.take(self.path, report=give))
