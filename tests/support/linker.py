"""A relay that writes everything down, and a guesser who reads it: which mailboxes belong together?

A relay could log for each command when it came, from which IP address, over which connection, and
all its bytes. From that a `Guesser` scores pairs of mailboxes, the higher the likelier the two belong
together, by whatever evidence it is allowed. How good a score is, is told by its *advantage*: 0 is
chance, 1 is certainty (twice the probability that a right pair is scored above a wrong one, less 1).

The guesser is crude where a real one would be patient. What it finds is there; what it does not find
may still be found by somebody with more time.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Flag, auto
from functools import cached_property

from attrs import define, field, frozen

from toheal_protocol.crypto import token_of
from toheal_protocol.model import Address
from toheal_protocol.wire.mailbox import Delete, Deposit, Open, address_of, decode_command


@frozen
class LogLine:
    """One command as a relay could write it down."""

    at: float
    ip: str
    connection: int
    message: bytes = field(repr=False)


class Evidence(Flag):
    """What a guesser may look at."""

    IP = auto()
    TIME = auto()
    CONNECTION = auto()
    BYTES = auto()
    """Addresses, keys, tokens: runs of bytes that two mailboxes have in common."""
    HABITS = auto()
    """Sizes and numbers of frames, lives, kinds, how commands are put together."""

    IP_AND_TIME = IP | TIME
    BUT_IP_AND_TIME = CONNECTION | BYTES | HABITS
    EVERYTHING = IP_AND_TIME | BUT_IP_AND_TIME


RUN = 8
"""Bytes in a row that count as alike: random bytes never agree in so many."""

MOMENT = 2.0
"""Seconds within which two things happen at one time."""


@define
class Mailbox:
    """What the log says of one mailbox."""

    bytes_of: list[bytes] = field(factory=list)
    read_over: set[int] = field(factory=set)
    written_over: set[int] = field(factory=set)
    read_from: set[str] = field(factory=set)
    written_from: set[str] = field(factory=set)
    read_at: list[float] = field(factory=list)
    written_at: list[float] = field(factory=list)
    sizes: list[int] = field(factory=list)
    habits: set[tuple[str, int]] = field(factory=set)

    @cached_property
    def runs(self) -> set[bytes]:
        """Every run of bytes in what the log has of it, once the log is read."""
        return {
            piece[at : at + RUN] for piece in self.bytes_of for at in range(len(piece) - RUN + 1)
        }


def read_log(log: Iterable[LogLine]) -> dict[Address, Mailbox]:
    """Gather what a log says of each mailbox that was opened."""
    boxes: dict[Address, Mailbox] = {}
    for line in log:
        match decode_command(line.message):
            case Open(openings=openings):
                for place, one in enumerate(openings):
                    box = boxes.setdefault(address_of(one.read_key), Mailbox())
                    box.bytes_of += [bytes(one.read_key), one.token_hash]
                    box.read_over.add(line.connection)
                    box.read_from.add(line.ip)
                    box.read_at.append(line.at)
                    box.habits |= {("ttl", one.ttl), ("batch", len(openings)), ("place", place % 8)}
            case Deposit(address=address, token=token, frame=frame):
                box = boxes.setdefault(address, Mailbox())
                box.bytes_of += [bytes(token), token_of(token), frame[:40], frame[-40:]]
                box.written_over.add(line.connection)
                box.written_from.add(line.ip)
                box.written_at.append(line.at)
                box.sizes.append(len(frame))
            case Delete(read_key=key, items=items):
                box = boxes.setdefault(address_of(key), Mailbox())
                box.habits.add(("deleted", len(items)))
            case _:
                pass
    return {address: box for address, box in boxes.items() if box.read_over}


@frozen
class Guesser:
    """Scores pairs of mailboxes of one log."""

    boxes: Mapping[Address, Mailbox]

    def one_reader(self, one: Address, other: Address, evidence: Evidence) -> float:
        """Return how likely two mailboxes look to be read by one person."""
        first, second = self.boxes[one], self.boxes[other]
        found = self._likeness(first, second, evidence)
        if Evidence.CONNECTION in evidence:
            found += 20.0 * bool(first.read_over & second.read_over)
        if Evidence.IP in evidence:
            found += 10.0 * bool(first.read_from & second.read_from)
        if Evidence.TIME in evidence:
            found += 3.0 * _together(first.read_at, second.read_at)
        return found

    def one_circle(self, one: Address, other: Address, evidence: Evidence) -> float:
        """Return how likely two mailboxes look to belong to one circle."""
        first, second = self.boxes[one], self.boxes[other]
        found = self._likeness(first, second, evidence)
        if Evidence.CONNECTION in evidence:  # one connection writes for one circle
            found += 20.0 * bool(first.written_over & second.written_over)
        if Evidence.IP in evidence:
            found += 3.0 * bool(first.written_from & second.written_from)
            found += 3.0 * bool(first.read_from & second.written_from)
            found += 3.0 * bool(first.written_from & second.read_from)
        if Evidence.TIME in evidence:
            found += 3.0 * _together(first.written_at, second.written_at)
        return found

    def _likeness(self, first: Mailbox, second: Mailbox, evidence: Evidence) -> float:
        found = 0.0
        if Evidence.BYTES in evidence:
            found += 100.0 * (not first.runs.isdisjoint(second.runs))
        if Evidence.HABITS in evidence:
            found += 0.5 * _alike(set(first.sizes), set(second.sizes))
            found += 0.5 * _alike(first.habits, second.habits)
        return found


def advantage(right: Sequence[float], wrong: Sequence[float]) -> float:
    """Return how much better than chance right pairs are told from wrong ones: -1 to 1."""
    above = sum((one > other) - (one < other) for one in right for other in wrong)
    return above / max(1, len(right) * len(wrong))


def _together(some: Sequence[float], others: Sequence[float]) -> float:
    """Return which part of the fewer instants has one of the others beside it."""
    fewer, more = sorted((some, others), key=len)
    if not fewer:
        return 0.0
    return sum(any(abs(one - at) < MOMENT for at in more) for one in fewer) / len(fewer)


def _alike(some: AbstractSet[Hashable], others: AbstractSet[Hashable]) -> float:
    return len(some & others) / max(1, len(some | others))
