"""The fingerprint of a certificate's key: what a client pins of a relay, and nothing else.

It is over the public key alone, so a certificate may be made anew without changing the address.
Not imported with the rest of this package: X.509 costs a start some tens of milliseconds.

Spec: docs/protocol/mailboxes.md, section 1.
"""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from toheal_protocol.errors import MalformedFrame


def key_fingerprint(certificate: bytes) -> bytes:
    """Return SHA-256 over the SubjectPublicKeyInfo of a DER certificate; 32 bytes.

    Raises:
        MalformedFrame: it is not a certificate, or its key is of no kind we know.

    Source: RFC 7469, section 2.4 (what is hashed, not how it is announced).
    """
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        raise MalformedFrame("not a certificate with a key we know") from None
    return hashlib.sha256(encoded).digest()
