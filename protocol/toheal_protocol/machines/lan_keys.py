"""What a circle's members know that nobody else on a local network does: a label a day, a key a pair.

Spec: docs/protocol/lan.md, section 2. Vectors: tests/vectors/lan.json.
"""

from __future__ import annotations

from base64 import b32encode
from typing import Final, NewType

from attrs import field, frozen

from toheal_protocol.crypto import prf
from toheal_protocol.machines.calls import JOIN, MEET
from toheal_protocol.machines.lan_names import LABEL_SIZE
from toheal_protocol.machines.lan_secrets import heard, in_use
from toheal_protocol.machines.state import Cold, Invitation, Peer, Seat, Stage, Standing
from toheal_protocol.model import MemberId, WallTime
from toheal_protocol.wire.codec import u32

PairKey = NewType("PairKey", bytes)
"""32 bytes that two members have."""

MOST_INVITATIONS: Final = 4
"""Open invitations whose holders are recognised in a room, the newest: each takes a tag."""

_KNOWN: Final = {
    Stage.ACTIVE: (Standing.MEMBER, Standing.AT_DOOR, Standing.WAITING, Standing.DECLINED),
    Stage.KNOCKING: (Standing.HOST,),
}

DAY: Final = 24 * 3600
"""Seconds for which a service label stands."""


@frozen
class KnownPeer:
    """Somebody we would recognise, and by what."""

    member: MemberId
    key: PairKey = field(repr=False)
    invitation: bytes = b""
    """Id of the invitation whose link they hold, where that is all we know: `member` is then the
    name that whoever holds it goes by."""


def day_of(wall_now: WallTime) -> int:
    """Return which day it is, in UTC, by the device's clock."""
    return min(max(wall_now, 0) // DAY, (1 << 32) - 1)


def labels_of(cold: Cold, *, wall_now: WallTime) -> tuple[str, ...]:
    """Return under which label we are announced today, and after it those we only listen for.

    Members are announced by the secret they share, whoever stands at the door by the invitation.
    Nothing where no secret has come yet.
    """
    day = day_of(wall_now)
    if cold.stage is Stage.KNOCKING:
        return (service_label(_invited(cold.came_by), day),)
    used = in_use(cold)
    if used is None:
        return ()
    secrets = [one.value for one in (used, *heard(cold, wall_now=wall_now))]
    secrets += [_invited(one.secret) for one in _expected(cold, wall_now)]
    return tuple(service_label(secret, day) for secret in secrets)


def _expected(cold: Cold, wall_now: WallTime) -> tuple[Invitation, ...]:
    """Return the newest invitations that somebody in the room may stand at the door with."""
    wanted = (Seat.OPEN, Seat.USED)  # who is let in may not have heard so yet
    there = [one for one in cold.invitations if one.seat in wanted and one.expires > wall_now]
    return tuple(one for one in there if not one.is_notice)[-MOST_INVITATIONS:]


def _invited(secret: bytes) -> bytes:
    return prf(secret, "th1/lan-invited")


def service_label(secret: bytes, day: int) -> str:
    """Return the 14 characters under which a circle is announced on this day."""
    return b32encode(prf(secret, "th1/lan-day", u32(day)))[:LABEL_SIZE].decode().lower()


def known_peers(cold: Cold) -> tuple[KnownPeer, ...]:
    """Return whom of a circle we would recognise; the likeliest keys first.

    Members know each other, and whoever looks after the door knows who stands there and who may
    still come. At the door only the one who invited is known.
    """
    wanted = _KNOWN.get(cold.stage, ())
    known = [
        (place, member, secret)
        for member, peer in cold.peers.items()
        if peer.standing in wanted
        for place, secret in enumerate(_pair_secrets(peer))
    ]
    known.sort(key=lambda one: one[0])
    first = [KnownPeer(member, _pair_key(secret)) for place, member, secret in known if not place]
    more = [KnownPeer(member, _pair_key(secret)) for place, member, secret in known if place]
    return (*first, *_newcomers(cold), *more)


def our_name(cold: Cold) -> MemberId:
    """Return by which name the others recognise us: at a door that knows only our link, by its own."""
    for peer in cold.peers.values():
        if peer.standing is Standing.HOST and peer.calling and peer.calling.purpose == JOIN:
            return _newcomer(peer.calling.secret)
    return cold.persona.keys.member_id


def _newcomers(cold: Cold) -> tuple[KnownPeer, ...]:
    """Return those of whom we know only the invitation they hold: of the newest open ones."""
    if cold.stage is not Stage.ACTIVE:
        return ()
    open_ones = [one for one in cold.invitations if one.seat is Seat.OPEN][-MOST_INVITATIONS:]
    return tuple(
        KnownPeer(_newcomer(one.secret), _pair_key(one.secret), one.id) for one in open_ones
    )


def _newcomer(secret: bytes) -> MemberId:
    return MemberId(prf(secret, "th1/lan-newcomer"))


def _pair_secrets(peer: Peer) -> tuple[bytes, ...]:
    """Return what only the two of us have: of sessions, and of an introduction before them.

    Of an invitation it is its holder who calls; who listens does not know yet who that is.
    """
    introduced = [
        one.secret for one in (peer.calling, peer.listening) if one and one.purpose == MEET
    ]
    if peer.calling and peer.calling.purpose == JOIN:
        introduced.append(peer.calling.secret)
    return tuple(filter(None, (peer.continuity, peer.next_continuity, *introduced)))


def _pair_key(secret: bytes) -> PairKey:
    return PairKey(prf(secret, "th1/lan-pair"))
