"""A circle of n: what a text of 700 B costs on the wire, its author, and each reader.

The core alone, in one process, everybody linked with everybody: processor time of deciding, without
a vault, a link's own seal or an event loop. "Alone" is a message after everything before it was
acknowledged: its author takes a step of the ratchet with every member. "In a burst" many are said
before an acknowledgement comes, so no step is due. A reader takes each frame in a record of its own.
Bytes are those of the frames, before a link's seal and the channel's packets.

There are two ways to count. **Counted once** is the common part once and a wrap for each other member:
what the message is made of, and what its aim of 3 kB at n = 15 was written for. Nobody sends it like that.
**What leaves** is a frame of its own for each other member, with the whole common part, because each goes over a link
or into a mailbox of its own: a relay that was given the common part once would learn who belongs together. The same
frames as deposits at a relay are a bucket larger. Each session puts ML-KEM into every fiftieth message or so, 1.1 to
2.3 kB more in that wrap; among many members there is often one whose turn it is. So what is counted once is given
without that and as a median, and what leaves as a mean.

Nothing stands beside this. What magic-wormhole takes to tell seven something is in the part about fan-out; toxcore
would have to be built from its C source.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import fmean, median
from typing import Final

from attrs import define, field

from benchmarks.figures import Figure, print_figures
from tests.support.world import Person, World
from toheal_p2p.adapters.entropy import SystemEntropy
from toheal_protocol.crypto import SealKey
from toheal_protocol.machines.addressing import seal_deposit
from toheal_protocol.machines.circle import step
from toheal_protocol.machines.draft import Decision
from toheal_protocol.machines.events import Event, FramesArrived, SendFrames, Submitted
from toheal_protocol.machines.state import Circle
from toheal_protocol.messages.frames import Envelope, decode_frame
from toheal_protocol.model import Frame, Instant, MemberId

SIZES: Final = (3, 8, 15, 24)
TEXT: Final = "w" * 700
IN_A_BURST: Final = 32
ALONE: Final = 24
ENTROPY: Final = SystemEntropy()


@define
class Told:
    """What one message took."""

    say: float
    """Seconds of its author to say it."""
    take: list[float] = field(factory=list)
    """Seconds of each reader."""
    acked: float = 0.0
    """Seconds of its author to take what they acknowledged."""
    sent: list[bytes] = field(factory=list)
    answered: list[bytes] = field(factory=list)


@define
class Members:
    """People who are linked, and what each knows."""

    world: World
    circles: dict[MemberId, Circle]
    author: MemberId

    @classmethod
    def meet(cls, size: int) -> Members:
        """Bring so many together, let each say something, and wait until it is quiet."""
        world = World(size)
        people = [world.person(f"p{number}") for number in range(size)]
        world.found(people[0])
        for newcomer in people[1:]:
            world.join(people[0], newcomer)
        world.run_for(60)
        for person in people:
            person.say("hello")
            world.run_for(5)
        world.run_for(60)
        return cls(world, {person.id: _circle_of(person) for person in people}, people[0].id)

    def decide(self, member: MemberId, event: Event) -> tuple[Decision, float]:
        """Let somebody decide; return what, and how long it took."""
        now, wall_now = Instant(self.world.now), self.world.people[0].wall
        began = time.process_time()
        decision = step(self.circles[member], event, now=now, wall_now=wall_now, entropy=ENTROPY)
        took = time.process_time() - began
        self.circles[member] = decision.circle
        return decision, took

    def say(self, text: str) -> tuple[Told, list[tuple[MemberId, bytes]]]:
        """Let the author say something; return what has to be brought to whom."""
        decision, took = self.decide(self.author, Submitted(text))
        frames = _frames(decision)
        return Told(took, sent=[frame for _, frame in frames]), frames

    def bring(self, told: Told, frames: Sequence[tuple[MemberId, bytes]]) -> None:
        """Let everybody read it, and the author learn that they did."""
        for member, frame in frames:
            decision, took = self.decide(member, FramesArrived(self.author, (frame,)))
            told.take.append(took)
            for one, answer in _frames(decision):
                if one == self.author:
                    told.answered.append(answer)
                    _, took = self.decide(self.author, FramesArrived(member, (answer,)))
                    told.acked += took


def _circle_of(person: Person) -> Circle:
    assert person.circle is not None
    return person.circle


def _frames(decision: Decision) -> list[tuple[MemberId, bytes]]:
    sent = [one for one in decision.effects if isinstance(one, SendFrames)]
    return [(one.member, frame) for one in sent for frame in one.frames]


def alone(members: Members) -> list[Told]:
    """Say one after the other, each when the one before is acknowledged."""
    told = []
    for _ in range(ALONE):
        one, frames = members.say(TEXT)
        members.bring(one, frames)
        members.world.now += 1
        told.append(one)
    return told


def in_a_burst(members: Members) -> list[Told]:
    """Say many at once, and let them be read afterwards."""
    said = [members.say(TEXT) for _ in range(IN_A_BURST)]
    for one, frames in said:
        members.bring(one, frames)
    return [one for one, _ in said]


def _figures(size: int) -> list[Figure]:
    members = Members.meet(size)
    single, burst = alone(members), in_a_burst(members)
    about = f"700 B to {size - 1} others"
    aim = {15: "aim: 3 kB"}.get(size, "")
    aims = {15: ("aim: 0.6", "aim: 0.4")}.get(size, ("", ""))

    def middle(told: Sequence[Told], what: Callable[[Told], float]) -> float:
        return median([what(one) for one in told])

    def of_one(one: Told) -> float:
        return median(one.take) * 1e3

    common, wraps = min((_parts(one) for one in single), key=sum)
    return [
        Figure(
            f"{about}: counted once, without ML-KEM",
            common + wraps,
            "B",
            f"{common} + {wraps} of wraps" + (f"; {aim}" if aim else ""),
        ),
        Figure(f"{about}: counted once, median", middle(single, lambda one: sum(_parts(one))), "B"),
        Figure(f"{about}: leaves its author, mean", fmean(_size(one.sent) for one in single), "B"),
        Figure(
            f"{about}: comes back as acknowledgements, mean",
            fmean(_size(one.answered) for one in single),
            "B",
        ),
        Figure(
            f"{about}: the same, both as deposits at a relay",
            fmean(_deposited(one.sent) + _deposited(one.answered) for one in single),
            "B",
        ),
        Figure(
            f"{about}: to say it, in a burst",
            middle(burst, lambda one: one.say * 1e3),
            "ms",
            aims[0],
        ),
        Figure(
            f"{about}: to say it, alone", middle(single, lambda one: one.say * 1e3), "ms", aims[0]
        ),
        Figure(f"{about}: to read it, in a burst", middle(burst, of_one), "ms", aims[1]),
        Figure(
            f"{about}: to read it, alone, and acknowledge it", middle(single, of_one), "ms", aims[1]
        ),
        Figure(
            f"{about}: to take all acknowledgements",
            middle(single, lambda one: one.acked * 1e3),
            "ms",
        ),
    ]


def _parts(told: Told) -> tuple[int, int]:
    """Return the bytes of the part all have in common, and of all wraps."""
    decoded = [decode_frame(frame) for frame in told.sent]
    envelopes = [one for one in decoded if isinstance(one, Envelope)]
    return len(envelopes[0].common), sum(len(one.wrap) for one in envelopes)


def _deposited(frames: Sequence[bytes]) -> int:
    key = SealKey(bytes(32))
    return sum(len(seal_deposit(key, Frame(one), entropy=ENTROPY)) for one in frames)


def _size(frames: Sequence[bytes]) -> int:
    return sum(map(len, frames))


def main() -> list[Figure]:
    """Measure circles of all sizes."""
    return [figure for size in SIZES for figure in _figures(size)]


if __name__ == "__main__":
    print_figures(main())
