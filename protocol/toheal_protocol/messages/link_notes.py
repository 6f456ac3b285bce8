"""Notes about links: an offer, its answer, and the wish for another link.

Spec: docs/protocol/circle.md, sections 3 and 10.
"""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from toheal_protocol.wire.codec import Reader, prefixed16

MAX_BLOB_SIZE: Final = 512
"""Bytes of a connection blob."""

ATTEMPT_SIZE: Final = 16
"""Bytes that name one attempt to open a link."""


@frozen
class LinkOffer:
    """Please connect to us: a blob for the data channel, and our half of the link's secret."""

    attempt: bytes
    secret: bytes = field(repr=False)
    blob: bytes = field(repr=False)


@frozen
class LinkAnswer:
    """The same from the other side."""

    attempt: bytes
    secret: bytes = field(repr=False)
    blob: bytes = field(repr=False)


@frozen
class AskLink:
    """Our network is another one now: please offer a link, beside the one we may have."""


def encode_link_note(note: LinkOffer | LinkAnswer) -> bytes:
    """Write `attempt[16] || secret[32] || length[2] || blob`."""
    return note.attempt + note.secret + prefixed16(note.blob)


def take_offer(reader: Reader) -> LinkOffer:
    """Read an offer."""
    return LinkOffer(reader.take(ATTEMPT_SIZE), reader.take(32), reader.prefixed16(MAX_BLOB_SIZE))


def take_link_answer(reader: Reader) -> LinkAnswer:
    """Read an answer to an offer."""
    return LinkAnswer(reader.take(ATTEMPT_SIZE), reader.take(32), reader.prefixed16(MAX_BLOB_SIZE))
