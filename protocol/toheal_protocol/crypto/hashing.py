"""Hashes and derivations, all with a label, and each label with one use.

Spec: docs/protocol/conventions.md, sections 3.1 to 3.3. Vectors: tests/vectors/conventions.json.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from toheal_protocol.errors import LocalError

LABELS: Final[frozenset[str]] = frozenset(
    {
        # hashes (BLAKE2b personalisation, at most 16 bytes)
        "th1/address",
        "th1/charter",
        "th1/create",
        "th1/file",
        "th1/excerpt",
        "th1/gap",
        "th1/heads",
        "th1/invitation",
        "th1/item",
        "th1/keyring",
        "th1/leaf",
        "th1/member",
        "th1/msgid",
        "th1/node",
        "th1/op",
        "th1/optext",
        "th1/plate-read",
        "th1/plate-token",
        "th1/recovery",
        "th1/safety",
        "th1/source",
        "th1/token",
        # keys derived by PRF
        "th1/backup",
        "th1/chunk",
        "th1/bundle",
        "th1/commit",
        "th1/content",
        "th1/dtls",
        "th1/generation",
        "th1/inv",
        "th1/inv-gone",
        "th1/inv-read",
        "th1/inv-reply",
        "th1/inv-reply-seal",
        "th1/inv-reply-token",
        "th1/inv-token",
        "th1/lan-day",
        "th1/lan-invited",
        "th1/lan-newcomer",
        "th1/lan-pair",
        "th1/lan-room",
        "th1/lan-seal",
        "th1/lan-tag",
        "th1/link-key",
        "th1/link-root",
        "th1/meeting",
        "th1/reset",
        "th1/turn-nonce",
        # key schedules (HKDF info)
        "th1/chain",
        "th1/handshake",
        "th1/lan-wire",
        "th1/root",
        "th1/session",
        "th1/spoken",
        # signatures
        "th1/card",
        "th1/consent",
        "th1/mbx",
        "th1/opsig",
        "th1/voucher",
    }
)
"""Every label in use. `tests/architecture` fails when one is used in two places or is missing here."""

PRF_SIZE: Final = 32
"""Bytes of a PRF output."""


def length_prefixed(*parts: bytes) -> bytes:
    """Join parts so that no two different lists give the same bytes: `u32be length || part`, each."""
    return b"".join([len(part).to_bytes(4, "big") + part for part in parts])


def hash_parts(label: str, *parts: bytes) -> bytes:
    """Hash parts under a label to 32 bytes: BLAKE2b-256(person=label, lp(parts)).

    Source: RFC 7693; the personalisation parameter of BLAKE2.
    Spec: docs/protocol/conventions.md, section 3.1.
    """
    person = _ENCODED.get(label) or _known(label)
    return hashlib.blake2b(length_prefixed(*parts), digest_size=32, person=person).digest()


def prf(key: bytes, label: str, *parts: bytes) -> bytes:
    """Derive 32 bytes from a key: HMAC-SHA512(key, lp(label, parts))[:32].

    Source: RFC 2104. Spec: docs/protocol/conventions.md, section 3.2.
    """
    front = _front(label)
    message = front + length_prefixed(*parts) if parts else front
    return hmac.digest(key, message, "sha512")[:PRF_SIZE]


def prf_pair(key: bytes, label: str) -> tuple[bytes, bytes]:
    """Derive two 32-byte keys from one: the halves of HMAC-SHA512(key, lp(label)).

    One HMAC gives both, so a chain of keys advances at the price of one. The first half is
    `prf(key, label)`: never use both functions with one label.

    Source: RFC 2104. Spec: docs/protocol/ratchet.md, section 3.2.
    """
    both = hmac.digest(key, _front(label), "sha512")
    return both[:PRF_SIZE], both[PRF_SIZE:]


def derive_keys(salt: bytes, secret: bytes, label: str, *, count: int) -> tuple[bytes, ...]:
    """Derive `count` (1 to 8) independent 32-byte keys: HKDF-SHA512(salt, secret, info=label).

    Source: RFC 5869. Spec: docs/protocol/conventions.md, section 3.3.
    """
    if not 1 <= count <= 8:
        raise LocalError("one derivation gives one to eight keys")
    info = _known(label)
    pseudorandom = hmac.digest(salt, secret, "sha512")
    stream, block, index = b"", b"", 0
    while len(stream) < count * PRF_SIZE:
        index += 1
        block = hmac.digest(pseudorandom, block + info + bytes([index]), "sha512")
        stream += block
    return tuple(stream[i * PRF_SIZE : (i + 1) * PRF_SIZE] for i in range(count))


def sha512(*parts: bytes) -> bytes:
    """Hash the plain concatenation of parts to 64 bytes.

    Only the handshake's transcript and CPace, whose draft has it so, use it.
    """
    state = hashlib.sha512()
    for part in parts:
        state.update(part)
    return state.digest()


def token_of(token: bytes) -> bytes:
    """Hash a deposit token to the 32 bytes that a relay keeps instead of it."""
    return hash_parts("th1/token", token)


def equal(ours: bytes, theirs: bytes) -> bool:
    """Compare two secrets in a time that does not depend on where they differ."""
    return hmac.compare_digest(ours, theirs)


def _known(label: str) -> bytes:
    if label not in LABELS:
        raise LocalError(f"the label {label!r} is not in the list of labels")
    return label.encode("ascii")


def _front(label: str) -> bytes:
    """Return a known label with its length before it."""
    try:
        return _FRONTS[label]
    except KeyError:
        return length_prefixed(_known(label))


_FRONTS: Final = {label: length_prefixed(label.encode("ascii")) for label in LABELS}

_ENCODED: Final = {label: label.encode("ascii") for label in LABELS}
