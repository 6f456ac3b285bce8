"""How much may be passed on: bytes of one source and of all together, and packets to strangers.

Spec: docs/protocol/turn.md, sections 4 and 5.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.model import Instant
from toheal_relay.limits import Limits
from toheal_relay.pace import Pace
from toheal_relay.turn.allocation import Allocation, Peer

CREDIT: Final = 32 * 1024
"""Bytes an allocation takes from its source's quota at once: two paces per packet would be dear."""


class Quotas:
    """Counts what allocations pass on."""

    def __init__(self, limits: Limits) -> None:
        self.granted = 0
        """Bytes that were allowed to pass since the start, in steps of `CREDIT`."""
        self._limits = limits
        self._total = Pace(limits.relayed_total_per_second, limits.relayed_total_burst)

    def allowed(self, allocation: Allocation, size: int, count: int, now: Instant) -> int:
        """Count packets of one size, and return how many of them quotas let pass."""
        before = allocation.credit
        allocation.credit -= size * count
        if allocation.credit >= 0 or self._extend(allocation, now):
            return count
        allocation.credit = before
        for passed in range(count):  # not all of them: one by one, then
            allocation.credit -= size
            if allocation.credit < 0 and not self._extend(allocation, now):
                return passed
        return count

    def _extend(self, allocation: Allocation, now: Instant) -> bool:
        """Let an allocation relay some more, if its source and all together may."""
        wanted = CREDIT - allocation.credit
        if not self._total.has_room(wanted, now=now) or allocation.quota.bytes.take(
            wanted, now=now
        ):
            allocation.credit = 0
            return False
        self._total.take(wanted, now=now)
        allocation.credit = CREDIT
        self.granted += wanted
        return True

    def may_risk(self, allocation: Allocation, peer: Peer, now: Instant) -> bool:
        """Let one more packet go to somebody who may never have asked for any."""
        if peer.risked >= self._limits.stranger_packets:
            return False
        if allocation.quota.strangers.take(1, now=now):
            return False
        peer.risked += 1
        return True
