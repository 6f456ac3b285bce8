"""To whom packets may be passed on: no way into anybody's home network, nor into our own machine.

A TURN server sends whatever its clients like to wherever they like, from inside the network of the
volunteer who runs it. So special addresses are refused, and every address of this machine but
the relayed ports of its other clients: two members who use one relay meet exactly there.

Source: RFC 8656, section 21.2 (firewall considerations).
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeAlias

from attrs import frozen

Network: TypeAlias = IPv4Network | IPv6Network

_INTERNET: Final = IPv6Network("2000::/3")
"""All of IPv6 that is anybody's on the internet (RFC 4291, section 2.4). Outside of it are what is
private, of one link or one machine, and most clothes of IPv4 addresses, which somebody on the way
might take off: ::ffff:0:0/96, 64:ff9b::/96 (NAT64)."""

_SPECIAL: Final = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "3ffe::/16"))
)
"""What is special in it: Teredo, ORCHID, benchmarking and other protocols of the IETF; documentation, twice;
6to4; a test that is over. Source: IANA's registry of special-purpose addresses; RFC 3701."""

SITE: Final = 48
"""Bits of an IPv6 address that one site is given at most (RFC 6177)."""


@frozen
class PeerRules:
    """What is refused, relayed ports of this relay left aside.

    `is_ours` tells an address of this machine; `listening` are the ports the relay itself is
    reached at. Peers in the networks of `allowed` may be special, of our own `site`, or other programs
    here.
    """

    is_ours: Callable[[str], bool]
    listening: frozenset[int]
    allowed: tuple[Network, ...] = ()
    site: IPv6Network | None = None

    def refuses(self, host: str, port: int | None) -> bool:
        """Say whether a peer is refused; without a port, whether all of them are."""
        address = IPv6Address(host) if is_ipv6(host) else IPv4Address(host)
        if port == 0:
            return True
        if any(address in network for network in self.allowed):
            return port in self.listening and self.is_ours(host)
        is_near = self.site is not None and address in self.site
        return is_near or is_special(host) or self.is_ours(host)


def is_ipv6(host: str) -> bool:
    """Say of which family an address is, written as sockets take it."""
    return ":" in host


def site_of(host: str) -> IPv6Network | None:
    """Return the network that is likely the relay's own, around its IPv6 address. IPv4 has none: what
    is at home with a relay has private addresses there."""
    return IPv6Network((host, SITE), strict=False) if is_ipv6(host) else None


def is_special(host: str) -> bool:
    """Say whether an address is anything but that of a single machine on the internet.

    Private, loopback, link-local (with the metadata services of clouds), shared (CGNAT),
    unspecified, multicast, broadcast, documentation, benchmarking and reserved ones are, and those of
    IPv6 with an IPv4 address in them.
    """
    try:
        address = IPv6Address(host) if is_ipv6(host) else IPv4Address(host)
    except AddressValueError:
        return True
    if isinstance(address, IPv6Address):
        return address not in _INTERNET or any(address in network for network in _SPECIAL)
    return not address.is_global or address.is_multicast
