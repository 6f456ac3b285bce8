"""To whom packets may be passed on: no way into anybody's home network, nor into our own machine.

A TURN server sends whatever its clients like to wherever they like, from inside the network of the
volunteer who runs it. So special addresses are refused, and every address of this machine but
the relayed ports of its other clients: two members who use one relay meet exactly there.

Source: RFC 8656, section 21.2 (firewall considerations).
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from attrs import frozen


@frozen
class PeerRules:
    """What is refused, relayed ports of this relay left aside.

    `is_ours` tells an address of this machine; `listening` are the ports the relay itself is
    reached at. Peers in the networks of `allowed` may be special, or other programs here.
    """

    is_ours: Callable[[str], bool]
    listening: frozenset[int]
    allowed: tuple[IPv4Network, ...] = ()

    def refuses(self, host: str, port: int | None) -> bool:
        """Say whether an IPv4 peer is refused; without a port, whether all of them are."""
        address = IPv4Address(host)
        if port == 0:
            return True
        if any(address in network for network in self.allowed):
            return port in self.listening and self.is_ours(host)
        return is_special(host) or self.is_ours(host)


def is_special(host: str) -> bool:
    """Say whether an IPv4 address is anything but that of a single machine on the internet.

    Private, loopback, link-local (with the metadata services of clouds), shared (CGNAT),
    unspecified, multicast, broadcast, documentation, benchmarking and reserved ones are.
    """
    try:
        address = IPv4Address(host)
    except AddressValueError:
        return True
    return not address.is_global or address.is_multicast
