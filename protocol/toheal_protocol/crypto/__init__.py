"""Every primitive the protocol uses, each in one place: the only importer of nacl and cryptography.

Nothing in here keeps state, and nothing draws randomness: whoever needs a random key or nonce
brings it (see `Entropy`).

Spec: docs/protocol/conventions.md, section 3.
"""

from toheal_protocol.crypto.entropy import Entropy
from toheal_protocol.crypto.hashing import (
    LABELS,
    derive_keys,
    equal,
    hash_parts,
    length_prefixed,
    prf,
    sha512,
    token_of,
)
from toheal_protocol.crypto.keys import (
    DH_SIZE,
    ED_SIZE,
    KEM_CIPHERTEXT_SIZE,
    KEM_PUBLIC_SIZE,
    KEM_SEED_SIZE,
    SIGNATURE_SIZE,
    DhPublicKey,
    DhSecretKey,
    KemCiphertext,
    KemPublicKey,
    KemSeed,
    SharedSecret,
    Signature,
    SigningSeed,
    VerifyKey,
    decapsulate,
    dh_public_key,
    diffie_hellman,
    kem_public_key,
    sign,
    verify,
    verify_key,
)
from toheal_protocol.crypto.passwords import stretch_passphrase
from toheal_protocol.crypto.sealing import (
    NONCE_SIZE,
    SEAL_OVERHEAD,
    TAG_SIZE,
    SealKey,
    open_sealed,
    open_with_nonce_inside,
    seal,
    seal_with_random_nonce,
)

__all__ = [
    "DH_SIZE",
    "ED_SIZE",
    "KEM_CIPHERTEXT_SIZE",
    "KEM_PUBLIC_SIZE",
    "KEM_SEED_SIZE",
    "LABELS",
    "NONCE_SIZE",
    "SEAL_OVERHEAD",
    "SIGNATURE_SIZE",
    "TAG_SIZE",
    "DhPublicKey",
    "DhSecretKey",
    "Entropy",
    "KemCiphertext",
    "KemPublicKey",
    "KemSeed",
    "SealKey",
    "SharedSecret",
    "Signature",
    "SigningSeed",
    "VerifyKey",
    "decapsulate",
    "derive_keys",
    "dh_public_key",
    "diffie_hellman",
    "equal",
    "hash_parts",
    "kem_public_key",
    "length_prefixed",
    "open_sealed",
    "open_with_nonce_inside",
    "prf",
    "seal",
    "seal_with_random_nonce",
    "sha512",
    "sign",
    "stretch_passphrase",
    "token_of",
    "verify",
    "verify_key",
]
