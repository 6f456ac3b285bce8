"""The packets by which members of a circle find each other on a local network: a little of mDNS.

```
advert    who listens where: PTR, SRV and an empty TXT for one random instance
question  who is there under a label: one PTR question
```
Anything else that speaks mDNS on the same network is none of ours: `may_hold` drops it with one look
through its bytes, before anything is parsed.

Source: RFC 1035, section 4; RFC 6762, sections 5, 6 and 18; RFC 6763, sections 4 to 6.
Spec: docs/protocol/lan.md, section 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from attrs import frozen

from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.wire.codec import Reader, u8, u16, u32

LABEL_SIZE: Final = 14
"""Characters of a service label: with its underscore the longest name a service may have (RFC 6335)."""

INSTANCE_SIZE: Final = 16
"""Characters of an instance or host name: 80 random bits."""

MAX_PACKET_SIZE: Final = 1500
"""Bytes of a packet that is read at all: ours have 250 at most."""

ADVERT_LIFE: Final = 120
"""Seconds an advert may be remembered for (its TTL)."""

MAX_RECORDS: Final = 64
"""Questions and records in a packet that is read at all."""

_MAX_NAME_SIZE: Final = 255
_MAX_POINTERS: Final = 16
_PTR, _TXT, _SRV, _ANY = 12, 16, 33, 255
_IN: Final = 1
_CLASS: Final = 0x7FFF
"""The class without the bit that mDNS puts on top: cache-flush, or unicast-response."""
_RESPONSE: Final = 0x8400
_OPCODE_AND_CODE: Final = 0x780F
_IS_RESPONSE: Final = 0x8000
_NAME = re.compile(r"[a-z2-7]{16}")
_LABEL = re.compile(r"[a-z2-7]{14}")

Name = tuple[bytes, ...]
"""The parts of a name, in lower case."""


@frozen
class Advert:
    """Somebody listens: `instance` under the service `label`, at `port` of the packet's sender."""

    label: str
    instance: str
    host: str
    port: int


@frozen
class Heard:
    """What a packet says of our labels."""

    asked: frozenset[str] = frozenset()
    adverts: tuple[Advert, ...] = ()


def may_hold(packet: bytes, labels: Iterable[str]) -> bool:
    """Say whether a packet can be about one of these labels. Cheap: most packets are not."""
    if len(packet) > MAX_PACKET_SIZE:
        return False
    lower = packet.lower()
    return any(label.encode() in lower for label in labels)


def encode_question(label: str) -> bytes:
    """Ask who is there under this label."""
    return _head(0, questions=1, answers=0) + _service(label) + u16(_PTR) + u16(_IN)


def encode_advert(advert: Advert) -> bytes:
    """Say that we are there.

    Raises:
        LocalError: a name or port that is none.
    """
    if not (_NAME.fullmatch(advert.instance) and _NAME.fullmatch(advert.host)):
        raise LocalError("an instance or host name that is none of ours")
    service = _service(advert.label)
    full = _part(advert.instance) + service
    target = _part(advert.host) + _part("local") + u8(0)
    return _head(_RESPONSE, questions=0, answers=3) + b"".join(
        (
            _record(service, _PTR, full),
            _record(full, _SRV, u16(0) + u16(0) + u16(advert.port) + target),
            _record(full, _TXT, u8(0)),
        )
    )


def decode_packet(packet: bytes, labels: Iterable[str]) -> Heard:
    """Read what a packet says of these labels; whatever else is in it is passed over.

    Raises:
        MalformedFrame: too long, too many records, or not the layout.
    """
    if len(packet) > MAX_PACKET_SIZE:
        raise MalformedFrame("a packet longer than any of ours")
    reader = Reader(packet)
    reader.u16()
    flags = reader.u16()
    questions, *records = (reader.u16() for _ in range(4))
    if flags & _OPCODE_AND_CODE:
        raise MalformedFrame("neither a question nor an answer")
    if questions + sum(records) > MAX_RECORDS:
        raise MalformedFrame("too many records")
    wanted: dict[Name, str] = {
        (b"_" + label.encode(), b"_tcp", b"local"): label for label in labels
    }
    asked = frozenset(_read_questions(reader, packet, questions, wanted))
    if not flags & _IS_RESPONSE:
        return Heard(asked)
    return Heard(adverts=_read_adverts(reader, packet, sum(records), wanted))


def _read_questions(
    reader: Reader, packet: bytes, count: int, wanted: dict[Name, str]
) -> Iterable[str]:
    for _ in range(count):
        name = _read_name(reader, packet)
        kind, class_ = reader.u16(), reader.u16() & _CLASS
        if kind in (_PTR, _ANY) and class_ in (_IN, _ANY) and name in wanted:
            yield wanted[name]


def _read_adverts(
    reader: Reader, packet: bytes, count: int, wanted: dict[Name, str]
) -> tuple[Advert, ...]:
    adverts: dict[str, Advert] = {}
    for _ in range(count):
        name = _read_name(reader, packet)
        kind, class_, life = reader.u16(), reader.u16() & _CLASS, reader.u32()
        size = reader.u16()
        end = len(packet) - reader.left + size
        if size > reader.left:
            raise MalformedFrame("a record longer than its packet")
        if kind == _SRV and class_ == _IN and life and name[1:] in wanted:
            advert = _read_service(reader, packet, wanted[name[1:]], name[0])
            if advert is not None:
                adverts[advert.instance] = advert
        reader = Reader(packet)
        reader.take(end)
    return tuple(adverts.values())


def _read_service(reader: Reader, packet: bytes, label: str, first: bytes) -> Advert | None:
    reader.u32()  # priority and weight
    port = reader.u16()
    target = _read_name(reader, packet)
    instance, host = _plain(first), _plain(target[0] if target else b"")
    if not (_NAME.fullmatch(instance) and _NAME.fullmatch(host)) or port < 1024:
        return None
    return Advert(label, instance, host, port)


def _read_name(reader: Reader, packet: bytes) -> Name:
    """Read a name, following at most 16 pointers, each of which leads backwards."""
    parts: list[bytes] = []
    size, pointers = 0, 0
    lowest = len(packet)
    while length := reader.u8():
        if length >= 0xC0:
            at = (length & 0x3F) << 8 | reader.u8()
            pointers += 1
            if at >= lowest or pointers > _MAX_POINTERS:
                raise MalformedFrame("a name that points nowhere")
            lowest = at
            reader = Reader(packet)
            reader.take(at)
            continue
        if length > 63:
            raise MalformedFrame("a part of a name of no kind we know")
        size += length + 1
        if size > _MAX_NAME_SIZE:
            raise MalformedFrame("a name longer than its limit")
        parts.append(reader.take(length).lower())
    return tuple(parts)


def _plain(part: bytes) -> str:
    return part.decode("ascii", errors="replace")


def _head(flags: int, *, questions: int, answers: int) -> bytes:
    return u16(0) + u16(flags) + u16(questions) + u16(answers) + u32(0)


def _record(name: bytes, kind: int, body: bytes) -> bytes:
    return name + u16(kind) + u16(_IN) + u32(ADVERT_LIFE) + u16(len(body)) + body


def _service(label: str) -> bytes:
    if not _LABEL.fullmatch(label):
        raise LocalError("a service label that is none")
    return _part("_" + label) + _part("_tcp") + _part("local") + u8(0)


def _part(name: str) -> bytes:
    return u8(len(name)) + name.encode("ascii")
