"""Requests behind what a circle lives by: its charter and its policy."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.cli.requests.base import Give, Request, Word

Charter = Annotated[str, msgspec.Meta(max_length=8192)]
"""The application says what is too long."""


class CircleCharter(Request, frozen=True):
    """`toheal circle charter`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the charter in force."""
        await give(await app.circle_charter(self.circle))


class CircleCharterSet(Request, frozen=True):
    """`toheal circle charter --set`."""

    circle: Word
    text: Charter
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what became of it."""
        await give(await app.circle_charter_set(self.circle, self.text))


class CircleAccept(Request, frozen=True):
    """`toheal circle accept`."""

    circle: Word
    charter: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the charter with the yes counted."""
        await give(await app.circle_accept(self.circle, self.charter))


class CirclePolicy(Request, frozen=True):
    """`toheal circle policy`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the policy in force."""
        await give(await app.circle_policy(self.circle))


class CirclePolicySet(Request, frozen=True):
    """`toheal circle policy` with a word."""

    circle: Word
    direct: bool
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what became of it."""
        await give(await app.circle_policy_set(self.circle, direct=self.direct))
