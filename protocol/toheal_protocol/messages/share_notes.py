"""Notes by which one member asks another for consent, and gets an answer.

Spec: docs/protocol/consent.md, section 3.
"""

from __future__ import annotations

from attrs import field, frozen

from toheal_protocol.crypto import SIGNATURE_SIZE, Signature
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.messages.consent import MAX_EXCERPT_SIZE, MAX_WHY_SIZE, SERIAL_SIZE
from toheal_protocol.messages.grants import take_text
from toheal_protocol.model import ID_SIZE, MessageId, WallTime
from toheal_protocol.wire.codec import Reader, prefixed16, u64


@frozen
class ShareAsk:
    """May these words of yours be shown, to whom and what for, until then?"""

    serial: bytes
    mid: MessageId
    not_after: WallTime
    audience: str = field(repr=False)
    purpose: str = field(repr=False)
    excerpt: str = field(repr=False)


@frozen
class ShareAnswer:
    """Yes, with the signature of the receipt; or no, without one."""

    serial: bytes
    signature: Signature | None = field(repr=False)


@frozen
class ShareWithdrawn:
    """A yes is taken back."""

    serial: bytes


ShareNote = ShareAsk | ShareAnswer | ShareWithdrawn


def encode_share(note: ShareNote) -> bytes:
    """Write the body of one of these."""
    match note:
        case ShareAsk(serial, mid, not_after, audience, purpose, excerpt):
            whole = (audience, purpose, excerpt)
            texts = b"".join(prefixed16(text.encode()) for text in whole)
            return serial + mid + u64(not_after) + texts
        case ShareAnswer(serial, signature):
            return serial + prefixed16(signature or b"")
        case ShareWithdrawn(serial):
            return serial


def take_ask(reader: Reader) -> ShareAsk:
    """Read the body of an asking."""
    return ShareAsk(
        serial=reader.take(SERIAL_SIZE),
        mid=MessageId(reader.take(ID_SIZE)),
        not_after=WallTime(reader.u64()),
        audience=take_text(reader, MAX_WHY_SIZE),
        purpose=take_text(reader, MAX_WHY_SIZE),
        excerpt=take_text(reader, MAX_EXCERPT_SIZE),
    )


def take_answer(reader: Reader) -> ShareAnswer:
    """Read the body of an answer."""
    serial, signature = reader.take(SERIAL_SIZE), reader.prefixed16(SIGNATURE_SIZE)
    if len(signature) not in (0, SIGNATURE_SIZE):
        raise MalformedFrame("neither a signature nor none")
    return ShareAnswer(serial, Signature(signature) if signature else None)


def take_withdrawn(reader: Reader) -> ShareWithdrawn:
    """Read the body of a withdrawal."""
    return ShareWithdrawn(reader.take(SERIAL_SIZE))
