"""Three to eight people in parts that do not hear each other; some gone for ever, one who lies.

After healing all honest people who are there hold the same words of every honest author, whoever
still lives; made-up words bear the name of who passed them on; nothing waits.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

import pytest

from tests.network.lies import Lies
from tests.network.test_hostile_world import gather
from tests.support.disk import Disk
from tests.support.gathered import Gather
from tests.support.world import Person
from toheal_protocol.machines import events as m
from toheal_protocol.machines.records import PutEntry
from toheal_protocol.messages.acts import Reason, RoleChange
from toheal_protocol.model import Audience, MessageId, Role

POINTS = ("decide", "commit", "act", "mid-act")
LONGEST_HEAL = 9000.0


class Schedule:
    """One random history of one circle."""

    def __init__(
        self,
        seed: int,
        *,
        gather: Gather = gather,
        counts: Sequence[int] = (3, 3, 3, 4, 4, 5, 6, 8),
        wheel: Sequence[int] = range(18),
    ) -> None:
        self.wheel = wheel
        self.chance = random.Random(seed)
        count = self.chance.choice(counts)
        self.world = gather(seed, count, is_direct=self.chance.random() < 0.7)
        self.people = self.world.people
        self.liar = self.people[-1] if count > 3 and self.chance.random() < 0.5 else None
        self.gone: list[Person] = []
        self.older: dict[str, Disk] = {}
        self.lies = Lies()
        self.put_back: Person | None = None
        if self.chance.random() < 0.5:
            self.lead(self.people[1])

    def lead(self, person: Person) -> None:
        """Make somebody a facilitator beside the founder, before anything goes wrong."""
        self.people[0].feed(m.Acted(RoleChange(person.id, Role.FACILITATOR, 0, Reason())))
        self.world.run_for(60)

    @property
    def leading(self) -> list[Person]:
        """Everybody who facilitates; nobody comes or goes after the beginning."""
        founder = self.people[0]
        assert founder.circle is not None
        peers = founder.circle.cold.peers
        return [founder] + [p for p in self.people[1:] if peers[p.id].role is Role.FACILITATOR]

    @property
    def honest(self) -> list[Person]:
        return [person for person in self.people if person is not self.liar]

    @property
    def there(self) -> list[Person]:
        return [person for person in self.honest if person not in self.gone]

    def run(self, length: int) -> None:
        for number in range(length):
            self.step(number)
        self.heal()
        self.assert_agreement()

    def step(self, number: int) -> None:
        chance, world = self.chance, self.world
        person = chance.choice(self.people)
        match chance.choice(self.wheel):
            case 16 | 17:
                person.say(f"{number} for few", Audience.FACILITATORS)
            case 0 | 1 | 2 | 3 | 4:
                for part in range(chance.choice([1, 1, 3])):
                    person.say(f"{number}.{part}")
            case 5 | 6 | 7:
                world.run_for(chance.choice([0.0, 0.3, 2.0, 25.0, 120.0]))
            case 8 | 9:
                self.part()
            case 10:
                world.mend()
            case 11:
                if person not in self.gone:
                    world.kill(person)
                    world.start(person)
            case 12:
                person.crash_at = (chance.choice(POINTS), person.steps + chance.randrange(1, 9))
            case 13:
                self.lose(person)
            case 14:
                self.lie(number)
            case 15:
                self.go_back(person)

    def part(self) -> None:
        """Let the people fall into two or three groups."""
        groups: list[list[Person]] = [[], [], []]
        for person in self.people:
            groups[self.chance.randrange(self.chance.choice([2, 3]))].append(person)
        self.world.mend()
        self.world.part(*groups)

    def lose(self, person: Person) -> None:
        """Somebody's device is gone, with all that lay at the relay from it."""
        if len(self.there) <= 2 or person not in self.there or self.chance.random() < 0.5:
            return
        self.gone.append(person)
        self.world.kill(person)
        for reader in self.people:
            if reader is not person and reader.circle is not None:
                for box in reader.circle.cold.peers[person.id].mailboxes:
                    self.world.relay.boxes.pop(box.address, None)

    def lie(self, number: int) -> None:
        if self.liar is not None:
            self.lies.tell(self.chance, self.liar, self.honest, number)

    def go_back(self, person: Person) -> None:
        """Keep a copy of somebody's disk, or put the copy in its place: once, and noticed."""
        if person not in self.there:
            return
        older = self.older.get(person.name)
        if older is None:
            self.older[person.name] = person.disk.copy()
        elif self.put_back is None:
            self.put_back = person
            self.world.kill(person)
            person.disk = older
            self.world.start(person)
            self.reset_all(person)

    def reset_all(self, person: Person) -> None:
        for other in self.people:
            if other is not person:
                person.feed(m.ResetAsked(other.id))

    # ---- afterwards

    def heal(self) -> None:
        world = self.world
        world.mend()
        for person in self.people:
            person.crash_at = None
            if person not in self.gone:
                world.start(person)
                world.disconnect(person)
                world.reconnect(person)
        until = world.now + LONGEST_HEAL
        while world.now < until and not self.is_agreed():
            world.run_for(60)
        world.run_for(30)

    def readers_of(self, author: Person) -> list[Person]:
        """Return who must agree; who was put back may not know what it once said with a number."""
        return [one for one in self.there if one is not author or one is not self.put_back]

    def words(
        self, reader: Person, author: Person, audience: Audience = Audience.CIRCLE
    ) -> set[MessageId | int]:
        """Return what a reader has of an author's words.

        Who was put back says other words with numbers it had used. Whoever has one of them and all
        that follows has the same heads as the others, and nobody tells it of the second: such a
        number must be there, and which of its words is left open.
        """
        twice = self.numbers_used_twice(author, audience) if author is self.put_back else set()
        return {
            entry.author_seq if entry.author_seq in twice else entry.mid
            for entry in self.entries_by(author, audience, reader)
        }

    def entries_by(self, author: Person, audience: Audience, reader: Person) -> list[PutEntry]:
        return [
            entry
            for entry in reader.disk.entries.values()
            if entry.author == author.id
            and (entry.kind, entry.audience) == ("text", audience)
            and entry.mid not in self.lies.forged
        ]

    def numbers_used_twice(self, author: Person, audience: Audience) -> set[int]:
        """Return the numbers with which an author has said two things, whoever heard them."""
        said = {
            (entry.author_seq, entry.mid)
            for reader in self.people
            for entry in self.entries_by(author, audience, reader)
        }
        numbers = [number for number, _ in said]
        return {number for number in numbers if numbers.count(number) > 1}

    def notes_of(self, author: Person) -> list[set[MessageId | int]]:
        """Return what each facilitator who must agree has read of somebody's notes."""
        leading = [one for one in self.readers_of(author) if one in self.leading]
        return [self.words(one, author, Audience.FACILITATORS) for one in leading]

    def is_agreed(self) -> bool:
        same = all(
            len({frozenset(self.words(reader, author)) for reader in self.readers_of(author)}) <= 1
            and len({frozenset(read) for read in self.notes_of(author)}) <= 1
            for author in self.honest
        )
        ids = {person.id for person in self.there}
        owed = any(rows for p in self.there for to, rows in p.disk.owed.items() if to in ids)
        return same and not owed and not any(person.disk.held for person in self.there)

    def assert_agreement(self) -> None:
        there = self.there
        for author in self.honest:
            notes = self.notes_of(author)
            assert all(one == notes[0] for one in notes), "facilitators disagree about notes"
            for reader in there:
                is_for = reader is author or reader in self.leading
                assert is_for or not self.words(reader, author, Audience.FACILITATORS)
            readings = [self.words(reader, author) for reader in self.readers_of(author)]
            assert all(one == readings[0] for one in readings)
            if author in there and author is not self.put_back and readings:
                to_all = {mid for mid, text in author.said if not text.endswith("for few")}
                assert to_all <= readings[0]
                if notes:
                    assert {mid for mid, _ in author.said} - to_all <= notes[0]
        for person in there:
            assert not person.disk.held
            for entry in person.disk.entries.values():
                assert entry.mid not in self.lies.forged or entry.passed_on_by is not None
            assert person.circle is not None
            sync = person.circle.live.sync
            assert len(sync.told) <= len(self.people) and sync.stories <= 64
            forked = {one for one, peer in person.circle.cold.peers.items() if peer.is_forked}
            mine = {one.id for one in self.honest if one is not self.put_back}
            # to who was put back the mark says that a member speaks with a newer copy of itself
            assert person is self.put_back or not forked & mine, "an honest author is blamed"
        for person in there:
            for other in there:
                missing = [e for e in person.disk.entries.values() if e.kind == "gap"]
                assert all(self.is_lost(e) for e in missing), "a gap of who is there"
                assert person is other or not person.disk.owed.get(other.id)

    def is_lost(self, gap: PutEntry) -> bool:
        """Say whether nobody can fill a gap.

        A number that somebody else made up becomes one where an author begins anew with who believed
        it: the author goes on after it.
        """
        numbers = range(gap.author_seq, gap.author_seq + int(gap.text))
        if all((gap.author, number) in self.lies.made_up for number in numbers):
            return True
        people = [
            *self.gone,
            *([self.liar] if self.liar else []),
            *([self.put_back] if self.put_back else []),
        ]
        return gap.author in {one.id for one in people}


@pytest.mark.parametrize("seed", range(10))
def test_parts_of_a_circle_end_with_the_same_words(seed: int) -> None:
    Schedule(seed).run(30)


@pytest.mark.parametrize("seed", [16, 47, 105, 125, 145, 266, 303, 386, 423, 585, 818, 1307])
def test_long_schedules_that_once_ended_apart_end_with_the_same_words(seed: int) -> None:
    Schedule(1_000_000 + seed).run(150)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(int(os.environ.get("TOHEAL_SOAK_SCHEDULES", "2000"))))
def test_many_long_schedules_end_with_the_same_words(seed: int) -> None:
    Schedule(1_000_000 + seed).run(150)
