"""The keyring: a file of 165 bytes that turns a passphrase into the key of the store.

It says how dear the passphrase is to guess, keeps the key of the store sealed under what the
passphrase stretches to, and a count of openings sealed under that key. Whoever destroys it has
destroyed the vault.

Any bytes give a `Keyring` or a `MalformedFrame`. A hostile one cannot make us spend more than
`MAX_MEMORY` and `MAX_PASSES`.

Spec: docs/vault.md, section 2.
"""

from __future__ import annotations

import unicodedata
from typing import Final, NewType

from attrs import evolve, field, frozen

from toheal_p2p.ports.vault import DamagedVault, NotEnoughMemory, WrongPassphrase
from toheal_protocol.crypto import (
    NONCE_SIZE,
    TAG_SIZE,
    Entropy,
    SealKey,
    equal,
    hash_parts,
    open_sealed,
    prf,
    seal,
    stretch_passphrase,
)
from toheal_protocol.errors import ForgedMessage, LocalError, MalformedFrame
from toheal_protocol.wire.codec import Reader, u8, u32, u64

DataKey = NewType("DataKey", bytes)
"""32 bytes that the store is encrypted with."""

VERSION: Final = 1
"""The only layout there has been."""
SALT_SIZE: Final = 16
"""Bytes of the salt that Argon2id takes."""
KEY_SIZE: Final = 32
"""Bytes of a data key."""
CHECKSUM_SIZE: Final = 16
"""Bytes that tell a broken file from a wrong passphrase. Not a secret, not a proof."""
KEYRING_SIZE: Final = (
    (1 + 4 + 4 + SALT_SIZE)
    + (NONCE_SIZE + KEY_SIZE + 4 + TAG_SIZE)
    + (NONCE_SIZE + 8 + TAG_SIZE)
    + CHECKSUM_SIZE
)
"""Bytes of the file."""

MIN_MEMORY: Final = 8 * 1024 * 1024
"""Bytes. Below that a passphrase is cheap to guess; tests use it."""
MAX_MEMORY: Final = 1024 * 1024 * 1024
"""Bytes. A changed keyring may make us spend that much once, no more."""
MAX_PASSES: Final = 16
"""Walks over the memory; together with `MAX_MEMORY` about ten seconds."""


def _is_affordable(cost: PassphraseCost, _attribute: object, _value: object) -> None:
    if not MIN_MEMORY <= cost.memory <= MAX_MEMORY or cost.memory % 1024:
        raise LocalError("the memory to stretch a passphrase with is out of its limits")
    if not 1 <= cost.passes <= MAX_PASSES:
        raise LocalError("the passes to stretch a passphrase with are out of their limits")


@frozen
class PassphraseCost:
    """What one guess at a passphrase costs.

    Attributes:
        memory: bytes, a multiple of 1024.
        passes: how often that memory is walked.
    """

    memory: int = 256 * 1024 * 1024
    passes: int = field(default=3, validator=_is_affordable)


@frozen
class Keyring:
    """The file, taken apart. Everything secret in it is sealed.

    Attributes:
        sealed_key: `nonce[24] || sealed(data key[32] || store[4])`.
        sealed_generation: `nonce[24] || sealed(generation[8])`.
    """

    cost: PassphraseCost
    salt: bytes
    sealed_key: bytes = field(repr=False)
    sealed_generation: bytes = field(repr=False)


@frozen
class Unlocked:
    """What a keyring gives to who knows the passphrase.

    Attributes:
        store: the number in the name of the store file this key belongs to.
        generation: how often the vault was opened and closed; see docs/vault.md, section 3.
    """

    data_key: DataKey = field(repr=False)
    store: int
    generation: int


def parse_keyring(frame: bytes) -> Keyring:
    """Take the bytes of the file apart.

    Raises:
        MalformedFrame: wrong size, version or checksum, or a cost beyond the limits.
    """
    if len(frame) != KEYRING_SIZE:
        raise MalformedFrame("a keyring of the wrong size")
    body, checksum = frame[:-CHECKSUM_SIZE], frame[-CHECKSUM_SIZE:]
    if not equal(_checksum(body), checksum):
        raise MalformedFrame("a keyring whose checksum does not fit")
    reader = Reader(body)
    if reader.u8() != VERSION:
        raise MalformedFrame("a keyring of an unknown version")
    cost = _parse_cost(reader)
    return Keyring(
        cost=cost,
        salt=reader.take(SALT_SIZE),
        sealed_key=reader.take(NONCE_SIZE + KEY_SIZE + 4 + TAG_SIZE),
        sealed_generation=reader.take(NONCE_SIZE + 8 + TAG_SIZE),
    )


