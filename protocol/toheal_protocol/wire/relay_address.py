"""What a relay is called: where it listens and the key it answers with.

The fingerprint is all a client checks. No domain, no certificate authority: whoever handed over
the address also handed over the key.

Spec: docs/protocol/mailboxes.md, section 1.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from attrs import field, frozen

from toheal_protocol.errors import LocalError, MalformedFrame

SCHEME: Final = "toheal-relay://"

FINGERPRINT_SIZE: Final = 32
"""Bytes of a fingerprint: SHA-256 over the relay's public key (SubjectPublicKeyInfo, DER)."""

MAX_HOST_LENGTH: Final = 253
"""Characters of a host name, the most DNS allows."""

MAX_RELAY_ADDRESS_LENGTH: Final = len(SCHEME) + MAX_HOST_LENGTH + len(":65535#") + 43
"""Characters of the whole text: what a reader of addresses must have room for."""

_TEXT = re.compile(
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+):(?P<port>[1-9][0-9]{0,4})#(?P<key>.{43})"
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@frozen
class RelayAddress:
    """Where a relay listens (TCP and UDP) and the fingerprint of its key.

    `host` is a lower-case name, an IPv4 address, or an IPv6 address without brackets in its short
    form, so that equal relays are equal values. Anything else raises `LocalError`.
    """

    host: str = field()
    port: int = field()
    fingerprint: bytes = field()

    @host.validator
    def _check_host(self, _attribute: object, host: str) -> None:
        if not is_host(host):
            raise LocalError("a relay's host is a lower-case name or an address in its short form")

    @port.validator
    def _check_port(self, _attribute: object, port: int) -> None:
        if not 1 <= port <= 65535:
            raise LocalError("a relay's port is between 1 and 65535")

    @fingerprint.validator
    def _check_fingerprint(self, _attribute: object, fingerprint: bytes) -> None:
        if len(fingerprint) != FINGERPRINT_SIZE:
            raise LocalError("a relay's fingerprint has 32 bytes")

    @property
    def authority(self) -> str:
        """`HOST:PORT`, an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def without_scheme(self) -> str:
        """`HOST:PORT#FINGERPRINT`, as it stands inside an invitation link."""
        key = urlsafe_b64encode(self.fingerprint).rstrip(b"=").decode("ascii")
        return f"{self.authority}#{key}"

    def __str__(self) -> str:
        return SCHEME + self.without_scheme


def parse_relay_address(text: str) -> RelayAddress:
    """Read `toheal-relay://HOST:PORT#FINGERPRINT`; one relay has one spelling.

    The scheme may be missing, as it is inside an invitation link.

    Raises:
        MalformedFrame: anything else, upper-case letters and numbers with leading zeros included.

    Spec: docs/protocol/mailboxes.md, section 1.
    """
    if len(text) > MAX_RELAY_ADDRESS_LENGTH:
        raise MalformedFrame("a relay address that is too long")
    parts = _TEXT.fullmatch(text.removeprefix(SCHEME))
    if parts is None:
        raise MalformedFrame("not a relay address")
    host, port = parts["host"], int(parts["port"])
    if host.startswith("["):
        host = host[1:-1]
        if ":" not in host:
            raise MalformedFrame("brackets are for IPv6")
    if not is_host(host) or port > 65535:
        raise MalformedFrame("not a host and port")
    return RelayAddress(host, port, _read_fingerprint(parts["key"]))


def _read_fingerprint(text: str) -> bytes:
    try:
        fingerprint = urlsafe_b64decode(text.encode("ascii") + b"=")
    except ValueError:
        raise MalformedFrame("not base64url") from None
    # the decoder skips foreign letters and ignores two spare bits; the one spelling must come back
    if urlsafe_b64encode(fingerprint).rstrip(b"=").decode("ascii") != text:
        raise MalformedFrame("a second spelling of a fingerprint")
    return fingerprint


def is_host(host: str) -> bool:
    """Say whether this is a lower-case name, an IPv4 address or an IPv6 address in its short form."""
    if ":" in host:
        return _is_ipv6(host)
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):  # resolvers read "127.1" and "0x7f" as addresses
        return _is_ipv4(host)
    return len(host) <= MAX_HOST_LENGTH and all(_LABEL.fullmatch(label) for label in labels)


def _is_ipv4(host: str) -> bool:
    try:
        return str(IPv4Address(host)) == host
    except AddressValueError:
        return False


def _is_ipv6(host: str) -> bool:
    try:
        # a zone like %eth0 means something on one machine only
        return "%" not in host and str(IPv6Address(host)) == host
    except AddressValueError:
        return False
