"""Pace: so much at once and so much per second, in one number of memory.

The generic cell rate algorithm: `_empty_at` is when everything taken so far would have drained.

Source: ITU-T I.371, annex A (virtual scheduling).
"""

from __future__ import annotations

from typing import Final

from attrs import define

from toheal_protocol.model import Instant

ROUNDING: Final = 1e-9
"""Seconds that arithmetic may get wrong, so that nobody waits for a rounding error."""


@define(eq=False)
class Pace:
    """One bucket that holds `burst` and drains `rate` per second."""

    rate: float
    burst: float
    _empty_at: float = 0.0

    def take(self, cost: float, *, now: Instant) -> float:
        """Take `cost` if it fits and return 0; otherwise take nothing and return the seconds to wait."""
        empty_at = max(self._empty_at, now) + cost / self.rate
        excess = empty_at - now - self.burst / self.rate
        if excess > ROUNDING:
            return excess
        self._empty_at = empty_at
        return 0.0

    def has_room(self, cost: float, *, now: Instant) -> bool:
        """Say whether `take` would give `cost`."""
        empty_at = max(self._empty_at, now) + cost / self.rate
        return empty_at - now - self.burst / self.rate <= ROUNDING

    def owe(self, cost: float, *, now: Instant) -> float:
        """Take `cost` in any case and return for how many seconds nothing more should be taken."""
        self._empty_at = max(self._empty_at, now) + cost / self.rate
        excess = self._empty_at - now - self.burst / self.rate
        return excess if excess > ROUNDING else 0.0

    def is_idle(self, now: Instant) -> bool:
        """Whether all has drained, so that forgetting this pace changes nothing."""
        return self._empty_at <= now
