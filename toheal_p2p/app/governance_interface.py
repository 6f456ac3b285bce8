"""The part of the application's interface that is about what a circle decides about its members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import field, frozen

from toheal_p2p.app.vocabulary import ActKind, ActReason, ActState, Role


@frozen
class ActView:
    """Something done in a circle that everybody sees and that is signed.

    Attributes:
        member, member_name: whom it is about; None where it is about nobody.
        role: the role somebody is to have.
        direct: for a policy, whether members are to connect directly.
        reason, text: why, for a removal and a role.
        supporters: the names of who is for it, its author first.
        waiting_for: the names of who could support it, while it waits.
        facilitators, members: so many facilitators, or so many members, would be enough; 0: no
            number of facilitators is.
    """

    id: str
    kind: ActKind
    author: str
    author_name: str = field(repr=False)
    member: str | None
    member_name: str | None = field(repr=False)
    role: Role | None
    direct: bool | None
    reason: ActReason | None
    text: str = field(repr=False)
    state: ActState
    supporters: tuple[str, ...] = field(repr=False)
    waiting_for: tuple[str, ...] = field(repr=False)
    facilitators: int
    members: int


class GovernanceInterface(Protocol):
    """What can be asked about members. See `interface` for what all of it has in common."""

    async def circle_acts(self, circle: str) -> Sequence[ActView]:
        """Return what was done in the circle, by whom and why, and what became of it; oldest first."""
        ...

    async def circle_remove(
        self, circle: str, who: str, *, reason: ActReason, text: str
    ) -> ActView:
        """Sign that somebody is to be out; whether that is enough is in what comes back.

        Raises:
            Refused: no_such_member, act_on_oneself, act_not_ours, text_too_long.
        """
        ...

    async def circle_role(
        self, circle: str, who: str, role: Role, *, reason: ActReason, text: str
    ) -> ActView:
        """Sign that somebody is to have a role.

        Raises:
            Refused: no_such_member, role_already, act_not_ours, text_too_long.
        """
        ...

    async def circle_second(self, circle: str, act: str) -> ActView:
        """Sign that we support an act that waits; give what became of it.

        Raises:
            Refused: no_such_act, act_not_ours.
        """
        ...

    async def circle_readmit(self, circle: str, who: str) -> None:
        """Take somebody back who was removed: no_such_member, not_a_facilitator, circle_full."""
        ...
