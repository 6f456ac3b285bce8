"""Requests behind `toheal settings ...`."""

from __future__ import annotations

from typing import ClassVar

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.cli.requests.base import Give, Request, Word


class SettingsList(Request, frozen=True):
    """`toheal settings`."""

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every setting."""
        for setting in await app.settings.list():
            await give(setting)


class SettingsGet(Request, frozen=True):
    """`toheal settings get`."""

    name: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give one setting."""
        await give(await app.settings.get(self.name))


class SettingsSet(Request, frozen=True):
    """`toheal settings set`."""

    name: Word
    value: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the setting as it is now."""
        await give(await app.settings.set(self.name, self.value))
