"""What both sides of a handshake share: why it is run, where it starts, and what it gives.

Spec: docs/protocol/handshake.md, sections 1, 2 and 5.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from attrs import field, frozen

from toheal_protocol.crypto import derive_keys, prf
from toheal_protocol.errors import LocalError
from toheal_protocol.handshake.flights import HANDSHAKE_VERSION
from toheal_protocol.handshake.symmetric import (
    SymmetricState,
    begin_symmetric,
    mix_hash,
    mix_key,
)
from toheal_protocol.identity import Card, PersonaKeys, card_body
from toheal_protocol.model import ID_SIZE, MemberId
from toheal_protocol.wire.codec import u8

PSK_SIZE: Final = 32
"""Bytes of the secret that both sides hold before the handshake."""


class Purpose(Enum):
    """Why a handshake is run, which is also where its psk comes from. One byte each."""

    JOIN = b"\x01"
    """Somebody takes an invitation: the psk is the invitation's secret."""
    MEET = b"\x02"
    """Two members meet: a facilitator handed both a fresh psk."""
    RESET = b"\x03"
    """A session is begun anew: the psk is `reset_psk` of the old one's continuity."""


@frozen
class SessionSecrets:
    """What a finished handshake gives, 32 bytes each; plain bytes for the ratchet.

    `root`, `header_initiator` and `header_responder` begin a session and are then forgotten.
    `continuity` is kept as long as the peer is known: it proves a later reset comes from the same.
    """

    root: bytes = field(repr=False)
    header_initiator: bytes = field(repr=False)
    header_responder: bytes = field(repr=False)
    continuity: bytes = field(repr=False)


def begin_agreement(
    *, circle_id: bytes, purpose: Purpose, psk: bytes, responder: Card
) -> SymmetricState:
    """Return the state both sides start from: what they must agree on without saying it.

    Raises:
        LocalError: circle id or psk are not 32 bytes.

    Spec: docs/protocol/handshake.md, section 2.2.
    """
    if len(circle_id) != ID_SIZE or len(psk) != PSK_SIZE:
        raise LocalError("a handshake takes a circle id and a psk of 32 bytes each")
    state = mix_hash(begin_symmetric(), u8(HANDSHAKE_VERSION), circle_id, purpose.value)
    return mix_key(mix_hash(state, card_body(responder)), psk)


def mix_persona(state: SymmetricState, keys: PersonaKeys) -> SymmetricState:
    """Take the initiator's three public keys into the hash."""
    return mix_hash(state, keys.verify, keys.dh, keys.kem)


def session_secrets(state: SymmetricState) -> SessionSecrets:
    """Derive what the session starts with from the whole of what was sent and agreed on.

    Spec: docs/protocol/handshake.md, section 5.
    """
    root, header_initiator, header_responder, continuity = derive_keys(
        state.chain, state.hash, "th1/session", count=4
    )
    return SessionSecrets(
        root=root,
        header_initiator=header_initiator,
        header_responder=header_responder,
        continuity=continuity,
    )


def reset_psk(continuity: bytes) -> bytes:
    """Derive the psk for beginning anew with a peer we had a session with; 32 bytes.

    Spec: docs/protocol/handshake.md, section 7.3.
    """
    return prf(continuity, "th1/reset")


def our_run_lives(ours: MemberId, theirs: MemberId) -> bool:
    """Tell whether, of two runs that crossed, the one we started is kept for sending.

    Both sides finish both runs. The one started by the lower member id lives; the other session
    only receives, until what was sealed in it can have arrived.

    Spec: docs/protocol/handshake.md, section 7.2.
    """
    return ours < theirs
