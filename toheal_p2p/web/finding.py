"""The circle and the member that an address names, and how we stand there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import evolve, frozen
from starlette.requests import Request

from toheal_p2p.app.interface import ActView, AppInterface, CircleView, DeliveryView, MemberView
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.vocabulary import Role
from toheal_p2p.web.alike import alike, told_apart
from toheal_p2p.web.site import Site

MANY_MEMBERS: Final = 16
"""Members above which a circle is told that it is large: three to twelve is what works."""

TWO_FACILITATORS_FROM: Final = 3
"""Members from which a circle with one facilitator is told to choose a second."""


@frozen
class Around:
    """A circle and everybody in it.

    Attributes:
        members: whose name looks like another one is called by it and a short mark.
        twins: the ids of those.
    """

    circle: CircleView
    members: tuple[MemberView, ...]
    twins: frozenset[str] = frozenset()

    @property
    def my_role(self) -> Role | None:
        """What we do in it; None where we are not in it."""
        if self.circle.state != "active":
            return None
        return next((one.role for one in self.members if one.is_me), None)

    @property
    def facilitates(self) -> bool:
        """Say whether we look after it."""
        return self.my_role == "facilitator"

    @property
    def facilitators(self) -> int:
        """Return how many look after it."""
        return sum(one.role == "facilitator" for one in self.members)

    @property
    def wants_a_second(self) -> bool:
        """Say whether one person looks after a circle that is more than two."""
        return self.facilitators == 1 and len(self.members) >= TWO_FACILITATORS_FROM

    @property
    def is_large(self) -> bool:
        """Say whether it is larger than a circle in which everybody is heard."""
        return len(self.members) > MANY_MEMBERS

    @property
    def others(self) -> tuple[MemberView, ...]:
        """Return everybody but us."""
        return tuple(one for one in self.members if not one.is_me)

    def called(self, who: str, name: str) -> str:
        """Return what somebody is called here; by `name` who is not in."""
        return next((one.name for one in self.members if one.id == who), name)

    def member(self, who: str) -> MemberView:
        """Return one member.

        Raises:
            Refused: no_such_member.
        """
        for one in self.members:
            if one.id == who:
                return one
        raise Refused("no_such_member", name=who[:12])


def place_of(relay: str) -> str:
    """Return where a relay is: the part of its address that a person knows again."""
    return relay.removeprefix("toheal-relay://").split("#")[0]


async def circle_of(app: AppInterface, wanted: str) -> CircleView:
    """Return the circle with this id.

    Raises:
        Refused: no_such_circle.
    """
    for circle in await app.circle_list():
        if circle.id == wanted:
            return circle
    raise Refused("no_such_circle", name=wanted[:12])


async def find_circle(site: Site, request: Request) -> CircleView:
    """Return the circle of the address.

    Raises:
        Refused: no_such_circle.
    """
    async with site.house.visit() as app:
        return await circle_of(app, request.path_params["circle"])


async def look_around(site: Site, request: Request) -> Around:
    """Return the circle of the address, with its members.

    Raises:
        Refused: no_such_circle.
    """
    circle = await find_circle(site, request)
    if circle.state == "waiting_at_door":
        return Around(circle, ())
    async with site.house.visit() as app:
        members = await app.circle_members(circle.id)
        twins = alike((one.id, one.name) for one in members)
        return Around(circle, called_apart(members), twins)


def named_apart(act: ActView, members: Sequence[MemberView]) -> ActView:
    """Return an act with the names by which its author and whom it is about are called here."""
    called = {one.id: one.name for one in members}
    return evolve(
        act,
        author_name=called.get(act.author, act.author_name),
        member_name=called.get(act.member or "", act.member_name),
    )


def rows_apart(
    rows: Sequence[DeliveryView], members: Sequence[MemberView]
) -> tuple[DeliveryView, ...]:
    """Return where messages are, by names that tell members apart."""
    called = {one.id: one.name for one in called_apart(members)}
    return tuple(evolve(one, member_name=called.get(one.member, one.member_name)) for one in rows)


def called_apart(members: Sequence[MemberView]) -> tuple[MemberView, ...]:
    """Return the members, those whose names look alike by a name and a mark."""
    called = told_apart([(one.id, one.name) for one in members])
    return tuple(evolve(one, name=called[one.id]) for one in members)
