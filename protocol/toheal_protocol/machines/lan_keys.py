"""What a circle's members know that nobody else on a local network does: a label a day, a key a pair.

Spec: docs/protocol/lan.md, section 2. Vectors: tests/vectors/lan.json.
"""

from __future__ import annotations

from base64 import b32encode
from typing import Final, NewType

from attrs import field, frozen

from toheal_protocol.crypto import prf
from toheal_protocol.machines.calls import MEET
from toheal_protocol.machines.lan_names import LABEL_SIZE
from toheal_protocol.machines.lan_secrets import heard, in_use
from toheal_protocol.machines.state import Cold, Peer, Stage, Standing
from toheal_protocol.model import MemberId, WallTime
from toheal_protocol.wire.codec import u32

PairKey = NewType("PairKey", bytes)
"""32 bytes that two members have."""

DAY: Final = 24 * 3600
"""Seconds for which a service label stands."""


@frozen
class KnownPeer:
    """Somebody we would recognise, and by what."""

    member: MemberId
    key: PairKey = field(repr=False)


def day_of(wall_now: WallTime) -> int:
    """Return which day it is, in UTC, by the device's clock."""
    return min(max(wall_now, 0) // DAY, (1 << 32) - 1)


def labels_of(cold: Cold, *, wall_now: WallTime) -> tuple[str, ...]:
    """Return under which labels we are announced today, and after it those we only listen for.

    Nothing where no secret has come yet.
    """
    used = in_use(cold)
    if used is None:
        return ()
    day = day_of(wall_now)
    secrets = (used, *heard(cold, wall_now=wall_now))
    return tuple(service_label(one.value, day) for one in secrets)


def service_label(secret: bytes, day: int) -> str:
    """Return the 14 characters under which a circle is announced on this day."""
    return b32encode(prf(secret, "th1/lan-day", u32(day)))[:LABEL_SIZE].decode().lower()


def known_peers(cold: Cold) -> tuple[KnownPeer, ...]:
    """Return whom of an active circle we would recognise; the likeliest keys first."""
    if cold.stage is not Stage.ACTIVE:
        return ()
    known = [
        (place, member, secret)
        for member, peer in cold.peers.items()
        if peer.standing is Standing.MEMBER
        for place, secret in enumerate(_pair_secrets(peer))
    ]
    known.sort(key=lambda one: one[0])
    return tuple(KnownPeer(member, _pair_key(secret)) for _, member, secret in known)


def _pair_secrets(peer: Peer) -> tuple[bytes, ...]:
    """Return what only the two of us have: of sessions, and of an introduction before them."""
    introduced = [
        one.secret for one in (peer.calling, peer.listening) if one and one.purpose == MEET
    ]
    return tuple(filter(None, (peer.continuity, peer.next_continuity, *introduced)))


def _pair_key(secret: bytes) -> PairKey:
    return PairKey(prf(secret, "th1/lan-pair"))
