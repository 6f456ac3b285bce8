"""The relay's key: made on the first start, kept in its state folder, pinned by its clients.

The certificate around it says nothing: no name, no date, no authority. A client compares the
SHA-256 of the public key with the relay's address and looks at nothing else.

Spec: docs/protocol/mailboxes.md, section 1.
"""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path
from typing import Final

from toheal_protocol.crypto.certificates import key_fingerprint

_FILE: Final = "relay.pem"
"""Key and certificate, in one file that its owner alone can read."""

_LONGEST_PEM: Final = 64 * 1024


class UnusableKey(Exception):
    """The key in the state folder cannot be used; the message is for the operator."""


def load_or_make_key(state: Path) -> Path:
    """Return the file with the relay's key and certificate, made if there is none.

    Raises:
        UnusableKey: others can read it, or it cannot be written or read.
    """
    path = state / _FILE
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _write_private(path, _make_pem())
        readable_by_others = path.stat().st_mode & 0o077
    except OSError as problem:
        raise UnusableKey(f"{path}: {problem.strerror}") from None
    if readable_by_others and sys.platform != "win32":
        raise UnusableKey(f"{path} can be read by others: chmod 600 it, or delete it for a new key")
    return path


def server_context(key: Path) -> ssl.SSLContext:
    """Return a TLS 1.3 context that answers with this key.

    No session tickets: they would let a relay recognise who comes back, and cost a write each.

    Raises:
        UnusableKey: the file does not hold a key and its certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    try:
        context.load_cert_chain(key)
    except (OSError, ssl.SSLError):
        raise UnusableKey(f"{key} does not hold a key and its certificate") from None
    return context


def fingerprint_of(key: Path) -> bytes:
    """Return the 32-byte fingerprint of the key in a file.

    Raises:
        UnusableKey: there is no certificate in it.
    """
    marker = "-----BEGIN CERTIFICATE-----"
    try:
        with key.open(encoding="ascii") as file:
            text = file.read(_LONGEST_PEM)
        return key_fingerprint(ssl.PEM_cert_to_DER_cert(text[text.index(marker) :]))
    except (OSError, ValueError):
        raise UnusableKey(f"{key} does not hold a certificate") from None


def _make_pem() -> bytes:
    """Make a P-256 key and a certificate for it: every TLS library and proxy can use that."""
    # imported here: only the first start needs them
    from datetime import UTC, datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = ec.generate_private_key(ec.SECP256R1())
    nobody = x509.Name([])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(nobody)
        .issuer_name(nobody)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2099, 12, 31, tzinfo=UTC))
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


def _write_private(path: Path, content: bytes) -> None:
    """Write a new file whole or not at all, readable by its owner from its first byte."""
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
