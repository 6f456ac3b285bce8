"""Bundles: what one member brings another in a file, where no network reaches.

```
bundle = sealed head || index || part.. || filler || index || sealed head
head   = 01 || key[32] || index code[1] || through[8] || count[1] || (first[8] || last[8])..
index  = seal 0: count[2] || size code[1]..
part i = seal i: item                                                        i from 1
seal i = XChaCha20-Poly1305(PRF(key, "th1/bundle", i), nonce = 24 zero bytes, pad(plain))
item   = 01 || number[8] || K[32] || common
       | 02 || number[8] || note
       | 03 || author id[32] || K[32] || common
```
The pair session seals the head. Nothing names a circle or a person, and a part that is damaged
spoils itself alone.

Spec: docs/protocol/sync.md, section 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, assert_never

from attrs import field, frozen

from toheal_protocol.crypto import NONCE_SIZE, TAG_SIZE, Entropy, SealKey, open_sealed, prf, seal
from toheal_protocol.envelope import ContentKey
from toheal_protocol.errors import LocalError, MalformedFrame, RemoteError
from toheal_protocol.model import ID_SIZE, MemberId
from toheal_protocol.ratchet import SEALED_OVERHEAD
from toheal_protocol.wire.codec import Reader, u8, u16, u32, u64
from toheal_protocol.wire.padding import DEPOSIT_BUCKETS, pad_to, pad_to_bucket, unpad

MAX_PARTS: Final = 12_000
"""Parts of one bundle; what is more goes into the next one."""

MAX_BUNDLE_SIZE: Final = 256 * 1024 * 1024
"""Bytes of a bundle that is read at all."""

MAX_HEAD_RANGES: Final = 32
"""Ranges of acknowledged items in a head."""

HEAD_SIZE: Final = 1024
"""Bytes of a padded head."""

FILL: Final = 64 * 1024
"""A bundle's size is a multiple of this."""

_OFFER_SIZES: Final = {0: 0, 1: 1184, 2: 1088, 3: 1184 + 1088}
"""What the flags of the session add to a sealed head (ratchet, section 4.1)."""

_VERSION: Final = 1
_CODES: Final = {size: code for code, size in enumerate(DEPOSIT_BUCKETS)}
_NO_NONCE: Final = bytes(NONCE_SIZE)


@frozen
class BundleHead:
    """What opens a bundle, and what its maker has stored of the reader's."""

    key: SealKey = field(repr=False)
    index_code: int
    through: int = 0
    beyond: tuple[tuple[int, int], ...] = ()


@frozen
class OwedKey:
    """A message the maker owes, with its number in the session."""

    number: int
    key: ContentKey = field(repr=False)
    common: bytes = field(repr=False)


@frozen
class OwedNote:
    """A lasting note the maker owes: `kind[1] || body`."""

    number: int
    note: bytes = field(repr=False)


@frozen
class PassedKey:
    """A message of somebody else, passed on."""

    author: MemberId
    key: ContentKey = field(repr=False)
    common: bytes = field(repr=False)


BundleItem = OwedKey | OwedNote | PassedKey


def encode_head(head: BundleHead) -> bytes:
    """Write a head, padded, ready for the session's seal."""
    ranges = b"".join(u64(first) + u64(last) for first, last in head.beyond[:MAX_HEAD_RANGES])
    count = len(ranges) // 16
    fixed = u8(_VERSION) + head.key + u8(head.index_code) + u64(head.through) + u8(count)
    return pad_to(fixed + ranges, HEAD_SIZE)


def decode_head(padded: bytes) -> BundleHead:
    """Read a head.

    Raises:
        MalformedFrame: not the layout.
    """
    reader = Reader(unpad(padded))
    if reader.u8() != _VERSION:
        raise MalformedFrame("a bundle of another version")
    key, code, through, count = SealKey(reader.take(32)), reader.u8(), reader.u64(), reader.u8()
    if code >= len(DEPOSIT_BUCKETS) or count > MAX_HEAD_RANGES:
        raise MalformedFrame("a bundle's head beyond its limits")
    beyond = tuple((reader.u64(), reader.u64()) for _ in range(count))
    reader.end()
    before = through
    for first, last in beyond:
        if not before < first <= last:
            raise MalformedFrame("ranges that do not rise")
        before = last
    return BundleHead(key, code, through, beyond)


