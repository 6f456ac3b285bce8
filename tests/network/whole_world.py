"""A small world with everything in it: short histories of a circle, cheap enough for thousands.

Three to eight people speak, remove, promote, silence, leave and take each other back, while the
network falls into parts, loses, repeats and delays, processes die between decide, commit and act,
and one may lie. After healing all honest people who are in hold the same members, roles, charter
and operations, and the same words of every honest author that count.
"""

from __future__ import annotations

import random
from typing import Final

from tests.network.lies import Lies
from tests.network.test_governed_world import (
    ROLES,
    assert_one_membership,
    change_charter,
    ever_out,
    gather_quickly,
    give_role,
    govern,
    heal,
    is_in,
    remove,
    speak,
    state,
)
from tests.support.world import Person, World
from toheal_protocol.machines.voice import is_silenced
from toheal_protocol.model import MessageId

POINTS: Final = ("decide", "commit", "act", "mid-act")

COUNTS: Final = (*[3] * 18, 4, 4, 4, 4, 5, 5, 6, 8)
"""How many people there are: what breaks breaks mostly among few, and eight take ten times as long."""

LENGTHS: Final = (6, 10, 16)


class History:
    """One short history; its number says all that happens in it."""

    def __init__(self, seed: int) -> None:
        chance = self.chance = random.Random(seed)
        count, is_direct = chance.choice(COUNTS), chance.random() < 0.4
        self.world = gather_quickly(seed, count, is_direct=is_direct)
        self.liar = self.world.people[-1] if count > 3 and chance.random() < 0.4 else None
        self.lies = Lies()

    @property
    def honest(self) -> list[Person]:
        return [person for person in self.world.people if person is not self.liar]

    def run(self) -> World:
        for number in range(self.chance.choice(LENGTHS)):
            self.step(number)
        self.world.mend()
        heal(self.world)
        self.assert_agreement()
        return self.world

    def step(self, number: int) -> None:
        chance, world = self.chance, self.world
        person = chance.choice(world.people)
        match chance.randrange(20):
            case 0 | 1 | 2 | 3:
                speak(person, f"{number}")
            case 4 | 5 | 6:
                world.run_for(chance.choice([0.0, 0.3, 2.0, 20.0, 90.0]))
            case 7 | 8 | 9:
                govern(world, chance, number, acts=17)
            case 10:
                change_charter(person, f"charter {number}")
            case 11:
                self.cross(number)
            case 12:
                self.part()
            case 13:
                world.mend()
            case 14:
                world.drop, world.repeat = chance.choice([0.0, 0.3]), chance.choice([0.0, 0.3])
                world.delay = (0.001, chance.choice([0.02, 2.0]))
            case 15:
                self.lose_the_relay(person)
            case 16:
                world.kill(person)
                if chance.random() < 0.7:
                    world.start(person)
            case 17 | 18:
                person.crash_at = (chance.choice(POINTS), person.steps + chance.randrange(1, 9))
            case 19 if self.liar is not None and is_in(self.liar):
                self.lies.tell(chance, self.liar, self.honest, number)

    def cross(self, number: int) -> None:
        """Let the founder and the next one act upon one person, and neither hear of the other's act."""
        first, second, *others = self.world.people
        who = self.chance.choice(others)
        self.world.mend()
        self.world.part([first], [second, *others])
        for by in (first, second):
            match self.chance.randrange(4):
                case 0:
                    remove(by, who)
                case 1:
                    change_charter(by, f"charter {number} of {by.name}")
                case _:
                    give_role(by, who, self.chance.choice(ROLES))
        self.world.run_for(2)

    def part(self) -> None:
        """Let the people fall into two groups that do not reach each other."""
        groups: tuple[list[Person], list[Person]] = ([], [])
        for person in self.world.people:
            self.chance.choice(groups).append(person)
        self.world.mend()
        self.world.part(*groups)

    def lose_the_relay(self, person: Person) -> None:
        if self.chance.random() < 0.2:
            self.world.restart_relay()
            return
        self.world.disconnect(person)
        if self.chance.random() < 0.5:
            self.world.reconnect(person)

    # ---- afterwards

    def assert_agreement(self) -> None:
        assert_one_membership(self.world)
        out, honest = ever_out(self.world), {one.id for one in self.honest}
        always = [one for one in self.honest if is_in(one) and one.id not in out]
        for author in self.honest:
            readings = [self.words(reader, author) for reader in always if reader is not author]
            assert all(one == readings[0] for one in readings)
        for person in always:
            assert not person.disk.held
            for entry in person.disk.entries.values():
                assert entry.mid not in self.lies.forged or entry.passed_on_by is not None
            shown = [one.mid for one in person.shown if one.kind == "text" and one.author in honest]
            assert len(set(shown)) == len(shown), "words were shown twice"
            forked = {one for one, peer in state(person).cold.peers.items() if peer.is_forked}
            assert not forked & honest, "an honest author is blamed"

    def words(self, reader: Person, author: Person) -> set[MessageId]:
        """Return what a reader has of an author and what counts."""
        peer = state(reader).cold.peers.get(author.id)
        return {
            entry.mid
            for entry in reader.disk.entries.values()
            if (entry.author, entry.kind) == (author.id, "text")
            and entry.mid not in self.lies.forged
            and not is_silenced(peer, entry.audience, entry.author_seq)
        }
