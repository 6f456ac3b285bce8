"""What a circle lives by, as its doors see it: the charter, and the policy. Plain, as in `interface`."""

from __future__ import annotations

from typing import Protocol

from attrs import field, frozen

from toheal_p2p.app.act_view import ActView


@frozen
class CharterView:
    """The charter in force.

    Attributes:
        id: what an acceptance names, so that nobody says yes to another text than they read.
        text: empty where it has not come yet.
        mine: whether we have said yes to it.
        accepted, open: the names of the members who have, and of those who have not.
    """

    id: str
    text: str = field(repr=False)
    mine: bool
    accepted: tuple[str, ...] = field(repr=False)
    open: tuple[str, ...] = field(repr=False)


@frozen
class PolicyView:
    """How the circle's members connect.

    Attributes:
        direct: they see each other's network address.
        waiting: what is proposed and waits; whose yes is missing is in `waiting_for`.
    """

    direct: bool
    waiting: tuple[ActView, ...] = ()


class RulesInterface(Protocol):
    """What an application offers of this."""

    async def circle_charter(self, circle: str) -> CharterView:
        """Return the charter in force, and who has said yes to it."""
        ...

    async def circle_charter_set(self, circle: str, text: str) -> ActView:
        """Sign that the circle is to have another charter; what became of it is in what comes back.

        Raises:
            Refused: charter_empty, charter_too_long, charter_already.
        """
        ...

    async def circle_accept(self, circle: str, charter: str) -> CharterView:
        """Say yes to the charter with this id; a second yes changes nothing.

        Raises:
            Refused: charter_changed_again, charter_not_here.
        """
        ...

    async def circle_policy(self, circle: str) -> PolicyView:
        """Return how members connect, and what is proposed."""
        ...

    async def circle_policy_set(self, circle: str, *, direct: bool) -> ActView:
        """Sign that members are to connect otherwise; it takes everybody. Refused: policy_already."""
        ...
