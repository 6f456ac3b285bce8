"""An invitation as text: what a person sends, shows as a QR code, or saves as a file.

```
toheal:1:<relay without its scheme>:<base64url(secret[32] || content hash[16] || expires[4])>
```
Whoever has the text can open the invitation and take its one seat: it is a key, not an address.
Without a relay the middle is empty: what it opens was handed over with it, in one room.

Spec: docs/protocol/invitation.md, section 1. Vectors: tests/vectors/invitation.json.
"""

from __future__ import annotations

import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from attrs import field, frozen

from toheal_protocol.errors import MalformedFrame, RemoteError
from toheal_protocol.model import WallTime
from toheal_protocol.wire.codec import Reader, u32
from toheal_protocol.wire.relay_address import RelayAddress, parse_relay_address

LINK_SCHEME: Final = "toheal"
"""What every link begins with."""

LINK_VERSION: Final = "1"
"""The version of what follows: suite TH1."""

INVITATION_SECRET_SIZE: Final = 32
"""Bytes of the secret."""

CONTENT_HASH_SIZE: Final = 16
"""Bytes of the hash that binds the content to the link."""

MAX_LINK_LENGTH: Final = 1024
"""Characters of a pasted text we look at: three times the longest link, and what messengers add."""

_TAIL_SIZE: Final = INVITATION_SECRET_SIZE + CONTENT_HASH_SIZE + 4


class NoInvitation(RemoteError):
    """The text is no invitation of ours at all: another link, or a note."""


class MangledInvitation(MalformedFrame):
    """It was an invitation once; a part is missing, or was changed on the way."""


class NewerInvitation(RemoteError):
    """An invitation of a version we do not speak: the program is too old for it."""


@frozen
class InvitationLink:
    """One seat in one circle, until `expires`. `str` gives the text, about 170 characters."""

    relay: RelayAddress | None
    """Where the content lies; None: at no relay."""
    secret: bytes = field(repr=False)
    content_hash: bytes
    expires: WallTime

    def __str__(self) -> str:
        relay = "" if self.relay is None else self.relay.without_scheme
        tail = urlsafe_b64encode(self.secret + self.content_hash + u32(self.expires))
        return ":".join((LINK_SCHEME, LINK_VERSION, relay, _unpadded(tail)))


def parse_invitation_link(text: str) -> InvitationLink:
    """Read a link as a person pastes it.

    Spaces, line breaks and invisible direction marks are skipped wherever they stand, and a phone
    may have written the first letter large. Everything else must be as it was made: one
    invitation has one spelling. Whether it has expired is for the caller to compare.

    Raises:
        NoInvitation: it does not begin like a link of ours.
        NewerInvitation: it does, with another version.
        MangledInvitation: it does, but what follows is damaged.

    Spec: docs/protocol/invitation.md, section 1.2.
    """
    if len(text) > MAX_LINK_LENGTH:
        raise NoInvitation("longer than any invitation")
    scheme, _, rest = "".join(filter(_is_visible, text)).partition(":")
    version, colon, address_and_tail = rest.partition(":")
    if scheme.lower() != LINK_SCHEME or not version.isascii() or not version.isdigit():
        raise NoInvitation("not a toheal link")
    if version != LINK_VERSION:
        raise NewerInvitation("an invitation of another version")
    address, last_colon, tail = address_and_tail.rpartition(":")
    if not colon or not last_colon:
        raise MangledInvitation("an invitation that was cut off")
    reader = Reader(_read_tail(tail))
    return InvitationLink(
        relay=_read_relay(address),
        secret=reader.take(INVITATION_SECRET_SIZE),
        content_hash=reader.take(CONTENT_HASH_SIZE),
        expires=WallTime(reader.u32()),
    )


def _is_visible(char: str) -> bool:
    return not char.isspace() and unicodedata.category(char) not in ("Cf", "Cc")


def _read_relay(text: str) -> RelayAddress | None:
    if not text:
        return None
    if "/" in text:  # the scheme is left out of a link, and no other part of an address has one
        raise MangledInvitation("an invitation with a changed relay")
    try:
        return parse_relay_address(text)
    except RemoteError:
        raise MangledInvitation("an invitation with a changed relay") from None


def _read_tail(text: str) -> bytes:
    try:
        tail = urlsafe_b64decode(text.encode("ascii") + b"==")
    except ValueError:
        raise MangledInvitation("an invitation with a changed end") from None
    # the decoder skips foreign letters and ignores spare bits; the one spelling must come back
    if len(tail) != _TAIL_SIZE or _unpadded(urlsafe_b64encode(tail)) != text:
        raise MangledInvitation("an invitation with a changed end")
    return tail


def _unpadded(encoded: bytes) -> str:
    return encoded.rstrip(b"=").decode("ascii")
