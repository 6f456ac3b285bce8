"""Whole people in a small internet: real `toheal run` processes behind NATs, relays in the middle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field

from tests.support.netlab import RELAY_ADDRESSES, Home, Internet, Nat, an_internet
from tests.support.processes import PersonProcess, RelayProcess, Town

WORDS = "كلام"


@define(eq=False)
class LabTown(Town):
    """A town whose people each live behind a NAT of their own."""

    internet: Internet = field(kw_only=True)
    homes: dict[str, Home] = field(factory=dict, kw_only=True)

    def relays(self, count: int = 1) -> list[RelayProcess]:
        """Start so many relays in the middle."""
        return [
            self.another_relay(host=address, prefix=self.internet.public.prefix)
            for address in RELAY_ADDRESSES[:count]
        ]

    def neighbour(self, name: str, kind: Nat) -> PersonProcess:
        """Make a profile behind a NAT; it does not run yet."""
        home = self.internet.home(kind)
        self.homes[name] = home
        return self.person(name, home.person.prefix)

    def neighbours(self, *kinds: Nat) -> list[PersonProcess]:
        """Start one person per kind."""
        people = [
            self.neighbour(f"{kind.value} {number}", kind) for number, kind in enumerate(kinds)
        ]
        for person in people:
            person.launch()
        for person in people:
            person.await_ready()
        return people

    def circle(self, people: Sequence[PersonProcess], relays: Sequence[RelayProcess]) -> str:
        """Make a default circle of running people."""
        first, *others = people
        circle = self.create(first, [relay.address for relay in relays])
        for person in others:
            self.join(first, person, circle)
        return circle


@contextmanager
def a_lab_town(folder: Path) -> Iterator[LabTown]:
    """A town in an internet of its own; nothing runs in it yet."""
    with an_internet() as internet:
        town = LabTown(folder, internet=internet)
        try:
            yield town
        finally:
            town.end()
            faults = [one.faults for one in town.people if one.faults.exists()]
            assert not faults, [one.read_text(encoding="utf-8") for one in faults]
