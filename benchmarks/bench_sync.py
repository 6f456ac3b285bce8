"""Synchronising: what it costs to be told the same, to catch up, and to send to a circle.

The core alone, in one process and in virtual time: every figure is processor time of whole circles
with memory for a disk, and bytes as they go over a link before the link's own seal. Reading and writing a
vault comes on top (see the vault's own figures).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.figures import Figure
from tests.support.world import Person, World
from toheal_protocol.model import MemberId

MANY = 10_000
TEXT = "x" * 700
SIZES = (3, 8, 15, 24)


def main() -> list[Figure]:
    """Measure everything."""
    return [*_equal_logs(), *_catching_up(), *(one for size in SIZES for one in _saying(size))]


def _circle(seed: int, size: int) -> tuple[World, list[Person]]:
    world = World(seed)
    people = [world.person(f"p{number}") for number in range(size)]
    world.found(people[0])
    for newcomer in people[1:]:
        world.join(people[0], newcomer)
    world.run_for(60)
    return world, people


def _spent(act: Callable[[], object]) -> float:
    before = time.process_time()
    act()
    return time.process_time() - before


def _equal_logs() -> list[Figure]:
    world, (ours, theirs) = _circle(1, 2)
    for number in range(20):
        (ours, theirs)[number % 2].say(str(number))
    world.run_for(60)
    world.cut_link(ours, theirs.id)
    world.frames.clear()
    world.run_for(60)
    size = sum(map(len, world.frames))
    return [Figure("two equal logs on a new link, both ways, acknowledgements included", size, "B")]


def _catching_up() -> list[Figure]:
    world, (author, other, reader) = _circle(2, 3)
    world.part([author, other], [reader])
    for number in range(MANY):
        author.say(f"{number} {TEXT[:100]}")
        if number % 100 == 99:
            world.run_for(1)
    world.run_for(60)
    world.kill(author)
    for box in _boxes(reader, author.id):
        world.relay.boxes.pop(box, None)
    world.mend()
    world.frames.clear()
    began = world.now

    def catch_up() -> None:
        world.cut_link(other, reader.id)
        world.run_until(lambda: len(reader.disk.entries) >= MANY, within=600)

    spent = _spent(catch_up)
    size = sum(map(len, world.frames))
    return [
        Figure(f"{MANY} messages of an absent author, both sides' processor time", spent, "s"),
        Figure("the same, in virtual time with 10 ms each way", world.now - began, "s"),
        Figure("the same, bytes a message", size / MANY, "B"),
    ]


def _boxes(reader: Person, author: MemberId) -> list[bytes]:
    assert reader.circle is not None
    return [box.address for box in reader.circle.cold.peers[author].mailboxes]


def _saying(size: int) -> list[Figure]:
    world, people = _circle(10 + size, size)
    people[0].say(TEXT)
    world.run_for(30)
    world.frames.clear()
    rounds = 20

    def say() -> None:
        for _ in range(rounds):
            people[0].say(TEXT)
            world.run_for(2)

    spent = _spent(say)
    sent = sum(len(frame) for frame in world.frames)
    about = f"700 B to a circle of {size}"
    return [
        Figure(f"{about}: bytes sent, with acknowledgements", sent / rounds, "B"),
        Figure(f"{about}: processor time of everybody together", 1000 * spent / rounds, "ms"),
    ]
