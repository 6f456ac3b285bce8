"""CPace-X25519-SHA512: two who share a few words agree on a key that nobody can search for.

Whoever watches learns nothing that a guess could be compared with; whoever takes part can test one
guess per run. The suite is the draft's CPACE-X25519-SHA512, bit for bit.

The draft maps the words to a point with Elligator 2. libsodium has that map in constant time, but
hands out eight times the point, on the Edwards form of the curve. The scalar of X25519 is a
multiple of eight (RFC 7748 clamps it), so we multiply by an eighth of it and come out where the
draft does: (y / 8) * (8 * g) = y * g. No step that touches the words branches on them.

Source: draft-irtf-cfrg-cpace-21, sections 6 and 7, appendix A. Spec: docs/protocol/spoken.md,
section 3. Vectors: tests/vectors/cpace.json.
"""

from __future__ import annotations

from typing import Final, NewType

from nacl import bindings

from toheal_protocol.crypto.hashing import sha512
from toheal_protocol.crypto.keys import DhPublicKey, DhSecretKey, SharedSecret, diffie_hellman
from toheal_protocol.errors import LocalError

CPaceGenerator = NewType("CPaceGenerator", bytes)
"""32 bytes: eight times the draft's generator, as an Edwards point. As secret as the words."""

CPaceSecret = NewType("CPaceSecret", bytes)
"""32 random bytes, for one run only."""

CPaceShare = NewType("CPaceShare", bytes)
"""32 bytes: what one side sends (`Ya`, `Yb`). To whoever lacks the secret it is a random point."""

CPACE_SHARE_SIZE: Final = 32
"""Bytes of a share."""

CPACE_KEY_SIZE: Final = 64
"""Bytes of the key both get (`ISK`). Derive from it; never use it as it is."""

_SUITE: Final = b"CPace255"
_BLOCK: Final = 128
_HASHED: Final = 32


def generator_string(words: bytes, *, channel: bytes, session: bytes) -> bytes:
    """Write what is hashed to the generator; the words and their padding fill the first block.

    Source: draft-irtf-cfrg-cpace-21, section 7.1 and appendix A.2.
    """
    used = 1 + len(_prepend_length(words)) + len(_prepend_length(_SUITE))
    return length_value(_SUITE, words, bytes(max(0, _BLOCK - used)), channel, session)


def cpace_generator(words: bytes, *, channel: bytes, session: bytes) -> CPaceGenerator:
    """Map what both know to a point that both start from.

    Args:
        words: the secret both share (`PRS`).
        channel: where they meet (`CI`); another one gives another generator.
        session: public, and never used twice (`sid`).

    Source: draft-irtf-cfrg-cpace-21, section 7.2.
    """
    digest = sha512(generator_string(words, channel=channel, session=session))[:_HASHED]
    return CPaceGenerator(bindings.crypto_core_ed25519_from_uniform(digest))


def cpace_share(secret: CPaceSecret, generator: CPaceGenerator) -> CPaceShare:
    """Compute what we send: X25519 of our secret and the draft's generator.

    Source: draft-irtf-cfrg-cpace-21, section 6.2.
    """
    if len(secret) != CPACE_SHARE_SIZE:
        raise LocalError("a CPace secret has 32 bytes")
    eighth = _clamp(secret) >> 3
    point = bindings.crypto_scalarmult_ed25519_noclamp(eighth.to_bytes(32, "little"), generator)
    return CPaceShare(bindings.crypto_sign_ed25519_pk_to_curve25519(point))


def cpace_agree(secret: CPaceSecret, theirs: CPaceShare) -> SharedSecret:
    """Compute the secret point (`K`). Never give it out: only `cpace_key` may see it.

    Raises:
        MalformedFrame: their share has the wrong size or a low order. The run is over.

    Source: draft-irtf-cfrg-cpace-21, section 6.2.
    """
    return diffie_hellman(DhSecretKey(secret), DhPublicKey(theirs))


def cpace_transcript(first: CPaceShare, first_ad: bytes, second: CPaceShare, ad: bytes) -> bytes:
    """Write what was said, the side that spoke first in front (`transcript_ir`).

    Source: draft-irtf-cfrg-cpace-21, section 5.3.
    """
    return length_value(first, first_ad) + length_value(second, ad)


def cpace_key(shared: SharedSecret, *, session: bytes, transcript: bytes) -> bytes:
    """Derive the 64 bytes that both have if they share words, channel, session and transcript.

    Source: draft-irtf-cfrg-cpace-21, section 6.2.
    """
    return sha512(length_value(_SUITE + b"_ISK", session, shared), transcript)


def length_value(*parts: bytes) -> bytes:
    """Join parts, each with its length in front as LEB128 (`lv_cat`).

    Ours is `length_prefixed`; this one is the draft's, and used for nothing else.

    Source: draft-irtf-cfrg-cpace-21, section 5.3 and appendix A.1.
    """
    return b"".join(map(_prepend_length, parts))


def _prepend_length(part: bytes) -> bytes:
    length, encoded = len(part), bytearray()
    while length >= 0x80:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded) + part


def _clamp(secret: bytes) -> int:
    """Return the scalar X25519 makes of 32 bytes (RFC 7748, section 5). Its length is fixed."""
    scalar = int.from_bytes(secret, "little")
    return scalar & ~7 & (1 << 255) - 1 | 1 << 254