def encode_bundle_item(item: BundleItem) -> bytes:
    """Write one item."""
    match item:
        case OwedKey(number, key, common):
            return b"\x01" + u64(number) + key + common
        case OwedNote(number, note):
            return b"\x02" + u64(number) + note
        case PassedKey(author, key, common):
            return b"\x03" + author + key + common
        case _:
            assert_never(item)


def decode_bundle_item(encoded: bytes) -> BundleItem:
    """Read one item.

    Raises:
        MalformedFrame: not the layout.
    """
    reader = Reader(encoded)
    match reader.u8():
        case 1:
            return OwedKey(reader.u64(), ContentKey(reader.take(32)), reader.rest())
        case 2:
            return OwedNote(reader.u64(), reader.rest())
        case 3:
            author = MemberId(reader.take(ID_SIZE))
            return PassedKey(author, ContentKey(reader.take(32)), reader.rest())
        case _:
            raise MalformedFrame("an item of no kind we know")


def seal_part(key: SealKey, place: int, plain: bytes) -> bytes:
    """Seal an item in its place, counted from 1. Never twice in one place of one bundle."""
    padded = pad_to_bucket(plain, buckets=DEPOSIT_BUCKETS)
    return seal(_part_key(key, place), _NO_NONCE, padded)


def seal_index(key: SealKey, parts: Sequence[bytes]) -> bytes:
    """Seal how large each part is.

    Raises:
        LocalError: more parts than a bundle has.
    """
    if len(parts) > MAX_PARTS:
        raise LocalError("more parts than a bundle has")
    codes = bytes(_CODES[len(part) - TAG_SIZE] for part in parts)
    return seal_part(key, 0, u16(len(parts)) + codes)


def index_code(index: bytes) -> int:
    """Return the size code of a sealed index."""
    return _CODES[len(index) - TAG_SIZE]


def join_bundle(
    sealed_head: bytes, index: bytes, parts: Sequence[bytes], entropy: Entropy
) -> Iterator[bytes]:
    """Give a bundle's bytes, piece by piece."""
    size = 2 * (len(sealed_head) + len(index)) + sum(map(len, parts))
    yield sealed_head
    yield index
    yield from parts
    yield entropy.draw(-size % FILL)
    yield index
    yield sealed_head


def heads_in(bundle: bytes) -> Iterator[bytes]:
    """Give what may be the sealed head of a bundle, at its beginning and at its end."""
    if bundle and bundle[0] in _OFFER_SIZES:
        yield bundle[: _head_size(bundle[0])]
    for flags in _OFFER_SIZES:
        size = _head_size(flags)
        if len(bundle) >= size and bundle[-size] == flags:
            yield bundle[-size:]


def parts_in(bundle: bytes, head: BundleHead, sealed_head: bytes) -> Iterator[bytes | None]:
    """Give what each part says, None for one that is damaged.

    Raises:
        MalformedFrame: neither copy of the index opens.
    """
    index_size = DEPOSIT_BUCKETS[head.index_code] + TAG_SIZE
    at = len(sealed_head) + index_size
    codes = _codes_in(
        head, (bundle[len(sealed_head) : at], bundle[-at : len(bundle) - len(sealed_head)])
    )
    for place, code in enumerate(codes, 1):
        upto = at + DEPOSIT_BUCKETS[code] + TAG_SIZE
        yield _open_part(head.key, place, bundle[at:upto])
        at = upto


def _codes_in(head: BundleHead, copies: tuple[bytes, bytes]) -> bytes:
    for copy in copies:
        plain = _open_part(head.key, 0, copy)
        if plain is None:
            continue
        reader = Reader(plain)
        count, codes = reader.u16(), reader.rest()
        if count == len(codes) <= MAX_PARTS and max(codes, default=0) < len(DEPOSIT_BUCKETS):
            return codes
    raise MalformedFrame("a bundle whose index is damaged")


def _open_part(key: SealKey, place: int, part: bytes) -> bytes | None:
    try:
        return unpad(open_sealed(_part_key(key, place), _NO_NONCE, part))
    except RemoteError:
        return None


def _part_key(key: SealKey, place: int) -> SealKey:
    return SealKey(prf(key, "th1/bundle", u32(place)))


def _head_size(flags: int) -> int:
    return SEALED_OVERHEAD + HEAD_SIZE + _OFFER_SIZES[flags]
