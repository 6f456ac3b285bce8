"""The parsers of identity, handshake and invitation, for the fuzz entry point."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.entropy import RecordingEntropy, SeededEntropy
from tests.support.personas import person, read, start
from toheal_protocol.handshake import (
    Opened,
    answer_opening,
    decode_started,
    encode_started,
    finish_handshake,
    prekey_id_of,
)
from toheal_protocol.handshake.flights import decode_first_flight, decode_second_flight
from toheal_protocol.identity import (
    clean_name,
    decode_card,
    decode_persona,
    decode_prekey,
    encode_card,
    encode_persona,
    encode_prekey,
    find_spoken_word,
    find_word,
    parse_spoken_code,
)
from toheal_protocol.messages.invitation import (
    InvitationContent,
    decode_invitation,
    encode_invitation,
    open_invitation,
    seal_invitation,
)
from toheal_protocol.model import CircleId, WallTime
from toheal_protocol.wire.invitation_link import InvitationLink, parse_invitation_link
from toheal_protocol.wire.relay_address import RelayAddress

_OURS, _THEIRS = person(1), person(2)
_STARTED, _F1 = start(_THEIRS, _OURS, entropy=RecordingEntropy(1))
_, _INTRODUCTION = start(_THEIRS, _OURS, entropy=RecordingEntropy(2), introduce=True)
_F2 = answer_opening(read(_F1, _OURS, _THEIRS), entropy=RecordingEntropy(3)).f2

_RELAY = RelayAddress("relay.example.org", 4433, bytes(32))
_CONTENT = InvitationContent(
    circle_id=CircleId(bytes(32)),
    inviter=_OURS.card,
    relays=(_RELAY,),
    circle_name="circle",
    inviter_name="نورس",
    charter="We listen.",
    create_operation=bytes(100),
)
_SEALED, _HASH = seal_invitation(_CONTENT, secret=bytes(32), entropy=SeededEntropy(4))
_LINK = InvitationLink(_RELAY, bytes(32), _HASH, WallTime(1_900_000_000))


def _text(frame: bytes) -> str:
    """Any bytes as some text, half surrogate pairs included."""
    return frame.decode("utf-8", errors="surrogateescape")


def _read_opening(frame: bytes) -> Opened:
    return read(frame, _OURS, _THEIRS)


def _finish_handshake(frame: bytes) -> object:
    return finish_handshake(_STARTED, frame)


def _open_invitation(frame: bytes) -> object:
    return open_invitation(frame, link=_LINK)


def _parse_invitation_link(frame: bytes) -> object:
    return parse_invitation_link(_text(frame))


def _parse_rest_of_link(frame: bytes) -> object:
    return parse_invitation_link("toheal:1:" + _text(frame))


def _clean_name(frame: bytes) -> object:
    return clean_name(_text(frame))


def _find_word(frame: bytes) -> object:
    return find_word(_text(frame), language="ar")


def _parse_spoken_code(frame: bytes) -> object:
    return parse_spoken_code(_text(frame))


def _find_spoken_word(frame: bytes) -> object:
    return find_spoken_word(_text(frame), language="en")


PARSERS: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("persona", decode_persona),
    ("prekey", decode_prekey),
    ("card", decode_card),
    ("name", _clean_name),
    ("safety word", _find_word),
    ("spoken code", _parse_spoken_code),
    ("word of a spoken code", _find_spoken_word),
    ("first flight", decode_first_flight),
    ("prekey of a first flight", prekey_id_of),
    ("second flight", decode_second_flight),
    ("opening", _read_opening),
    ("answer", _finish_handshake),
    ("started handshake", decode_started),
    ("invitation link", _parse_invitation_link),
    ("rest of an invitation link", _parse_rest_of_link),
    ("invitation content", decode_invitation),
    ("sealed invitation", _open_invitation),
)
"""Any bytes in, a value or a `RemoteError` out."""

SEEDS: tuple[bytes, ...] = (
    encode_persona(_OURS.persona),
    encode_prekey(_OURS.prekey),
    encode_card(_OURS.card),
    _F1,
    _INTRODUCTION,
    _F2,
    encode_started(_STARTED),
    str(_LINK).encode(),
    encode_invitation(_CONTENT),
    _SEALED,
    "نورس".encode(),
    "7421 فانوس زرافة رخام".encode(),
    b"7421 lantern giraffe marble",
)
"""Well-formed bytes, the same in every run."""
