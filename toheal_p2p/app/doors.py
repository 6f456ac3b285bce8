"""The door, for the doors of the program: seats on offer and what became of them, who waits, yes and no.

Docs: docs/command-line.md, section 4; docs/protocol/circle.md, section 9.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from toheal_p2p.app import interface as views
from toheal_p2p.app import showing
from toheal_p2p.app.names import find
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.rules import Rules
from toheal_p2p.app.running import (
    RunningCircle,
    open_seats,
    require_facilitated,
    require_relay,
    require_room,
)
from toheal_p2p.app.spoken import SpokenCodes
from toheal_p2p.app.vocabulary import SeatState
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.state import Cold, Invitation, Seat, Standing
from toheal_protocol.model import WallTime

_AT_DOOR: Final = (Standing.AT_DOOR, Standing.WAITING)
_CAME_IN: Final = (Standing.EXPECTED, Standing.MEMBER, Standing.GONE)

_STATES: Final[dict[Seat, SeatState]] = {
    Seat.OPEN: "open",
    Seat.USED: "used",
    Seat.WITHDRAWN: "withdrawn",
    Seat.EXPIRED: "expired",
}


class Doors(Rules):
    """What an application offers of this. It is part of `Application`, which has the circles."""

    wall_clock: Callable[[], WallTime]
    spoken: SpokenCodes

    async def invite(self, circle: str, *, expires_in: int) -> views.InvitationView:
        """Offer one seat."""
        return await self._offer(require_relay(self._inviting(circle)), expires_in)

    async def _offer_seat(self, circle: str, *, expires_in: int) -> views.InvitationView:
        """Offer one seat; without any relay it can only be handed over in the room."""
        return await self._offer(self._inviting(circle), expires_in)

    async def _offer(self, running: RunningCircle, expires_in: int) -> views.InvitationView:
        cold = running.service.circle.cold
        relay = next(filter(running.is_up, cold.relays), next(iter(cold.relays), None))
        told = await self._decide(running, machine.Invited(expires_in, relay))
        link = next(e.text for e in told if isinstance(e, machine.Tell) and e.text)
        offered = map(showing.invitation_view, running.service.circle.cold.invitations)
        return next(view for view in offered if view.link == link)  # others may be asked for, too

    async def invitations(self, circle: str) -> Sequence[views.InvitationView]:
        """Return the seats on offer."""
        cold = self._find(circle).service.circle.cold
        return [showing.invitation_view(one) for one in open_seats(cold, self.wall_clock())]

    async def seats(self, circle: str) -> Sequence[views.SeatView]:
        """Return every seat this device ever offered in the circle, and what became of it."""
        cold = self._find(circle).service.circle.cold
        return [_seat_view(cold, one, self.wall_clock()) for one in cold.invitations]

    async def withdraw_invitation(self, circle: str, invitation: str) -> None:
        """Take an offered seat back, or a spoken code."""
        running = self._find(circle)
        cold = running.service.circle.cold
        if not self.spoken.withdraw(cold.id, invitation):
            candidates = [(one.id, one.id.hex(), one) for one in open_seats(cold)]
            wanted = find(invitation, candidates, missing="no_such_invitation")
            await self._decide(running, machine.InvitationWithdrawn(wanted.id))

    async def waiting(self, circle: str) -> Sequence[views.WaitingView]:
        """Return who stands at the door."""
        return showing.waiting_views(self._find(circle).service.circle.cold)

    async def admit(self, circle: str, who: str) -> None:
        """Let somebody in."""
        running = require_room(require_facilitated(self._find(circle)))
        await self._decide(running, machine.Admitted(running.at_door(who)))

    async def decline(self, circle: str, who: str) -> None:
        """Keep the door closed to somebody."""
        running = require_facilitated(self._find(circle))
        await self._decide(running, machine.Refused(running.at_door(who)))

    def _inviting(self, circle: str) -> RunningCircle:
        running = require_room(require_facilitated(self._find(circle)))
        if running.service.circle.cold.for_talk:
            raise Refused("talk_is_for_two")
        return running


def _seat_view(cold: Cold, invitation: Invitation, now: WallTime) -> views.SeatView:
    came = [
        (showing.name_of(cold, member), peer.standing)
        for member, peer in cold.peers.items()
        if peer.invitation == invitation.id
    ]
    is_over = invitation.seat is Seat.OPEN and invitation.expires <= now
    return views.SeatView(
        id=invitation.id.hex(),
        state="expired" if is_over else _STATES[invitation.seat],
        expires_at=invitation.expires,
        used_by=next((name for name, standing in came if standing in _CAME_IN), None),
        at_door=tuple(name for name, standing in came if standing in _AT_DOOR),
    )
