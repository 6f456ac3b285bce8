"""Spoken codes as the application's doors see them. Everything is plain, as in `interface`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Literal, Protocol

from attrs import field, frozen

from toheal_p2p.app.vocabulary import SpokenState


@frozen
class SpokenView:
    """One spoken code on offer, or how it ended. Whoever hears `code` can knock, once."""

    id: str
    code: str = field(repr=False)
    expires_at: int
    tries_left: int
    state: SpokenState


@frozen
class LookedUpView:
    """What a code led to: an ordinary invitation, `link`. The code is used up."""

    link: str = field(repr=False)


class SpokenInterface(Protocol):
    """Offering, watching, withdrawing and looking up."""

    async def offer(
        self, circle: str, *, expires_in: int, language: Literal["ar", "en"]
    ) -> SpokenView:
        """Offer one seat by a code. Returns once somebody could look it up.

        Args:
            expires_in: seconds the seat stays open once its link was handed over.

        Raises:
            Refused: as `AppInterface.invite`, and spoken_no_number, relay_unreachable.
        """
        ...

    async def codes(self, circle: str) -> Sequence[SpokenView]:
        """Return the codes of a circle that wait for somebody."""
        ...

    def follow(self, circle: str, code_id: str) -> AsyncGenerator[SpokenView, None]:
        """Give how a code stands, and again whenever that changes, until it is over."""
        ...

    async def look_up(self, code: str, *, relays: Sequence[str]) -> LookedUpView:
        """Find who waits at the code's number and try its words with them. Takes seconds.

        Args:
            relays: where to look; empty: the relays this profile and its circles know.

        Raises:
            Refused: spoken_*, relay_address_malformed.
        """
        ...
