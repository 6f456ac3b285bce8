"""What an invitation's mailbox holds, and which mailboxes and keys come from its secret.

```
content = version[1] || circle id[32] || inviter's card[2537] ||
          count[1] || (length[2] || relay)... || length[2] || circle's name ||
          length[2] || inviter's name || length[4] || charter || length[4] || create operation
sealed  = nonce[24] || seal(content, padded)      8192 bytes, or 16384 if it does not fit
```
Once the seat is no longer offered, `gone = nonce[24] || seal(version[1] || end[1], padded)` lies
there instead, 8192 bytes too. The relay that keeps it reads nothing. Whoever holds the link reads all of it, and the hash in the
link refuses any content but the inviter's own.

Spec: docs/protocol/invitation.md, sections 2 to 4 and 6. Vectors: tests/vectors/invitation.json.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from attrs import frozen

from toheal_protocol.crypto import (
    NONCE_SIZE,
    SEAL_OVERHEAD,
    Entropy,
    SealKey,
    SigningSeed,
    equal,
    hash_parts,
    open_with_nonce_inside,
    prf,
    seal_with_random_nonce,
)
from toheal_protocol.errors import ForgedMessage, LocalError, MalformedFrame
from toheal_protocol.identity import (
    CARD_SIZE,
    Card,
    UnusableName,
    clean_name,
    decode_card,
    encode_card,
)
from toheal_protocol.model import (
    ID_SIZE,
    MAX_NAME_LENGTH,
    TOKEN_SIZE,
    CircleId,
    DepositToken,
)
from toheal_protocol.wire.codec import Reader, prefixed, prefixed16, u8
from toheal_protocol.wire.invitation_link import (
    CONTENT_HASH_SIZE,
    INVITATION_SECRET_SIZE,
    InvitationLink,
)
from toheal_protocol.wire.padding import pad_to_bucket, unpad
from toheal_protocol.wire.relay_address import (
    MAX_RELAY_ADDRESS_LENGTH,
    RelayAddress,
    parse_relay_address,
)

INVITATION_VERSION: Final = 1
"""First byte of an invitation's content."""

MAX_INVITATION_RELAYS: Final = 4
"""Relays an invitation can name: more than a circle uses."""

MAX_CHARTER_SIZE: Final = 4096
"""UTF-8 bytes of a charter: two pages, which is more than people read."""

MAX_CREATE_SIZE: Final = 4096
"""Bytes of the circle's `create` operation: about 1500 today."""

INVITATION_SIZES: Final = (8192, 16384)
"""Bytes a sealed invitation can have: nearly all have the first, a long charter takes the second."""

_BUCKETS: Final = tuple(size - SEAL_OVERHEAD for size in INVITATION_SIZES)

_MAX_NAME_SIZE: Final = 4 * MAX_NAME_LENGTH


@frozen
class InvitationContent:
    """Everything somebody needs to decide whether to come in, and to knock.

    That `create_operation` hashes to `circle_id` and names this charter is for whoever reads
    operations to check.
    """

    circle_id: CircleId
    inviter: Card
    relays: tuple[RelayAddress, ...]
    circle_name: str
    inviter_name: str
    charter: str
    create_operation: bytes


def seal_invitation(
    content: InvitationContent, *, secret: bytes, entropy: Entropy
) -> tuple[bytes, bytes]:
    """Seal an invitation's content for its mailbox.

    Keep what it returns and deposit the same bytes again when a relay forgot them: the hash of
    the content is in the link that was given away.

    Args:
        content: what goes in; its names must be clean already.
        secret: 32 fresh bytes, this invitation's own.
        entropy: draws 24 bytes.

    Returns:
        The sealed content, 8192 or 16384 bytes, and the 16-byte hash for the link.

    Raises:
        LocalError: a part is above its limit, or the secret is not 32 bytes.

    Spec: docs/protocol/invitation.md, section 2.
    """
    encoded = encode_invitation(content)
    plain = pad_to_bucket(encoded, buckets=_BUCKETS)
    sealed = seal_with_random_nonce(_seal_key(secret), entropy.draw(NONCE_SIZE), plain)
    return sealed, _content_hash(encoded)


def open_invitation(sealed: bytes, *, link: InvitationLink) -> InvitationContent:
    """Open what the link's mailbox held.

    Raises:
        ForgedMessage: it does not open, or is not the content the link was made for.
        MalformedFrame, UnusableName: the inviter put something together that is no invitation.

    Spec: docs/protocol/invitation.md, section 2.3.
    """
    if len(sealed) not in INVITATION_SIZES:
        raise MalformedFrame("no invitation has this size")
    encoded = unpad(open_with_nonce_inside(_seal_key(link.secret), sealed))
    if not equal(_content_hash(encoded), link.content_hash):
        raise ForgedMessage("not the content this link was made for")
    return decode_invitation(encoded)


class InvitationEnd(IntEnum):
    """Why an invitation opens nothing any more."""

    USED = 1
    WITHDRAWN = 2
    EXPIRED = 3


def seal_invitation_end(end: InvitationEnd, *, secret: bytes, entropy: Entropy) -> bytes:
    """Seal what lies in an invitation's mailbox instead of its content, 8192 bytes.

    Spec: docs/protocol/invitation.md, section 6.
    """
    plain = pad_to_bucket(u8(INVITATION_VERSION) + u8(end), buckets=_BUCKETS)
    return seal_with_random_nonce(_end_key(secret), entropy.draw(NONCE_SIZE), plain)


