"""Safety words: what two people read to each other to rule out somebody in the middle.

Both ids go in, sorted, so both sides get the same words. An impostor needs two personas whose
words agree by chance; Argon2id makes each try cost a good part of a second and 256 MB.

Spec: docs/protocol/identity.md, section 4. Vectors: tests/vectors/identity.json.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.crypto import hash_parts, stretch_passphrase
from toheal_protocol.errors import LocalError
from toheal_protocol.identity.words import WORD_LISTS, Language
from toheal_protocol.model import ID_SIZE, MemberId

WORD_COUNT: Final = 8
"""Words read aloud: as many as people will still compare to the end."""

WORD_BITS: Final = 10
"""Bits a word carries: 1024 words in a list."""

SAFETY_PASSES: Final = 2
"""Argon2id passes."""

SAFETY_MEMORY: Final = 256 * 1024 * 1024
"""Bytes of memory for Argon2id: about 0.3 s on a laptop, once per pair and look."""

_STRETCHED_SIZE: Final = 16


def safety_words(
    ours: MemberId, theirs: MemberId, *, language: Language, memory: int = SAFETY_MEMORY
) -> tuple[str, ...]:
    """Return the eight words of a pair, the same whichever id comes first.

    It takes about 0.3 s and 256 MB for a moment: not for a task that others wait for.

    Args:
        ours: 32 bytes.
        theirs: 32 bytes, not ours.
        language: which list; the positions are the same in each.
        memory: bytes for Argon2id. Part of the result: only tests bring another number.

    Source: RFC 9106. Spec: docs/protocol/identity.md, section 4.1.
    """
    words = WORD_LISTS[language]
    return tuple(words[at] for at in safety_positions(ours, theirs, memory=memory))


def safety_positions(
    ours: MemberId, theirs: MemberId, *, memory: int = SAFETY_MEMORY
) -> tuple[int, ...]:
    """Return the eight positions, 0 to 1023, that every list turns into words."""
    if len(ours) != ID_SIZE or len(theirs) != ID_SIZE or ours == theirs:
        raise LocalError("safety words belong to two different members")
    lower, higher = sorted((ours, theirs))
    salt = hash_parts("th1/safety", lower, higher)[:16]
    stretched = stretch_passphrase(
        lower + higher, salt, size=_STRETCHED_SIZE, passes=SAFETY_PASSES, memory=memory
    )
    number = int.from_bytes(stretched, "big") >> (8 * _STRETCHED_SIZE - WORD_COUNT * WORD_BITS)
    return tuple(
        number >> (WORD_BITS * (WORD_COUNT - 1 - place)) & (1 << WORD_BITS) - 1
        for place in range(WORD_COUNT)
    )
