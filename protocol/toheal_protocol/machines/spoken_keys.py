"""What a spoken code is bound to, and the keys that come of it. Both sides call the same functions.

```
where    = lp("relay", fingerprint, nameplate)   or   lp("room", room number)
session  = offer id || run id                          16 bytes of each side's own
said     = the joiner's share and how to answer it, the inviter's share, both roles, the version
keys     = HKDF(session, CPace key, 3): the joiner's proof, the inviter's proof, the seal
```

Spec: docs/protocol/spoken.md, section 3. Vectors: tests/vectors/spoken.json.
"""

from __future__ import annotations

from typing import Final, NewType

from attrs import field, frozen

from toheal_protocol.crypto import (
    CPaceGenerator,
    CPaceSecret,
    CPaceShare,
    SealKey,
    SigningSeed,
    cpace_agree,
    cpace_generator,
    cpace_key,
    cpace_transcript,
    derive_keys,
    hash_parts,
    length_prefixed,
)
from toheal_protocol.errors import LocalError
from toheal_protocol.messages.spoken import SPOKEN_VERSION, OfferId, RunId, Way
from toheal_protocol.model import TOKEN_SIZE, DepositToken
from toheal_protocol.wire.relay_address import FINGERPRINT_SIZE

Channel = NewType("Channel", bytes)
"""Where two meet by a code. Words said at one place are worth nothing at another."""

_JOINER: Final = b"joiner" + bytes([SPOKEN_VERSION])
_INVITER: Final = b"inviter" + bytes([SPOKEN_VERSION])


@frozen
class SpokenKeys:
    """What one run gives to two sides that have the same words; 32 bytes each."""

    joiner_proof: bytes = field(repr=False)
    inviter_proof: bytes = field(repr=False)
    seal_key: SealKey = field(repr=False)


def relay_channel(fingerprint: bytes, nameplate: str) -> Channel:
    """Name a nameplate at one relay.

    Spec: docs/protocol/spoken.md, section 3.2.
    """
    if len(fingerprint) != FINGERPRINT_SIZE:
        raise LocalError("a relay's fingerprint has 32 bytes")
    return Channel(length_prefixed(b"relay", fingerprint, nameplate.encode("ascii")))


def room_channel(room: str) -> Channel:
    """Name a room of the local network, where there is no relay.

    Spec: docs/protocol/spoken.md, section 8.
    """
    return Channel(length_prefixed(b"room", room.encode()))


def nameplate_mailbox(fingerprint: bytes, nameplate: str) -> tuple[SigningSeed, DepositToken]:
    """Derive the mailbox of a nameplate at one relay. Public: anybody can, and so read and delete.

    Spec: docs/protocol/spoken.md, section 7.1.
    """
    number = nameplate.encode("ascii")
    token = hash_parts("th1/plate-token", fingerprint, number)[:TOKEN_SIZE]
    return SigningSeed(hash_parts("th1/plate-read", fingerprint, number)), DepositToken(token)


def spoken_generator(
    words: bytes, *, channel: Channel, offer: OfferId, run: RunId
) -> CPaceGenerator:
    """Map the words to the point both sides of one run start from."""
    return cpace_generator(words, channel=channel, session=offer + run)


def spoken_keys(
    secret: CPaceSecret,
    theirs: CPaceShare,
    *,
    joiner: CPaceShare,
    inviter: CPaceShare,
    way: Way,
    offer: OfferId,
    run: RunId,
) -> SpokenKeys:
    """Agree with the other side and derive the keys of a run.

    Args:
        secret: ours; forget it afterwards.
        theirs: the share that arrived; one of the next two.
        joiner: the share of whoever approached.
        inviter: the share that answered it.
        way: how the joiner asked to be answered.

    Raises:
        MalformedFrame: their share has a low order: the run is over.

    Spec: docs/protocol/spoken.md, sections 3.4 and 3.5.
    """
    session = offer + run
    transcript = cpace_transcript(joiner, _JOINER + way, inviter, _INVITER)
    key = cpace_key(cpace_agree(secret, theirs), session=session, transcript=transcript)
    joiner_proof, inviter_proof, seal_key = derive_keys(session, key, "th1/spoken", count=3)
    return SpokenKeys(joiner_proof, inviter_proof, SealKey(seal_key))
