"""How often one machine on the network is called, whoever says that members are there.

Addresses are announced by strangers too: without a pace somebody could have all of a room call one
machine as fast as they can.

Spec: docs/protocol/lan.md, section 3.3.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import trio
from attrs import define, field

CALLS_OF_ONE: Final = 16
"""Calls to one address within `WITHIN`: as many as its doorstep takes from one address at a time."""

WITHIN: Final = 10.0
"""Seconds for which a call counts."""


@define(eq=False)
class Pace:
    """Remembers whom we called lately."""

    _calls: dict[str, deque[float]] = field(factory=dict, init=False)

    async def turn(self, host: str) -> None:
        """Wait until this machine may be called once more, and count it."""
        while True:
            self._forget()
            calls = self._calls.setdefault(host, deque())
            if len(calls) < CALLS_OF_ONE:
                calls.append(trio.current_time())
                await trio.lowlevel.checkpoint()
                return
            await trio.sleep_until(calls[0] + WITHIN)

    def _forget(self) -> None:
        now = trio.current_time()
        for host, calls in list(self._calls.items()):
            while calls and calls[0] + WITHIN <= now:
                calls.popleft()
            if not calls:
                del self._calls[host]
