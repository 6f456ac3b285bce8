"""What comes out of a file that somebody brought: any bytes in, a value or a `RemoteError` out."""

from __future__ import annotations

from collections.abc import Callable

from toheal_protocol.crypto import SealKey
from toheal_protocol.envelope import ContentKey
from toheal_protocol.messages.bundle import (
    BundleHead,
    OwedKey,
    OwedNote,
    PassedKey,
    decode_bundle_item,
    decode_head,
    encode_bundle_item,
    encode_head,
)
from toheal_protocol.model import MemberId

_KEY = ContentKey(b"k" * 32)

PARSERS: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("decode_head", decode_head),
    ("decode_bundle_item", decode_bundle_item),
)

SEEDS: tuple[bytes, ...] = (
    encode_head(BundleHead(SealKey(b"s" * 32), 2)),
    encode_head(BundleHead(SealKey(b"s" * 32), 1, 7, ((9, 9), (12, 40)))),
    encode_bundle_item(OwedKey(3, _KEY, b"c" * 305)),
    encode_bundle_item(OwedNote(4, b"\x14")),
    encode_bundle_item(PassedKey(MemberId(b"m" * 32), _KEY, b"c" * 305)),
)
