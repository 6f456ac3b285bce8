"""The pair session: a ratchet with sealed headers that heals, also against later quantum computers.

Two peers who finished a handshake hold one `Session` each. `seal_message` and `open_message` take
a session and return the next one; the caller commits it and forgets the one before.

Spec: docs/protocol/ratchet.md.
"""

from toheal_protocol.ratchet.beginning import begin_as_initiator, begin_as_responder
from toheal_protocol.ratchet.encoding import decode_session, encode_session
from toheal_protocol.ratchet.opening import open_message
from toheal_protocol.ratchet.past import ForkedSession
from toheal_protocol.ratchet.sealing import MAX_PLAIN_SIZE, SEALED_OVERHEAD, seal_message
from toheal_protocol.ratchet.skipped import MAX_SKIP, MAX_SKIPPED_KEYS, SKIPPED_LIFE
from toheal_protocol.ratchet.state import Session, forget_expired_keys, offer_kem_next

__all__ = [
    "MAX_PLAIN_SIZE",
    "MAX_SKIP",
    "MAX_SKIPPED_KEYS",
    "SEALED_OVERHEAD",
    "SKIPPED_LIFE",
    "ForkedSession",
    "Session",
    "begin_as_initiator",
    "begin_as_responder",
    "decode_session",
    "encode_session",
    "forget_expired_keys",
    "offer_kem_next",
    "open_message",
    "seal_message",
]
