"""Being somewhere: what is said to, and heard from, everybody on one network.

Spec: docs/protocol/lan.md, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio
from attrs import define, field

from toheal_p2p.ports.lan import Spot
from toheal_protocol.crypto import Entropy
from toheal_protocol.machines import lan_discovery as machine
from toheal_protocol.model import Instant
from toheal_protocol.wire.lan_dns import Advert

HEARD_A_SECOND: Final = 400
"""Packets looked at in a second; whoever floods the network makes us deaf, not busy."""


@define(eq=False)
class Being:
    """One spot while it is open.

    Attributes:
        find: told of every advert under our labels, with the address it came from.
        note: told of the address of every packet.
    """

    spot: Spot
    presence: machine.Presence
    entropy: Entropy
    find: Callable[[Advert, str], None]
    note: Callable[[str], None]
    _stirred: trio.Event = field(factory=trio.Event, init=False, repr=False)

    async def run(self) -> None:
        """Speak and hear until cancelled.

        Raises:
            LanFailed: the network is gone, or lets nobody speak.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._speak)
            nursery.start_soon(self._hear)

    async def _speak(self) -> None:
        while True:
            self.presence, packets = machine.wake(self.presence, now=_now())
            for packet in packets:
                await self.spot.tell(packet)
            self._stirred = trio.Event()
            with trio.move_on_at(self.presence.wake_at):
                await self._stirred.wait()

    async def _hear(self) -> None:
        second, heard = 0, 0
        while True:
            packet, host = await self.spot.hear()
            if int(_now()) != second:
                second, heard = int(_now()), 0
            heard += 1
            if heard > HEARD_A_SECOND:
                await trio.sleep_until(second + 1)
            self.note(host)
            self.presence, adverts = machine.hear(
                self.presence, packet, now=_now(), entropy=self.entropy
            )
            for advert in adverts:
                self.find(advert, host)
            self._stirred.set()


def _now() -> Instant:
    return Instant(trio.current_time())
