"""The trio shell around one spoken code on offer.

It waits at all its places at once; three wrong words at any of them are three. Nothing of it is
stored: when the process ends, so does the code.

Spec: docs/protocol/spoken.md, section 5.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import trio
from attrs import define, evolve, field

from toheal_p2p.ports.spoken_places import Claim, SpokenPlace
from toheal_protocol.crypto import Entropy
from toheal_protocol.errors import RemoteError
from toheal_protocol.identity import SpokenCode, draw_nameplate
from toheal_protocol.machines import spoken_offer as machine
from toheal_protocol.machines.spoken_keys import Channel
from toheal_protocol.model import Instant

MOST_DRAWS: Final = 8
"""Numbers that are tried before we say that none is free."""


@define(eq=False)
class SpokenOfferService:
    """One code, its places, and its one seat.

    Args:
        make_seat: makes an ordinary invitation and returns its link; None when there can be none.
        code: with a number that `claim` may exchange for another.
    """

    code: SpokenCode
    places: Sequence[SpokenPlace]
    entropy: Entropy
    make_seat: Callable[[], Awaitable[str | None]]
    offer: machine.Offer = field(init=False)
    changed: trio.Event = field(factory=trio.Event, init=False)
    """Replaced and set whenever the offer stands differently."""
    _nursery: trio.Nursery | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        now = Instant(trio.current_time())
        self.offer = machine.begin_offer(self.code, entropy=self.entropy, now=now)

    async def run(self, *, task_status: trio.TaskStatus[Claim] = trio.TASK_STATUS_IGNORED) -> None:
        """Claim a number, then serve until the code's time is over.

        What `start` returns says whether there is a number; it serves only if there is.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for place in self.places:
                await nursery.start(place.run, partial(self._arrived, place))
            claim = await self._claim()
            task_status.started(claim)
            if claim == "ours":
                await trio.sleep_until(self.offer.expires)
                self.take(machine.Woke())
                # what is still owed to somebody who came late may go out
                await trio.sleep(LAST_WORDS)
            nursery.cancel_scope.cancel()

    def withdraw(self) -> None:
        """Take the code back."""
        self.take(machine.Withdrawn())

    def take(self, event: machine.Event) -> None:
        """Decide and act. A frame that breaks a rule changes nothing."""
        now = Instant(trio.current_time())
        try:
            self.offer, effects = machine.step(self.offer, event, now=now, entropy=self.entropy)
        except RemoteError:
            return
        for effect in effects:
            self._perform(effect)

    def _perform(self, effect: machine.Effect) -> None:
        match effect:
            case machine.Answer(channel, way, frame):
                place = next(one for one in self.places if self._channel(one) == channel)
                place.answer(way, frame)
            case machine.MakeSeat():
                if self._nursery is not None:
                    self._nursery.start_soon(self._make_seat)
            case machine.Changed():
                if self.offer.is_over:
                    for place in self.places:
                        place.withdraw()
                self.changed.set()
                self.changed = trio.Event()

    async def _make_seat(self) -> None:
        link = await self.make_seat()
        self.take(machine.SeatRefused() if link is None else machine.SeatMade(link))

    def _arrived(self, place: SpokenPlace, frame: bytes) -> None:
        self.take(machine.Arrived(self._channel(place), frame))

    def _channel(self, place: SpokenPlace) -> Channel:
        return place.channel(self.code.nameplate)

    async def _claim(self) -> Claim:
        """Find a number that nobody uses at any of our places."""
        for _ in range(MOST_DRAWS):
            claims: list[Claim] = []
            async with trio.open_nursery() as nursery:
                for place in self.places:
                    nursery.start_soon(self._claim_at, place, claims)
            if "taken" not in claims:
                return "ours" if "ours" in claims else "unreachable"
            self.code = evolve(self.code, nameplate=draw_nameplate(self.entropy))
        return "taken"

    async def _claim_at(self, place: SpokenPlace, claims: list[Claim]) -> None:
        claims.append(await place.claim(self.code.nameplate, self.offer.id))


LAST_WORDS: Final = 30.0
"""Seconds after its end during which a code still says that it is over."""
