"""The symmetric half of a handshake: a running hash of all that was sent, and a chain of secrets.

After Noise: whatever both sides saw goes into `hash`, whatever both sides agreed on goes into
`chain`, and every seal takes the hash as associated data. So a seal opens only for somebody who
saw the same bytes and holds the same secrets, in the same order.

A sealing key never leaves this module and seals exactly once: `seal_next` derives it from secrets
of this step, uses it with the zero nonce, and drops it. That is why a zero nonce is safe here: a
second use of one key would need the same chain and the same secrets, hence the same ephemeral
keys and encapsulations, which are drawn freshly for every run.

Source: Perrin, "The Noise Protocol Framework", revision 34, section 5.2 (MixHash, MixKey,
EncryptAndHash), with length prefixes in front of everything hashed.
Spec: docs/protocol/handshake.md, section 2. Vectors: tests/vectors/handshake.json.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve, field, frozen

from toheal_protocol.crypto import (
    NONCE_SIZE,
    SealKey,
    SharedSecret,
    derive_keys,
    length_prefixed,
    open_sealed,
    seal,
    sha512,
)

PROTOCOL_NAME: Final = b"toheal TH1 KK X25519 ML-KEM-768 XChaCha20-Poly1305 SHA-512"
"""What the hash begins with: another suite is another name."""

HASH_SIZE: Final = 32
"""Bytes of the running hash and of the chain."""

_ZERO_NONCE: Final = bytes(NONCE_SIZE)


@frozen
class SymmetricState:
    """`hash`: 32 public bytes. `chain`: 32 secret ones."""

    hash: bytes
    chain: bytes = field(repr=False)


def begin_symmetric() -> SymmetricState:
    """Return the state before anything was sent or agreed on."""
    start = sha512(PROTOCOL_NAME)[:HASH_SIZE]
    return SymmetricState(hash=start, chain=start)


def mix_hash(state: SymmetricState, *parts: bytes) -> SymmetricState:
    """Take parts into the hash: SHA-512(hash || lp(parts))[:32]."""
    return evolve(state, hash=sha512(state.hash, length_prefixed(*parts))[:HASH_SIZE])


def mix_key(state: SymmetricState, *secrets: bytes) -> SymmetricState:
    """Take secrets into the chain, without sealing anything under them."""
    return _next_key(state, secrets)[0]


def seal_next(
    state: SymmetricState, *secrets: SharedSecret, plain: bytes
) -> tuple[SymmetricState, bytes]:
    """Take secrets into the chain, seal under the key they give, and take the seal into the hash.

    Returns:
        The next state, and the sealed bytes, 16 longer than `plain`.
    """
    after, key = _next_key(state, secrets)
    sealed = seal(key, _ZERO_NONCE, plain, associated=after.hash)
    return mix_hash(after, sealed), sealed


def open_next(
    state: SymmetricState, *secrets: SharedSecret, sealed: bytes
) -> tuple[SymmetricState, bytes]:
    """Do what `seal_next` did, from the other side.

    Raises:
        ForgedMessage: they saw or hold something else.
    """
    after, key = _next_key(state, secrets)
    plain = open_sealed(key, _ZERO_NONCE, sealed, associated=after.hash)
    return mix_hash(after, sealed), plain


def _next_key(state: SymmetricState, secrets: tuple[bytes, ...]) -> tuple[SymmetricState, SealKey]:
    chain, key = derive_keys(state.chain, length_prefixed(*secrets), "th1/handshake", count=2)
    return evolve(state, chain=chain), SealKey(key)
