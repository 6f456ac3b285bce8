"""A relay in memory: the real desk and mailboxes, and no network.

For tests of services and whole networks in virtual time. `dial` fulfils `ports.relays.Dial`.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from tests.support.entropy import SeededEntropy
from toheal_p2p.ports.relays import Reason, RelayLost
from toheal_protocol.errors import RemoteError
from toheal_protocol.model import Instant
from toheal_protocol.wire.mailbox import Deposit, decode_command
from toheal_protocol.wire.mailbox_answers import DONE, encode_reply
from toheal_protocol.wire.relay_address import RelayAddress
from toheal_relay.desk import Desk, Visitor
from toheal_relay.limits import Limits
from toheal_relay.metrics import Holdings

BATCH = 64
"""Messages a channel gives at once: what a read of a real one may hold."""


class MemoryRelay:
    """One relay that can be restarted, cut off, or made to refuse."""

    def __init__(
        self,
        *,
        host: str = "relay.example",
        port: int = 3478,
        seed: int = 0,
        limits: Limits | None = None,
    ) -> None:
        self.address = RelayAddress(host, port, SeededEntropy(seed + 7_000).draw(32))
        self.is_up = True
        self.answers_as: Reason | None = None
        """A reason that every attempt to dial meets, if not None."""
        self.is_mute = False
        """Whether it swallows everything and says nothing, as behind a dead network."""
        self.is_slow_by = 0.0
        """Seconds that each message of a client takes to get here."""
        self.dialled_after = 0.0
        """Seconds until somebody who dials is answered."""
        self.is_forgetful = False
        """Whether it answers for deposits and keeps none."""
        self.is_brusque = False
        """Whether it ends each connection right after its hello."""
        self.heard: list[bytes] = []
        """Every message that any client sent, in order."""
        self.dials = 0
        self._entropy = SeededEntropy(seed)
        self._limits = limits or Limits()
        self._channels: dict[Visitor, MemoryRelayChannel] = {}
        self.desk = self._new_desk()

    @property
    def boot(self) -> bytes:
        return self.desk.boot

    def holdings(self) -> Holdings:
        return self.desk.holdings()

    async def dial(self, address: RelayAddress) -> MemoryRelayChannel:
        await trio.sleep(self.dialled_after)
        self.dials += 1
        if self.answers_as is not None:
            raise RelayLost(self.answers_as)
        if not self.is_up:
            raise RelayLost("unreachable")
        if address.fingerprint != self.address.fingerprint:
            raise RelayLost("wrong_fingerprint")
        visitor = self.desk.enter("192.0.2.1", now=_now())
        if visitor is None:
            raise RelayLost("full")
        channel = self._channels[visitor] = MemoryRelayChannel(self, visitor)
        if self.is_brusque:
            channel.is_brusque = True
        return channel

    def limit(self, limits: Limits) -> None:
        """Have other limits from now on, for what lies here and comes."""
        self._limits = limits
        self.desk.limits = limits
        self.desk._mailboxes._limits = limits

    def wake_all(self) -> None:
        """Let everybody look again, as when a line that was blocked is free."""
        for channel in self._channels.values():
            channel.news.set()

    def restart(self) -> None:
        """Forget everything and everybody, as a restarted process does."""
        self.cut()
        self.desk = self._new_desk()

    def stop(self) -> None:
        """Go away until `start`."""
        self.is_up = False
        self.restart()

    def start(self) -> None:
        self.is_up = True

    def cut(self, reason: Reason = "closed") -> None:
        """End all connections; the mailboxes stay."""
        for channel in list(self._channels.values()):
            channel.lose(reason)

    def wake(self) -> None:
        """Let everybody for whom there is something new look at it."""
        for visitor in self.desk.take_stirred():
            channel = self._channels.get(visitor)
            if channel is not None:
                if visitor.is_cut:
                    channel.lose("full")
                channel.news.set()

    def leave(self, visitor: Visitor) -> None:
        if self._channels.pop(visitor, None) is not None:
            self.desk.leave(visitor, now=_now())

    def _new_desk(self) -> Desk:
        return Desk(self._limits, fingerprint=self.address.fingerprint, draw=self._entropy.draw)


class MemoryRelayChannel:
    """One connection to a `MemoryRelay`. Fulfils `ports.relays.RelayChannel`."""

    def __init__(self, relay: MemoryRelay, visitor: Visitor) -> None:
        self.news = trio.Event()
        self.is_brusque = False
        self._relay = relay
        self._visitor = visitor
        self._lost: Reason | None = None

    async def send(self, messages: Sequence[bytes]) -> None:
        await trio.lowlevel.checkpoint()
        relay = self._relay
        for message in messages:
            if self._lost is not None:
                raise RelayLost(self._lost)
            if relay.is_slow_by:
                await trio.sleep(relay.is_slow_by)
            relay.heard.append(message)
            if relay.is_mute:
                continue
            if relay.is_forgetful and isinstance(command := decode_command(message), Deposit):
                relay.desk._say(self._visitor, encode_reply(command.number, [DONE]))
                relay.wake()
                continue
            try:
                pause = relay.desk.receive(self._visitor, message, now=_now())
            except RemoteError:
                self.lose("refused")
                return
            relay.wake()
            if pause:
                await trio.sleep(pause)

    async def receive(self) -> Sequence[bytes]:
        await trio.lowlevel.checkpoint()
        while True:
            if self._lost is not None:
                raise RelayLost(self._lost)
            self.news = trio.Event()
            messages = self._next_messages()
            if messages:
                if self.is_brusque:
                    self.lose("closed")
                return messages
            await self.news.wait()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.lose("closed")

    def lose(self, reason: Reason) -> None:
        if self._lost is None:
            self._lost = reason
            self._relay.leave(self._visitor)
            self.news.set()

    def _next_messages(self) -> list[bytes]:
        messages: list[bytes] = []
        while len(messages) < BATCH and not self._relay.is_mute:
            message = self._relay.desk.next_message(self._visitor, now=_now())
            if message is None:
                break
            messages.append(message)
        return messages


def _now() -> Instant:
    return Instant(trio.current_time())
