"""The relays of one circle as the application's doors see them. Everything is plain, as in `interface`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from attrs import field, frozen

from toheal_p2p.app.refusals import RefusalCode
from toheal_p2p.app.vocabulary import RelayState, RelayUse


@frozen
class CircleRelayView:
    """What a circle does at one relay.

    Attributes:
        state: how it answers; None where it is not contacted.
        reason: None unless it is out of reach.
        readers: the names of those who read there.
    """

    address: str
    use: RelayUse
    state: RelayState | None
    reason: RefusalCode | None
    readers: tuple[str, ...] = field(repr=False)
    again_in: int | None = None


class CircleRelays(Protocol):
    """Where we read in a circle, and where we write to the others."""

    async def circle_relays(self, circle: str) -> Sequence[CircleRelayView]:
        """Return every relay of a circle: ours first, then those others have named."""
        ...

    async def circle_relay(
        self, circle: str, address: str, *, change: Literal["add", "remove", "allow"]
    ) -> Sequence[CircleRelayView]:
        """Read at one relay more, or at one less, or write to those who read at one; return all.

        Removing one where we only write ends that.

        Raises:
            Refused: no_such_circle, ambiguous_name, left_circle, not_admitted_yet, declined_at_door,
                removed_from_circle, relay_address_malformed, no_such_relay, too_many_relays,
                last_relay.
        """
        ...
