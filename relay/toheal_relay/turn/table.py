"""All allocations of one relay: who has one, which port it is, and how many there may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator

from toheal_protocol.model import Instant
from toheal_relay.limits import Limits
from toheal_relay.pace import Pace
from toheal_relay.shares import Source
from toheal_relay.turn.allocation import Allocation, PeerAddress, Port, Quota, Route


class Table:
    """Allocations by client and by port.

    Args:
        open_port: gives a fresh relayed port at this host of ours, of an even number if told so; None
            if there is none.
        close_port: gives it back.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        open_port: Callable[[str, bool], Port | None],
        close_port: Callable[[Port], None],
    ) -> None:
        self.by_client: dict[Hashable, Allocation] = {}
        self.by_port: dict[PeerAddress, Allocation] = {}
        self.routes: dict[tuple[Hashable, bytes], Route] = {}
        """What `Packets` has worked out for channels in use."""
        self._limits = limits
        self._open_port = open_port
        self._close_port = close_port
        self._quotas: dict[Source, Quota] = {}
        self._names: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return len(self.by_client)

    def find(self, client: Hashable, now: Instant) -> Allocation | None:
        """Return a client's allocation, if it has one and its time is not over."""
        allocation = self.by_client.get(client)
        if allocation is not None and allocation.expires_at <= now:
            self.remove(allocation)
            return None
        return allocation

    def is_full(self) -> bool:
        """Say whether nobody can have another allocation."""
        return len(self.by_client) >= self._limits.allocations

    def has_its_share(self, source: Source, username: bytes) -> bool:
        """Say whether this source, or whoever was given this name, has as many as it may have."""
        return (
            self.quota_of(source).allocations >= self._limits.allocations_per_source
            or self._names[username] >= self._limits.allocations_per_name
        )

    def quota_of(self, source: Source) -> Quota:
        """Return what a source uses of us."""
        quota = self._quotas.get(source)
        if quota is None:
            limits = self._limits
            quota = self._quotas[source] = Quota(
                Pace(limits.relayed_per_second, limits.relayed_burst),
                Pace(limits.strangers_per_second, limits.strangers_burst),
            )
        return quota

    def open_port(self, host: str, *, even: bool) -> Port | None:
        """Return a fresh relayed port for an allocation that is then added; None if there is none."""
        return self._open_port(host, even)

    def add(self, allocation: Allocation) -> None:
        """Take a new allocation in."""
        self.by_client[allocation.client.key] = allocation
        self.by_port[allocation.port.address] = allocation
        self._names[allocation.username] += 1
        allocation.quota.allocations += 1

    def set_expiry(self, allocation: Allocation, until: Instant) -> None:
        """Let an allocation live until then, which may be sooner than it would have."""
        if until < allocation.expires_at:
            self.routes.clear()
        allocation.expires_at = until

    def remove(self, allocation: Allocation) -> None:
        """Give back its port and forget it."""
        self.routes.clear()
        del self.by_client[allocation.client.key]
        del self.by_port[allocation.port.address]
        allocation.quota.allocations -= 1
        self._names[allocation.username] -= 1
        if not self._names[allocation.username]:
            del self._names[allocation.username]
        self._close_port(allocation.port)

    def sweep(self, now: Instant) -> None:
        """Forget allocations whose time is over, and sources that nothing reminds of."""
        for allocation in list(self._expired(now)):
            self.remove(allocation)
        for source in [each for each, quota in self._quotas.items() if quota.is_idle(now)]:
            del self._quotas[source]

    def _expired(self, now: Instant) -> Iterator[Allocation]:
        return (each for each in self.by_client.values() if each.expires_at <= now)
