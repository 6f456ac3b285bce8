"""What a running process tells on its terminal about its relays: changes, each once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field

from toheal_p2p.app.interface import ProgressView, RelayView
from toheal_p2p.app.relays import RelayPair
from toheal_p2p.app.vocabulary import ProgressCode


@define(eq=False)
class RelayNews:
    """Remembers what was told last of each relay, whichever circle it came from."""

    on_progress: Callable[[ProgressView], None]
    _told: dict[str, ProgressCode] = field(factory=dict, init=False)

    def begin(self, relays: Sequence[RelayView]) -> None:
        """Tell which relays are being called; one that no circle uses is not."""
        for relay in relays:
            if relay.state == "unreachable" and relay.address not in self._told:
                self._tell(relay.address, "connecting")

    def tell(self, pair: RelayPair) -> None:
        """Tell what came of it, if that is news."""
        self._tell(str(pair.address), "relay_connected" if pair.problem is None else "trying_again")

    def _tell(self, address: str, code: ProgressCode) -> None:
        if self._told.get(address) != code:
            self._told[address] = code
            self.on_progress(ProgressView(code, {"address": address}))
