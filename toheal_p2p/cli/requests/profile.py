"""Requests about the profile as a whole."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.cli.requests.base import Give, Request


class Doctor(Request, frozen=True):
    """`toheal doctor`."""

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every finding."""
        for check in await app.doctor():
            await give(check)


@frozen
class LeftHereView:
    """For how many members something had not left this device when it was locked."""

    members: int


class Lock(Request, frozen=True):
    """`toheal lock`."""

    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give for how many something stays here, if it does."""
        left = await app.drain()
        if left:
            await give(LeftHereView(left))
        await app.lock(is_drained=True)


class Wipe(Request, frozen=True):
    """`toheal wipe`."""

    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.wipe()
