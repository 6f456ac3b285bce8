"""What of a packet that finds circles is drawn or derived, and what every circle's packets have."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NAME = re.compile(rb"(?<![a-z2-7])_?([a-z2-7]{14,16})(?![a-z2-7])")
_PORT = re.compile(rb"(\x00{4})..(?=\x10\?)", re.DOTALL)


def names_in(packets: Iterable[bytes]) -> set[bytes]:
    """Return every label, instance and host name."""
    return {name for packet in packets for name in _NAME.findall(packet)}


def shapes_of(packets: Iterable[bytes]) -> set[bytes]:
    """Return the packets with names and ports taken out: what is left is the same for everybody."""
    return {_PORT.sub(rb"\1??", _NAME.sub(b"?", packet)) for packet in packets}
