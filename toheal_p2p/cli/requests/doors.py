"""Requests of the door: offering seats, knocking, letting in."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.cli.requests.base import Give, Request, Word

Seconds = Annotated[int, msgspec.Meta(ge=1, le=14 * 86_400)]


class Invite(Request, frozen=True):
    """`toheal invite`."""

    circle: Word
    expires_in: Seconds
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the invitation."""
        await give(await app.invite(self.circle, expires_in=self.expires_in))


class Invitations(Request, frozen=True):
    """`toheal invitations`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every open invitation."""
        for invitation in await app.invitations(self.circle):
            await give(invitation)


class Seats(Request, frozen=True):
    """`toheal invitations --all`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every seat, whatever became of it."""
        for seat in await app.seats(self.circle):
            await give(seat)


class Withdraw(Request, frozen=True):
    """`toheal withdraw`."""

    circle: Word
    invitation: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.withdraw_invitation(self.circle, self.invitation)


class LookAtInvitation(Request, frozen=True):
    """The first half of `toheal join`."""

    link: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what the invitation says."""
        await give(await app.look_at_invitation(self.link, report=give))


class Join(Request, frozen=True):
    """The second half of `toheal join`: the charter was accepted."""

    link: Word
    nickname: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the circle at whose door we now stand."""
        await give(await app.join(self.link, nickname=self.nickname))


class Waiting(Request, frozen=True):
    """`toheal waiting`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give everybody at the door."""
        for person in await app.waiting(self.circle):
            await give(person)


class Admit(Request, frozen=True):
    """`toheal admit`."""

    circle: Word
    who: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.admit(self.circle, self.who)


class Decline(Request, frozen=True):
    """`toheal decline`."""

    circle: Word
    who: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.decline(self.circle, self.who)
