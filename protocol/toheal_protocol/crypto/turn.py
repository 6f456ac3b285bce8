"""What STUN and TURN authenticate with: other people's protocol, so other people's primitives.

SHA-1 and MD5 are here because every TURN client and server speaks them. They say who may relay
packets and guard nothing of ours: what is relayed is sealed with the primitives of this package's
other modules. HMAC-SHA-1 is not known to be weak as a MAC.

Source: RFC 8489, sections 9.2.2, 14.5 and 14.6. Vectors: RFC 5769 and RFC 8489, appendix B.
Spec: docs/protocol/mailboxes.md, section 5.4.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from typing import Final

INTEGRITY_SIZE: Final = 20
"""Bytes of a MESSAGE-INTEGRITY."""

INTEGRITY_SHA256_SIZE: Final = 32
"""Bytes of a MESSAGE-INTEGRITY-SHA256; what is cut shorter is not taken."""


def turn_password(secret: bytes, username: str) -> str:
    """Derive the password of an ephemeral name: base64(HMAC-SHA1(secret, name)).

    Source: draft-uberti-behave-turn-rest-00, section 2.2; coturn calls it `use-auth-secret`.
    """
    return b64encode(hmac.digest(secret, username.encode("ascii"), "sha1")).decode("ascii")


def long_term_key(username: bytes, realm: bytes, password: bytes) -> bytes:
    """Return the 16-byte key of long-term credentials: MD5(username ":" realm ":" password).

    Source: RFC 8489, section 9.2.2 (password algorithm MD5).
    """
    joined = b":".join((username, realm, password))
    return hashlib.md5(joined, usedforsecurity=False).digest()


def message_integrity(key: bytes, covered: bytes) -> bytes:
    """Return HMAC-SHA1 over what a MESSAGE-INTEGRITY covers; 20 bytes.

    Source: RFC 8489, section 14.5.
    """
    return hmac.digest(key, covered, "sha1")


def message_integrity_sha256(key: bytes, covered: bytes) -> bytes:
    """Return HMAC-SHA256 over what a MESSAGE-INTEGRITY-SHA256 covers; 32 bytes.

    Source: RFC 8489, section 14.6.
    """
    return hmac.digest(key, covered, "sha256")
