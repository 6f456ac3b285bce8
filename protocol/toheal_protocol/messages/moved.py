"""Notes about where a member reads. They are part of `notes`, and are imported from there.

Spec: docs/protocol/circle.md, sections 3 and 4.1.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from toheal_protocol.errors import MalformedFrame
from toheal_protocol.messages.grants import encode_relays, take_relay
from toheal_protocol.wire.codec import Reader, u8, u32
from toheal_protocol.wire.relay_address import RelayAddress

MAX_RELAYS_READ: Final = 2
"""Relays one member reads at."""


@frozen
class Moved:
    """We read at these relays from now on; the highest serial counts."""

    serial: int
    relays: tuple[RelayAddress, ...]


@frozen
class Followed:
    """We deposit for you where this serial said, and nowhere else."""

    serial: int


def encode_moved(moved: Moved) -> bytes:
    """Write `serial[4] || count[1] || (length[2] || relay)..`."""
    return u32(moved.serial) + u8(len(moved.relays)) + encode_relays(moved.relays)


def take_moved(reader: Reader) -> Moved:
    """Read what `encode_moved` wrote.

    Raises:
        MalformedFrame: no relay, too many, or none that we can read.
    """
    serial, count = reader.u32(), reader.u8()
    if not 0 < count <= MAX_RELAYS_READ:
        raise MalformedFrame("moved to nowhere, or to too many places")
    return Moved(serial, tuple(take_relay(reader) for _ in range(count)))
