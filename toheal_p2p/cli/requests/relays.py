"""Requests behind `toheal relay ...`."""

from __future__ import annotations

from typing import ClassVar

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.cli.requests.base import Give, Request, Word


class RelayAdd(Request, frozen=True):
    """`toheal relay add`."""

    address: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.relay_add(self.address)


class RelayList(Request, frozen=True):
    """`toheal relay list`."""

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every relay of the profile."""
        for relay in await app.relay_list():
            await give(relay)


class RelayRemove(Request, frozen=True):
    """`toheal relay remove`."""

    address: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.relay_remove(self.address)
