"""A room in the world of `tests.support.world`: who is in it recognises whom, and over which wire.

Recognition uses the pair keys of the real core, so only those who share one find each other. Wires keep
their order; what is on one when somebody leaves is gone, and the other side notices later.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations, count
from typing import TYPE_CHECKING

from attrs import define, field

from toheal_protocol.machines import events as m
from toheal_protocol.machines.lan_keys import KnownPeer, known_peers, our_name
from toheal_protocol.machines.state import Stage
from toheal_protocol.model import MemberId

if TYPE_CHECKING:
    from tests.support.world import Person, World

LOOK_EVERY = 5.0
"""Seconds between looks around: who was introduced meanwhile is recognised then."""

NOTICED_AFTER = 10.0
"""Seconds at most until the other side notices that somebody left."""


@define(eq=False)
class Room:
    """Who is in the room with "meet here" open."""

    world: World
    people: list[Person] = field(factory=list)
    wires: dict[tuple[int, MemberId], int] = field(factory=dict)
    unnamed: dict[int, bytes] = field(factory=dict)
    """Wires that lead to nobody yet, on the side of the door, and the invitation shown."""
    carried: int = 0
    _numbers: count = field(factory=lambda: count(1))  # type: ignore[type-arg]
    _is_looking: bool = False

    def enter(self, person: Person) -> None:
        if person not in self.people:
            self.people.append(person)
        self.world._later(0.1, self._look)
        if not self._is_looking:
            self._is_looking = True
            self.world._later(LOOK_EVERY, self._look_again)

    def leave(self, person: Person) -> None:
        """Out of the room, between one step and the next."""
        if person in self.people:
            self.people.remove(person)
        for owner, member in list(self.wires):
            if owner == id(person):
                self.cut(person, member)

    def has_wire(self, person: Person, other: Person) -> bool:
        return (id(person), other.id) in self.wires

    def send(self, person: Person, member: MemberId, frames: tuple[bytes, ...]) -> bool:
        number, other = self.wires.get((id(person), member)), self.world._other(person, member)
        if number is None or other is None:
            return False

        def arrive() -> None:
            ends = {self.wires.get((id(person), member)), self.wires.get((id(other), person.id))}
            if ends == {number} and other.is_running:
                self.carried += len(frames)
                other.feed(self._arrived(person, other, number, frames))

        self.world._later(0.005, arrive)  # a wire keeps its order
        return True

    def _arrived(
        self, person: Person, other: Person, number: int, frames: tuple[bytes, ...]
    ) -> m.Event:
        if number in self.unnamed and self._is_host(other):
            return m.LanKnocked(self.unnamed[number], number, frames)
        return m.LanArrived(person.id, frames)

    @staticmethod
    def _is_host(person: Person) -> bool:
        assert person.circle is not None
        return person.circle.cold.stage is Stage.ACTIVE

    def name(self, person: Person, number: int, member: MemberId) -> None:
        """Somebody at the door said who they are."""
        self.unnamed.pop(number, None)
        if self.wires.get((id(person), member)) != number:
            person.feed(m.LanParted(member, number))

    def cut(self, person: Person, member: MemberId) -> None:
        """The wire breaks; what was on its way is gone."""
        number, other = (
            self.wires.pop((id(person), member), None),
            self.world._other(person, member),
        )
        if number is None:
            return
        if other is not None:
            notice = partial(self._notice, other, person.id, number, other.run)
            self.world._later(self.world.chance.uniform(0, NOTICED_AFTER), notice)
        if person.is_running:
            person.feed(m.LanParted(member, number))

    def close(self, person: Person, member: MemberId, number: int) -> None:
        if self.wires.get((id(person), member)) == number:
            self.cut(person, member)

    def _notice(self, person: Person, member: MemberId, number: int, run: int) -> None:
        if self.wires.get((id(person), member)) == number:
            del self.wires[(id(person), member)]
            if person.run == run:
                person.feed(m.LanParted(member, number))

    def _look_again(self) -> None:
        self._is_looking = bool(self.people)
        if self._is_looking:
            self._look()
            self.world._later(LOOK_EVERY, self._look_again)

    def _look(self) -> None:
        for one, other in combinations([p for p in self.people if p.is_running], 2):
            if not self.has_wire(one, other) and not self.has_wire(other, one):
                self._recognise(one, other)

    def _recognise(self, one: Person, other: Person) -> None:
        assert one.circle is not None
        assert other.circle is not None
        if one.circle.cold.id != other.circle.cold.id:
            return
        theirs = {known.key: known for known in _who_knows(other, one)}
        both = [
            (known, theirs[known.key]) for known in _who_knows(one, other) if known.key in theirs
        ]
        if not both:
            return
        number = next(self._numbers)
        self.wires[(id(one), other.id)] = self.wires[(id(other), one.id)] = number
        for person, known, them in ((one, both[0][0], other), (other, both[0][1], one)):
            if known.invitation:
                self.unnamed[number] = known.invitation
            else:
                person.feed(m.LanMet(them.id, number))


def _who_knows(person: Person, other: Person) -> list[KnownPeer]:
    """Return by which keys one recognises the other."""
    assert person.circle is not None
    assert other.circle is not None
    name = our_name(other.circle.cold)
    return [known for known in known_peers(person.circle.cold) if known.member == name]
