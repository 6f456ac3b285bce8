"""Keeping: what of a circle goes into a backup.

Everything a person would miss, and nothing that was used to seal or could be used twice: no
handshake under way, no prekey, no seat that somebody could still take.

Spec: docs/protocol/backup.md, section 4.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.machines.calls import MEET
from toheal_protocol.machines.state import Calling, Cold, Peer, Stage, Standing

_STAGES: Final = (Stage.ACTIVE, Stage.LEFT, Stage.REMOVED)
_STANDINGS: Final = (Standing.MEMBER, Standing.EXPECTED, Standing.GONE)


def kept_cold(cold: Cold) -> Cold | None:
    """Return what a backup has of a circle's cold part; None: nothing of this circle."""
    if cold.stage not in _STAGES or cold.porch_of:
        return None
    peers = {one: kept_peer(peer) for one, peer in cold.peers.items() if _is_kept(peer)}
    return evolve(cold, prekeys=(), invitations=(), came_by=b"", welcome=b"", peers=peers)


def kept_peer(peer: Peer) -> Peer:
    """Return what a backup has of a peer: with the continuity, and with no handshake."""
    calling = peer.calling
    if calling is not None:
        is_meeting = calling.purpose == MEET
        calling = Calling(calling.purpose, calling.secret, b"", b"") if is_meeting else None
    listening = peer.listening
    if listening is not None and listening.purpose != MEET:
        listening = None
    return evolve(
        peer,
        invitation=b"",
        calling=calling,
        listening=listening,
        opened=None,
        next_continuity=b"",
        resets_seen=(),
        door_words=(),
        bundles=(),
    )


def _is_kept(peer: Peer) -> bool:
    return peer.standing in _STANDINGS