def open_invitation_end(sealed: bytes, *, secret: bytes) -> InvitationEnd:
    """Open what `seal_invitation_end` made.

    Raises:
        ForgedMessage, MalformedFrame: it is something else.
    """
    if len(sealed) != INVITATION_SIZES[0]:
        raise MalformedFrame("no end of an invitation has this size")
    reader = Reader(unpad(open_with_nonce_inside(_end_key(secret), sealed)))
    version, end = reader.u8(), reader.u8()
    reader.end()
    if version != INVITATION_VERSION or end not in tuple(InvitationEnd):
        raise MalformedFrame("no end that we know")
    return InvitationEnd(end)


def invitation_mailbox(secret: bytes) -> tuple[SigningSeed, DepositToken]:
    """Derive the mailbox where the content lies: its read seed and its deposit token.

    Both sides can read, replace and delete there: the relay sees who, by address only.

    Spec: docs/protocol/invitation.md, section 3.
    """
    _check_secret(secret)
    token = prf(secret, "th1/inv-token")[:TOKEN_SIZE]
    return SigningSeed(prf(secret, "th1/inv-read")), DepositToken(token)


def reply_mailbox(secret: bytes) -> tuple[SigningSeed, DepositToken, SealKey]:
    """Derive the mailbox where the first flight goes: read seed, deposit token, seal key.

    Spec: docs/protocol/invitation.md, section 3.
    """
    _check_secret(secret)
    token = prf(secret, "th1/inv-reply-token")[:TOKEN_SIZE]
    seal_key = SealKey(prf(secret, "th1/inv-reply-seal"))
    return SigningSeed(prf(secret, "th1/inv-reply")), DepositToken(token), seal_key


def encode_invitation(content: InvitationContent) -> bytes:
    """Write an invitation's content.

    Raises:
        LocalError: a part is above its limit, or a name is not clean.
    """
    charter = content.charter.encode()
    _check_limits(content, charter)
    relays = [prefixed16(str(relay).encode("ascii")) for relay in content.relays]
    names = [prefixed16(name.encode()) for name in (content.circle_name, content.inviter_name)]
    head = u8(INVITATION_VERSION) + content.circle_id + encode_card(content.inviter)
    lists = u8(len(relays)) + b"".join(relays) + b"".join(names)
    return head + lists + prefixed(charter) + prefixed(content.create_operation)


def decode_invitation(encoded: bytes) -> InvitationContent:
    """Read an invitation's content; the names come out clean.

    Raises:
        MalformedFrame: not the layout, a part above its limit, or not UTF-8.
        ForgedMessage: the card's signature does not fit.
        UnusableName: a name of which nothing can be shown.
    """
    reader = Reader(encoded)
    if reader.u8() != INVITATION_VERSION:
        raise MalformedFrame("an invitation of an unknown version")
    content = InvitationContent(
        circle_id=CircleId(reader.take(ID_SIZE)),
        inviter=decode_card(reader.take(CARD_SIZE)),
        relays=_read_relays(reader),
        circle_name=clean_name(_text(reader.prefixed16(_MAX_NAME_SIZE))),
        inviter_name=clean_name(_text(reader.prefixed16(_MAX_NAME_SIZE))),
        charter=_text(reader.prefixed(MAX_CHARTER_SIZE)),
        create_operation=reader.prefixed(MAX_CREATE_SIZE),
    )
    reader.end()
    return content


def _read_relays(reader: Reader) -> tuple[RelayAddress, ...]:
    count = reader.u8()
    if count > MAX_INVITATION_RELAYS:
        raise MalformedFrame("an invitation with too many relays")
    texts = [_text(reader.prefixed16(MAX_RELAY_ADDRESS_LENGTH)) for _ in range(count)]
    return tuple(parse_relay_address(text) for text in texts)


def _text(encoded: bytes) -> str:
    try:
        return encoded.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedFrame("not UTF-8") from None


def _check_limits(content: InvitationContent, charter: bytes) -> None:
    if len(content.circle_id) != ID_SIZE:
        raise LocalError("a circle id has 32 bytes")
    if len(content.relays) > MAX_INVITATION_RELAYS:
        raise LocalError("an invitation with too many relays")
    if len(charter) > MAX_CHARTER_SIZE or len(content.create_operation) > MAX_CREATE_SIZE:
        raise LocalError("a charter or create operation above its limit")
    if not _is_clean(content.circle_name) or not _is_clean(content.inviter_name):
        raise LocalError("a name that was not cleaned where it entered")


def _is_clean(name: str) -> bool:
    try:
        return clean_name(name) == name
    except UnusableName:
        return False


def _content_hash(encoded: bytes) -> bytes:
    return hash_parts("th1/invitation", encoded)[:CONTENT_HASH_SIZE]


def _seal_key(secret: bytes) -> SealKey:
    _check_secret(secret)
    return SealKey(prf(secret, "th1/inv"))


def _end_key(secret: bytes) -> SealKey:
    _check_secret(secret)
    return SealKey(prf(secret, "th1/inv-gone"))


def _check_secret(secret: bytes) -> None:
    if len(secret) != INVITATION_SECRET_SIZE:
        raise LocalError("an invitation's secret has 32 bytes")