def encode_keyring(keyring: Keyring) -> bytes:
    """Write the bytes of the file, `KEYRING_SIZE` of them."""
    body = _head(keyring.cost, keyring.salt) + keyring.sealed_key + keyring.sealed_generation
    return body + _checksum(body)


def make_keyring(
    passphrase: str, unlocked: Unlocked, *, cost: PassphraseCost, entropy: Entropy
) -> Keyring:
    """Seal a data key under a passphrase. Takes the time and memory of one guess.

    Raises:
        NotEnoughMemory: the machine does not give `cost.memory`.
    """
    salt = entropy.draw(SALT_SIZE)
    nonce = entropy.draw(NONCE_SIZE)
    key = _stretch(passphrase, salt, cost)
    plain = unlocked.data_key + u32(unlocked.store)
    bare = Keyring(
        cost=cost,
        salt=salt,
        sealed_key=nonce + seal(key, nonce, plain, _head(cost, salt)),
        sealed_generation=b"",
    )
    return with_generation(bare, unlocked, entropy=entropy)


def with_generation(keyring: Keyring, unlocked: Unlocked, *, entropy: Entropy) -> Keyring:
    """Return the keyring with `unlocked.generation` in it. Cheap: the passphrase is not needed."""
    nonce = entropy.draw(NONCE_SIZE)
    key = _generation_key(unlocked.data_key)
    return evolve(
        keyring, sealed_generation=nonce + seal(key, nonce, u64(unlocked.generation), u8(VERSION))
    )


def unlock_keyring(keyring: Keyring, passphrase: str) -> Unlocked:
    """Open the seals with a passphrase. Takes the time and memory of one guess.

    Raises:
        WrongPassphrase: it is another one.
        DamagedVault: the passphrase is right and the count of openings is not ours.
        NotEnoughMemory: the machine does not give `cost.memory`.
    """
    key = _stretch(passphrase, keyring.salt, keyring.cost)
    try:
        plain = _open(key, keyring.sealed_key, _head(keyring.cost, keyring.salt))
    except ForgedMessage:
        raise WrongPassphrase("the keyring does not open with this passphrase") from None
    reader = Reader(plain)
    data_key, store = DataKey(reader.take(KEY_SIZE)), reader.u32()
    try:
        generation = _open(_generation_key(data_key), keyring.sealed_generation, u8(VERSION))
    except ForgedMessage:
        raise DamagedVault("the keyring was put together from two") from None
    return Unlocked(data_key, store, int.from_bytes(generation, "big"))


def _parse_cost(reader: Reader) -> PassphraseCost:
    passes, memory = reader.u32(), reader.u32() * 1024
    try:
        return PassphraseCost(memory=memory, passes=passes)
    except LocalError:
        raise MalformedFrame("a keyring that asks for too much or too little") from None


def _head(cost: PassphraseCost, salt: bytes) -> bytes:
    return u8(VERSION) + u32(cost.passes) + u32(cost.memory // 1024) + salt


def _checksum(body: bytes) -> bytes:
    return hash_parts("th1/keyring", body)[:CHECKSUM_SIZE]


def _open(key: SealKey, sealed: bytes, associated: bytes) -> bytes:
    return open_sealed(key, sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], associated)


def _generation_key(data_key: DataKey) -> SealKey:
    return SealKey(prf(data_key, "th1/generation"))


def _stretch(passphrase: str, salt: bytes, cost: PassphraseCost) -> SealKey:
    # NFKC: two keyboards write one passphrase differently. Lone surrogates come from terminals.
    secret = unicodedata.normalize("NFKC", passphrase).encode("utf-8", "surrogatepass")
    try:
        key = stretch_passphrase(
            secret, salt, size=KEY_SIZE, passes=cost.passes, memory=cost.memory
        )
    except RuntimeError:  # libsodium's only reason once the arguments are within its limits
        raise NotEnoughMemory("too little memory to stretch the passphrase") from None
    return SealKey(key)
