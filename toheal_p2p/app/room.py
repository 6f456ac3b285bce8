"""The room: whether people who share no circle with us may find us on the local network just now.

It is apart from meeting in a circle: only a spoken code that is on offer is ever announced here.
Nothing of it is kept: after a restart it is closed.

Docs: docs/command-line.md, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio
from attrs import define, field

from toheal_p2p.app.network_policy import NetworkPolicy
from toheal_p2p.app.refusals import Refused
from toheal_p2p.ports.lan import Lan


@define(eq=False)
class Room:
    """Open until its time is over, somebody closes it, or the local network is off limits."""

    network: NetworkPolicy
    lan: Lan | None
    interfaces: frozenset[str] = frozenset()
    ends: float = 0.0
    """When it closes by itself, by the clock of trio."""
    _closing: dict[int, Callable[[], None]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.network.on_change(self._close_if_forbidden)

    @property
    def is_open(self) -> bool:
        """Say whether newcomers may find us now."""
        return self.network.may_use_lan and trio.current_time() < self.ends

    @property
    def seconds_left(self) -> int:
        """Return for how long it stays open."""
        return max(0, int(self.ends - trio.current_time())) if self.is_open else 0

    def require_lan(self) -> Lan:
        """Return the local network.

        Raises:
            Refused: not_supported_here, lan_off.
        """
        if self.lan is None:
            raise Refused("not_supported_here")
        if not self.network.may_use_lan:
            raise Refused("lan_off")
        return self.lan

    def open(self, *, seconds: int, interfaces: frozenset[str]) -> None:
        """Open it, or open it anew; what was on offer under the old terms ends."""
        self.require_lan()
        self.close()
        self.interfaces, self.ends = interfaces, trio.current_time() + seconds

    def close(self) -> None:
        """Close it, and with it whatever is announced here."""
        self.ends = 0.0
        for close in list(self._closing.values()):
            close()

    @contextmanager
    def until_closed(self, close: Callable[[], None]) -> Iterator[None]:
        """Have something closed when the room closes, for as long as this lasts."""
        key = id(close)
        self._closing[key] = close
        try:
            yield
        finally:
            self._closing.pop(key, None)

    def _close_if_forbidden(self) -> None:
        if not self.network.may_use_lan:
            self.close()
