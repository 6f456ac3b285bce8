"""What the pair session and the envelope read from outside: any bytes in, a value or a `RemoteError` out."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.entropy import SeededEntropy
from tests.support.ratchet_pair import START, Side, make_pair, make_talking_pair
from toheal_protocol.envelope import (
    Content,
    ContentKey,
    Parent,
    decode_content,
    encode_content,
    open_content,
    seal_content,
)
from toheal_protocol.model import Audience, CircleId, MemberId, MessageId
from toheal_protocol.ratchet import decode_session, encode_session, open_message
from toheal_protocol.wire.padding import unpad

_KEY = ContentKey(bytes(range(32)))
AUTHOR = MemberId(b"a" * 32)
_ENTROPY = SeededEntropy(0)

_FRESH, _FRESH_PEER = make_pair(91)
_OLD, _OLD_PEER = make_talking_pair(92)
_first = _OLD.seal(b"skipped")
_OLD_PEER.open(_OLD.seal(b"opened"))

_CONTENT = Content(
    circle_id=CircleId(b"c" * 32),
    audience=Audience.CIRCLE,
    author_seq=7,
    prev_own=MessageId(b"o" * 32),
    parents=(
        Parent(b"p" * 8, Audience.CIRCLE, 3, MessageId(b"p" * 32)),
        Parent(b"q" * 8, Audience.CIRCLE, 4, MessageId(b"q" * 32)),
    ),
    view=(),
    lamport=9,
    ttl=3600,
    type=1,
    reply=MessageId(b"r" * 32),
    body=b"body",
)


def _open_with(side: Side) -> Callable[[bytes], object]:
    return lambda sealed: open_message(side.session, sealed, b"", entropy=_ENTROPY, now=START)


def _open_common(common: bytes) -> bytes:
    return open_content(common, _KEY, author=AUTHOR)


PARSERS: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("decode_session", decode_session),
    ("open_message in a fresh session", _open_with(_FRESH_PEER)),
    ("open_message in an old session", _open_with(_OLD_PEER)),
    ("open_message of one's own", _open_with(_OLD)),
    ("decode_content", decode_content),
    ("open_content", _open_common),
    ("unpad", unpad),
)

SEEDS: tuple[bytes, ...] = (
    encode_session(_FRESH.session),
    encode_session(_FRESH_PEER.session),
    encode_session(_OLD_PEER.session),
    _FRESH.seal(b"with an offer"),
    _first,
    _OLD.seal(b"next"),
    encode_content(_CONTENT),
    seal_content(encode_content(_CONTENT), _KEY, author=AUTHOR),
)
