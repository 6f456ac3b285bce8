"""TH-KK: how two peers who hold each other's keys begin a session.

Hybrid (X25519 and ML-KEM-768), authenticated by static keys of both kinds and a shared secret,
deniable: no signature covers anything of a run. A new composition without outside review.

Spec: docs/protocol/handshake.md.
"""

from toheal_protocol.handshake.agreement import (
    Purpose,
    SessionSecrets,
    our_run_lives,
    reset_psk,
)
from toheal_protocol.handshake.flights import (
    INTRODUCTION_SIZE,
    MAX_PAYLOAD_SIZE,
    SECOND_FLIGHT_SIZE,
)
from toheal_protocol.handshake.initiator import (
    Finished,
    Started,
    decode_started,
    encode_started,
    finish_handshake,
    start_handshake,
)
from toheal_protocol.handshake.responder import (
    Answered,
    Opened,
    answer_opening,
    prekey_id_of,
    read_opening,
)

__all__ = [
    "INTRODUCTION_SIZE",
    "MAX_PAYLOAD_SIZE",
    "SECOND_FLIGHT_SIZE",
    "Answered",
    "Finished",
    "Opened",
    "Purpose",
    "SessionSecrets",
    "Started",
    "answer_opening",
    "decode_started",
    "encode_started",
    "finish_handshake",
    "our_run_lives",
    "prekey_id_of",
    "read_opening",
    "reset_psk",
    "start_handshake",
]
