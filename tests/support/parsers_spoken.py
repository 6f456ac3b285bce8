"""The parsers of spoken codes' messages, bare and as the two machines take them."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.entropy import SeededEntropy
from tests.support.spoken_pair import CHANNEL, Inviter, Joiner
from toheal_protocol.machines import spoken_lookup, spoken_offer
from toheal_protocol.messages.spoken import (
    Way,
    decode_mailbox_way,
    decode_spoken,
    encode_spoken,
)
from toheal_protocol.model import Instant

_INVITER = Inviter()
_JOINER = Joiner(_INVITER)
_ANNOUNCEMENT = encode_spoken(_INVITER.announcement)
[_ANSWER] = _INVITER.hear(_JOINER.first)
_ANSWERED = _INVITER.offer
[_PROOF] = _JOINER.hear(_ANSWER)
_INVITER.hear(_PROOF)
[_HANDOVER] = _INVITER.make_seat()


def _decode_mailbox_way(frame: bytes) -> object:
    return decode_mailbox_way(Way(frame))


def _offer_takes(frame: bytes) -> object:
    arrived = spoken_offer.Arrived(CHANNEL, frame)
    return spoken_offer.step(_ANSWERED, arrived, now=Instant(1.0), entropy=SeededEntropy(7))


def _lookup_takes(frame: bytes) -> object:
    return spoken_lookup.step(_JOINER.lookup, frame)


PARSERS: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("message about a spoken code", decode_spoken),
    ("mailbox to answer to", _decode_mailbox_way),
    ("what an offer hears", _offer_takes),
    ("what a look-up hears", _lookup_takes),
)
"""Any bytes in, a value or a `RemoteError` out."""

SEEDS: tuple[bytes, ...] = (_ANNOUNCEMENT, _JOINER.first, _ANSWER, _PROOF, _HANDOVER, bytes(32))
"""Well-formed bytes, the same in every run."""
