"""Where two people can meet by a spoken code: a relay, or a room of the local network.

The exchange itself (`machines.spoken_offer`, `machines.spoken_lookup`) knows bytes only. A place
carries them, both ways, and says what they are bound to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

import trio

from toheal_protocol.machines.spoken_keys import Channel
from toheal_protocol.messages.spoken import OfferId, Way

Claim: TypeAlias = Literal["ours", "taken", "unreachable"]
"""How asking for a number went: it is ours, somebody else's offer lies there, nobody answered."""


class SpokenPlace(Protocol):
    """One place that an inviter waits at. Its number can be claimed again under another one."""

    def channel(self, nameplate: str) -> Channel:
        """Return what a run at this place and number is bound to."""
        ...

    async def run(
        self,
        arrived: Callable[[bytes], None],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled; every frame for the inviter is handed to `arrived`."""
        ...

    async def claim(self, nameplate: str, offer: OfferId) -> Claim:
        """Announce an offer under a number, and stay announced until `withdraw`."""
        ...

    def answer(self, way: Way, frame: bytes) -> None:
        """Send a frame to whoever named this way. Best effort: they may be gone."""
        ...

    def withdraw(self) -> None:
        """Take the announcement away. What still arrives is handed over as before."""
        ...
