"""Requests behind `toheal circle ...`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.cli.requests.base import Give, Request, Word

Seconds = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]


class CircleCreate(Request, frozen=True):
    """`toheal circle create`."""

    name: Word
    relays: Annotated[tuple[Word, ...], msgspec.Meta(max_length=16)]
    direct: bool
    charter: str
    nickname: Word | None
    disappear: Seconds = 7 * 24 * 3600
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the new circle."""
        circle = await app.circle_create(
            self.name,
            relays=self.relays,
            direct=self.direct,
            charter=self.charter,
            nickname=self.nickname,
            disappear=self.disappear,
        )
        await give(circle)


class CircleList(Request, frozen=True):
    """`toheal circle list`."""

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every circle."""
        for circle in await app.circle_list():
            await give(circle)


class CircleMembers(Request, frozen=True):
    """`toheal circle members`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every member."""
        for member in await app.circle_members(self.circle):
            await give(member)


class CircleDisappear(Request, frozen=True):
    """`toheal circle disappear`."""

    circle: Word
    seconds: Seconds
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.circle_disappear(self.circle, self.seconds)


class CircleLeave(Request, frozen=True):
    """`toheal circle leave`."""

    circle: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.circle_leave(self.circle)


class CircleRelays(Request, frozen=True):
    """`toheal circle relays`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every relay of the circle."""
        for relay in await app.circle_relays(self.circle):
            await give(relay)


class CircleRelay(Request, frozen=True):
    """`toheal circle relays` with a change."""

    circle: Word
    address: Word
    change: Literal["add", "remove", "allow"]
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every relay of the circle, as it is afterwards."""
        for relay in await app.circle_relay(self.circle, self.address, change=self.change):
            await give(relay)


class CircleSeen(Request, frozen=True):
    """`toheal circle seen`."""

    circle: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.circle_seen(self.circle)
