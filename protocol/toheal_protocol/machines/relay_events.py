"""What a person decides about the relays of one circle. All of it is part of `events.Event`."""

from __future__ import annotations

from attrs import frozen

from toheal_protocol.wire.relay_address import RelayAddress


@frozen
class RelayAdded:
    """The person wants to read at one relay more."""

    relay: RelayAddress


@frozen
class RelayDropped:
    """The person wants to read at a relay no more, or to deposit there no more."""

    relay: RelayAddress


@frozen
class RelayAllowed:
    """The person lets us deposit at a relay that others read at."""

    relay: RelayAddress
