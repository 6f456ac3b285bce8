"""The doorstep: who may be on it at one time, and how two who stand there recognise each other.

Spec: docs/protocol/lan.md, sections 4.1 and 4.4.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Final

import trio
from attrs import define, field

from toheal_p2p.ports.lan import LanFailed, LanStream
from toheal_p2p.services.lan_presence import read_exactly
from toheal_protocol.crypto import Entropy
from toheal_protocol.errors import RemoteError
from toheal_protocol.machines import lan_recognition as machine
from toheal_protocol.machines.lan_keys import KnownPeer
from toheal_protocol.model import MemberId

RECOGNITION_LONGEST: Final = 5.0
"""Seconds from the connection to the third message: three round trips in one room."""

MOST_UNKNOWN: Final = 64
"""Connections that have not been recognised, at one time."""

MOST_OF_ONE: Final = 16
"""Of these from one address: a whole circle may be tried out on one machine."""

ANSWERED_A_SECOND: Final = 32
"""Connections from one address that are answered in a second: each costs us half a millisecond."""


@define(eq=False)
class Doorstep:
    """Counts who stands there."""

    _here: Counter[str] = field(factory=Counter, init=False)
    _came: Counter[str] = field(factory=Counter, init=False)
    _second: int = field(default=0, init=False)

    def may_enter(self, host: str) -> bool:
        """Count somebody in, or refuse. Whoever was counted in has to `leave`."""
        second = int(trio.current_time())
        if second != self._second:
            self._second = second
            self._came.clear()
        is_crowded = self._here.total() >= MOST_UNKNOWN or self._here[host] >= MOST_OF_ONE
        if is_crowded or self._came[host] >= ANSWERED_A_SECOND:
            return False
        self._here[host] += 1
        self._came[host] += 1
        return True

    def leave(self, host: str) -> None:
        """Count somebody out, recognised or not."""
        self._here[host] -= 1
        if not self._here[host]:
            del self._here[host]


async def recognise(
    stream: LanStream,
    role: machine.Role,
    *,
    ours: MemberId,
    known: tuple[KnownPeer, ...],
    instance: str,
    entropy: Entropy,
) -> machine.Recognised | None:
    """Find out who is at the other end, within five seconds; None: nobody we know.

    The stream is closed unless somebody was recognised.
    """
    recognised = None
    try:
        with trio.move_on_after(RECOGNITION_LONGEST), suppress(LanFailed, RemoteError):
            begun, hello = machine.begin(role, ours=ours, entropy=entropy)
            await stream.send_all(hello)
            recognised = await _exchange(stream, begun, known, instance, entropy)
    finally:
        if recognised is None:
            with trio.CancelScope(shield=True):
                await stream.aclose()
    return recognised


async def _exchange(
    stream: LanStream,
    begun: machine.Begun,
    known: tuple[KnownPeer, ...],
    instance: str,
    entropy: Entropy,
) -> machine.Recognised | None:
    theirs = await read_exactly(stream, machine.HELLO_SIZE)
    tagged, marks = machine.take_hello(begun, theirs, known=known, entropy=entropy)
    await stream.send_all(marks)
    theirs = await read_exactly(stream, machine.MARKS_SIZE)
    matched, proof = machine.take_marks(tagged, theirs, instance=instance, entropy=entropy)
    await stream.send_all(proof)
    theirs = await read_exactly(stream, machine.PROOF_SIZE)
    if isinstance(matched, machine.Strange):
        return None
    return machine.take_proof(matched, theirs)
