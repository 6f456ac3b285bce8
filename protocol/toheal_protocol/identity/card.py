"""A card: a persona's public keys and its current prekey, signed by the persona.

The signature says one thing only: the owner of the signing key stands behind these keys. It never
covers anything a person said.

Spec: docs/protocol/identity.md, section 3. Vectors: tests/vectors/identity.json.
"""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from toheal_protocol.crypto import (
    DH_SIZE,
    ED_SIZE,
    KEM_PUBLIC_SIZE,
    SIGNATURE_SIZE,
    DhPublicKey,
    KemPublicKey,
    Signature,
    VerifyKey,
    length_prefixed,
    sign,
    verify,
)
from toheal_protocol.crypto.keys import check_dh_public_key, check_kem_public_key
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.identity.persona import PersonaKeys, PersonaSecrets
from toheal_protocol.identity.prekey import PrekeySecrets
from toheal_protocol.model import MemberId, WallTime
from toheal_protocol.wire.codec import Reader, u8, u32

CARD_VERSION: Final = 1
"""First byte of a card. Another suite has another number, and there is no choice between them."""

_KEYS_SIZE: Final = ED_SIZE + DH_SIZE + KEM_PUBLIC_SIZE
_PREKEY_SIZE: Final = 4 + DH_SIZE + KEM_PUBLIC_SIZE + 4

CARD_BODY_SIZE: Final = 1 + _KEYS_SIZE + _PREKEY_SIZE
"""Bytes that the signature covers: 2473."""

CARD_SIZE: Final = CARD_BODY_SIZE + SIGNATURE_SIZE
"""Bytes of a card: 2537."""


@frozen
class Card:
    """What a peer needs to open a handshake with this persona."""

    keys: PersonaKeys
    prekey_id: int
    prekey_dh: DhPublicKey
    prekey_kem: KemPublicKey
    not_after: WallTime
    signature: Signature = field(repr=False)

    @property
    def member_id(self) -> MemberId:
        """Whose card it is."""
        return self.keys.member_id


def make_card(persona: PersonaSecrets, prekey: PrekeySecrets) -> Card:
    """Make the card of a persona with one of its prekeys.

    The same persona and prekey always give the same card, so nobody needs to store it.
    """
    keys = persona.keys
    body = _body(keys, prekey.id, prekey.dh_public, prekey.kem_public, prekey.not_after)
    return Card(
        keys=keys,
        prekey_id=prekey.id,
        prekey_dh=prekey.dh_public,
        prekey_kem=prekey.kem_public,
        not_after=prekey.not_after,
        signature=sign(persona.signing, _signed_part(body)),
    )


def card_body(card: Card) -> bytes:
    """Return the 2473 bytes that the signature covers.

    A fixed layout without choices: equal fields are equal bytes, so this is what arrived.
    """
    return _body(card.keys, card.prekey_id, card.prekey_dh, card.prekey_kem, card.not_after)


def encode_card(card: Card) -> bytes:
    """Write a card, 2537 bytes.

    `version[1] || verify[32] || dh[32] || kem[1184] || prekey id[4] || prekey dh[32] ||
    prekey kem[1184] || not after[4] || signature[64]`

    Spec: docs/protocol/identity.md, section 3.1.
    """
    return card_body(card) + card.signature


def decode_card(frame: bytes) -> Card:
    """Read a card and check everything that can be checked without knowing its owner.

    Raises:
        MalformedFrame: wrong size or version, an X25519 key of low order, an invalid ML-KEM key.
        ForgedMessage: the signature does not fit.

    Spec: docs/protocol/identity.md, section 3.2.
    """
    reader = Reader(frame)
    if reader.u8() != CARD_VERSION:
        raise MalformedFrame("a card of an unknown version")
    card = Card(
        keys=PersonaKeys(
            verify=VerifyKey(reader.take(ED_SIZE)),
            dh=DhPublicKey(reader.take(DH_SIZE)),
            kem=KemPublicKey(reader.take(KEM_PUBLIC_SIZE)),
        ),
        prekey_id=reader.u32(),
        prekey_dh=DhPublicKey(reader.take(DH_SIZE)),
        prekey_kem=KemPublicKey(reader.take(KEM_PUBLIC_SIZE)),
        not_after=WallTime(reader.u32()),
        signature=Signature(reader.take(SIGNATURE_SIZE)),
    )
    reader.end()
    verify(card.keys.verify, _signed_part(frame[:CARD_BODY_SIZE]), card.signature)
    for dh in (card.keys.dh, card.prekey_dh):
        check_dh_public_key(dh)
    for kem in (card.keys.kem, card.prekey_kem):
        check_kem_public_key(kem)
    return card


def _body(
    keys: PersonaKeys,
    prekey_id: int,
    prekey_dh: DhPublicKey,
    prekey_kem: KemPublicKey,
    not_after: WallTime,
) -> bytes:
    ours = u8(CARD_VERSION) + keys.verify + keys.dh + keys.kem
    return ours + u32(prekey_id) + prekey_dh + prekey_kem + u32(not_after)


def _signed_part(body: bytes) -> bytes:
    return length_prefixed(b"th1/card", body)
