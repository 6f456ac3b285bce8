"""What a SOCKS proxy may answer, and the two small texts around it that others can write."""

from __future__ import annotations

from collections.abc import Callable

from toheal_p2p.adapters.socks import parse_proxy
from toheal_p2p.adapters.socks_codec import (
    decode_choice,
    decode_reply,
    decode_verdict,
    reply_size,
)
from toheal_p2p.app.look import decode_look


def _parse_proxy_bytes(text: bytes) -> object:
    return parse_proxy(text.decode("utf-8", errors="replace"))


PARSERS: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("SOCKS choice of a method", decode_choice),
    ("SOCKS verdict on a login", decode_verdict),
    ("SOCKS size of a reply", reply_size),
    ("SOCKS reply", decode_reply),
    ("URL of a proxy", _parse_proxy_bytes),
    ("file of language and digits", decode_look),
)

SEEDS: tuple[bytes, ...] = (
    b"\x05\x02",
    b"\x01\x00",
    b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50",
    b"\x05\x04\x00\x03\x05proxy\x00\x50",
    b"\x05\x05\x00\x04" + bytes(16) + b"\x00\x50",
    b"socks5://user:p%61ss@127.0.0.1:9050",
    b'{"language": "ar", "digits": "arabic"}',
)
