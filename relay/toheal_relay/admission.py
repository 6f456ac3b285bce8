"""Who may come in, and how fast they may be.

An IP address is known here only as a hash under a key that is drawn anew every day and never
leaves memory, so that what we count by cannot be turned back into who it was.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from itertools import islice
from typing import Final

from attrs import define

from toheal_protocol.crypto import hash_parts
from toheal_protocol.model import Instant
from toheal_relay.limits import DAY, Limits
from toheal_relay.pace import Pace
from toheal_relay.shares import SOURCE_SIZE, Source

_KEY_SIZE: Final = 32

SWEEP_AT_ONCE: Final = 2_000
"""Sources looked at per sweep: about a millisecond."""


@define(eq=False)
class _Known:
    """What we keep about one source while it matters."""

    arrivals: Pace
    commands: Pace
    bytes: Pace
    stun: Pace
    short_stun: Pace
    grants: Pace
    connections: int = 0

    def is_idle(self, now: Instant) -> bool:
        paces = (
            self.arrivals,
            self.commands,
            self.bytes,
            self.stun,
            self.short_stun,
            self.grants,
        )
        return self.connections == 0 and all(pace.is_idle(now) for pace in paces)


class Admission:
    """The door of one relay. `draw` gives fresh random bytes."""

    def __init__(self, limits: Limits, *, draw: Callable[[int], bytes]) -> None:
        self.connections = 0
        self._limits = limits
        self._draw = draw
        self._day = -1
        self._key = b""
        self._known: dict[Source, _Known] = {}

    @property
    def sources(self) -> int:
        """How many sources we keep something about."""
        return len(self._known)

    def source_of(self, host: str, *, now: Instant) -> Source:
        """Name a source for today: an IPv4 address, or an IPv6 /64 (one household has that many)."""
        day = int(now // DAY)
        if day != self._day:
            self._day, self._key = day, self._draw(_KEY_SIZE)
        return Source(hash_parts("th1/source", self._key, _network_of(host))[:SOURCE_SIZE])

    def enter(self, source: Source, *, now: Instant) -> bool:
        """Let a connection in, or not. Who was let in has to `leave`."""
        known = self._look_up(source, now)
        limits = self._limits
        if (
            self.connections >= limits.connections
            or known.connections >= limits.connections_per_source
            or known.arrivals.take(1, now=now) > 0
        ):
            return False
        known.connections += 1
        self.connections += 1
        return True

    def leave(self, source: Source) -> None:
        """Note that a connection is gone."""
        self.connections -= 1
        known = self._known.get(source)
        if known is not None and known.connections > 0:
            known.connections -= 1

    def spend(self, source: Source, *, cost: float, size: int, now: Instant) -> float:
        """Take a command of a source; return 0, or after how many seconds to come again."""
        known = self._look_up(source, now)
        return known.commands.take(cost, now=now) or known.bytes.take(size, now=now)

    def ask_turn(self, source: Source, *, now: Instant) -> float:
        """Take a wish for TURN credentials; return 0, or after how many seconds to come again."""
        return self._look_up(source, now).grants.take(1, now=now)

    def may_answer_stun(self, source: Source, *, is_short: bool, now: Instant) -> bool:
        """Say whether a Binding request may be answered. `is_short`: it is shorter than its answer."""
        known = self._look_up(source, now)
        if known.stun.take(1, now=now) > 0:
            return False
        return not is_short or known.short_stun.take(1, now=now) == 0

    def sweep(self, *, now: Instant) -> None:
        """Forget sources that nothing reminds of, looking at a part of them each time."""
        for source in list(islice(self._known, SWEEP_AT_ONCE)):
            known = self._known.pop(source)
            if not known.is_idle(now):
                self._known[source] = known  # at the end of the line

    def _look_up(self, source: Source, now: Instant) -> _Known:
        known = self._known.get(source)
        if known is None:
            if len(self._known) >= self._limits.sources:
                self._make_room(now)
            known = self._known[source] = self._stranger()
        return known

    def _make_room(self, now: Instant) -> None:
        self.sweep(now=now)
        if len(self._known) >= self._limits.sources:  # forget all paces, keep those who are in
            self._known = {name: each for name, each in self._known.items() if each.connections}

    def _stranger(self) -> _Known:
        limits = self._limits
        factor = limits.source_factor
        return _Known(
            arrivals=Pace(limits.arrivals_per_second, limits.arrivals_burst),
            commands=Pace(limits.commands_per_second * factor, limits.commands_burst * factor),
            bytes=Pace(limits.bytes_per_second * factor, limits.bytes_burst * factor),
            stun=Pace(limits.stun_per_second, limits.stun_burst),
            short_stun=Pace(limits.short_stun_per_second, limits.short_stun_burst),
            grants=Pace(limits.grants_per_second, limits.grants_burst),
        )


def _network_of(host: str) -> bytes:
    address = ip_address(host)
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return mapped.packed if mapped is not None else address.packed[:8]
    return address.packed
