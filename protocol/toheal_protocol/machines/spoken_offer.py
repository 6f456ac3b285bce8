"""The inviter's side of a spoken code: three tries, ten minutes, one seat.

```
  open ── right proof ──> sealing ── SeatMade ──> handed over
   │                         └────── SeatRefused ─> no seat
   ├── third wrong proof, or the 17th approach ──> burned
   ├── Woke, ten minutes later ──────────────────> expired
   └── Withdrawn ────────────────────────────────> withdrawn
```
An approach is answered and costs nothing: the answer holds nothing that a guess could be compared
with. A proof is the guess. Whatever comes after the end is told that it is over.

The machine knows no relay. Frames arrive on a `Channel`, answers leave by the `Way` their approach
named; `services.spoken_relay` does both at relays, and a room of the local network can.

It is kept in memory only. When the process ends, so does the code; no seat was made for it yet.

Spec: docs/protocol/spoken.md, section 5.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, TypeAlias, assert_never

from attrs import evolve, field, frozen

from toheal_protocol.crypto import (
    CPACE_SHARE_SIZE,
    NONCE_SIZE,
    CPaceSecret,
    Entropy,
    cpace_share,
    equal,
    seal,
)
from toheal_protocol.errors import RemoteError
from toheal_protocol.identity import SpokenCode
from toheal_protocol.machines.spoken_keys import (
    Channel,
    SpokenKeys,
    spoken_generator,
    spoken_keys,
)
from toheal_protocol.messages.spoken import (
    SPOKEN_ID_SIZE,
    OfferId,
    RunId,
    SpokenAnswer,
    SpokenApproach,
    SpokenHandover,
    SpokenMessage,
    SpokenProof,
    SpokenRefusal,
    SpokenTurnedAway,
    Way,
    decode_spoken,
    encode_spoken,
)
from toheal_protocol.model import Instant

SPOKEN_LIFE: Final = 600.0
"""Seconds a code lives: a telephone call, not a day."""

SPOKEN_TRIES: Final = 3
"""Wrong words that burn a code. With 30 bits of words, one stranger in 358 million gets in."""

MAX_APPROACHES: Final = 16
"""Runs a code answers. Who begins more than people do is somebody filling our memory."""


MAX_ANSWERS: Final = 256
"""Frames a code sends in its life. Approaches and proofs are repeated for nothing, and each would
have us write into a mailbox that a stranger named."""


class Stage(Enum):
    """How an offer stands."""

    OPEN = "waiting"
    SEALING = "sealing"
    HANDED_OVER = "handed_over"
    BURNED = "burned"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    NO_SEAT = "no_seat"


@frozen
class Arrived:
    """A frame came by one of the ways the announcement named."""

    channel: Channel
    frame: bytes = field(repr=False)


@frozen
class SeatMade:
    """There is an invitation for whoever proved to know the words."""

    link: str = field(repr=False)


@frozen
class SeatRefused:
    """There can be no invitation any more: the circle is full, or left."""


@frozen
class Withdrawn:
    """The inviter takes the code back."""


@frozen
class Woke:
    """The instant that was asked for has come."""


Event: TypeAlias = Arrived | SeatMade | SeatRefused | Withdrawn | Woke


@frozen
class Answer:
    """Send a frame to whoever approached."""

    channel: Channel
    way: Way = field(repr=False)
    frame: bytes = field(repr=False)


@frozen
class MakeSeat:
    """Make an ordinary invitation and bring it as `SeatMade`."""


@frozen
class Changed:
    """The stage or the tries are others than before: the inviter may want to know."""


Effect: TypeAlias = Answer | MakeSeat | Changed


@frozen
class Run:
    """One try: from an approach to the last thing said about it. `last` is repeated when asked."""

    approach: SpokenApproach
    channel: Channel
    keys: SpokenKeys = field(repr=False)
    last: bytes = field(repr=False)
    is_proved: bool = False
    is_refused: bool = False


@frozen
class Offer:
    """One code on offer. `words` are the 8 secret bytes of the code."""

    id: OfferId
    words: bytes = field(repr=False)
    expires: Instant
    stage: Stage = Stage.OPEN
    tries_left: int = SPOKEN_TRIES
    answers_left: int = MAX_ANSWERS
    runs: tuple[Run, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether nobody can get anything any more for knowing the words."""
        return self.stage not in (Stage.OPEN, Stage.SEALING)


def begin_offer(code: SpokenCode, *, entropy: Entropy, now: Instant) -> Offer:
    """Begin to wait for somebody who knows the words."""
    offer = OfferId(entropy.draw(SPOKEN_ID_SIZE))
    return Offer(offer, code.secret, Instant(now + SPOKEN_LIFE))


def step(
    offer: Offer, event: Event, *, now: Instant, entropy: Entropy
) -> tuple[Offer, tuple[Effect, ...]]:
    """Take one event and return the next state and the effects to carry out.

    Raises:
        RemoteError: the frame that arrived is none, or breaks a rule. The state is as it was.
    """
    if now >= offer.expires and offer.stage is Stage.OPEN:
        offer = evolve(offer, stage=Stage.EXPIRED)
        changed, effects = step(offer, event, now=now, entropy=entropy)
        return changed, (Changed(), *effects)
    match event:
        case Arrived(channel, frame):
            return _paced(*_take(offer, channel, decode_spoken(frame), entropy))
        case SeatMade(link):
            return _hand_over(offer, link)
        case SeatRefused():
            return _end(offer, Stage.NO_SEAT)
        case Withdrawn():
            return _end(offer, Stage.WITHDRAWN) if not offer.is_over else (offer, ())
        case Woke():
            return offer, ()
        case _:
            assert_never(event)


def _paced(offer: Offer, effects: tuple[Effect, ...]) -> tuple[Offer, tuple[Effect, ...]]:
    """Count what is answered to strangers, and say nothing more when it was enough."""
    said = sum(isinstance(effect, Answer) for effect in effects)
    if said > offer.answers_left:
        return offer, tuple(effect for effect in effects if not isinstance(effect, Answer))
    return evolve(offer, answers_left=offer.answers_left - said), effects


def _take(
    offer: Offer, channel: Channel, message: SpokenMessage, entropy: Entropy
) -> tuple[Offer, tuple[Effect, ...]]:
    match message:
        case SpokenApproach():
            return _take_approach(offer, channel, message, entropy)
        case SpokenProof(run, proof):
            return _take_proof(offer, channel, run, proof)
        case _:
            raise RemoteError("a message that only an inviter sends")


def _take_approach(
    offer: Offer, channel: Channel, approach: SpokenApproach, entropy: Entropy
) -> tuple[Offer, tuple[Effect, ...]]:
    known = _find(offer, approach.run)
    if known is not None and (known.approach, known.channel) != (approach, channel):
        raise RemoteError("two approaches of one run")
    if known is not None:
        return offer, (Answer(channel, approach.way, known.last),)
    if approach.offer != offer.id:
        raise RemoteError("an approach to another offer")
    if offer.stage is not Stage.OPEN:
        return offer, (Answer(channel, approach.way, _refusal(offer, approach.run)),)
    if len(offer.runs) >= MAX_APPROACHES:
        return _end(offer, Stage.BURNED)
    run = _answer(offer, channel, approach, entropy)
    return evolve(offer, runs=(*offer.runs, run)), (Answer(channel, approach.way, run.last),)


def _answer(offer: Offer, channel: Channel, approach: SpokenApproach, entropy: Entropy) -> Run:
    """Speak our half. Our secret of this run is forgotten here; what is left are the keys."""
    secret = CPaceSecret(entropy.draw(CPACE_SHARE_SIZE))
    generator = spoken_generator(offer.words, channel=channel, offer=offer.id, run=approach.run)
    share = cpace_share(secret, generator)
    keys = spoken_keys(
        secret,
        approach.share,
        joiner=approach.share,
        inviter=share,
        way=approach.way,
        offer=offer.id,
        run=approach.run,
    )
    return Run(approach, channel, keys, encode_spoken(SpokenAnswer(approach.run, share)))


def _take_proof(
    offer: Offer, channel: Channel, run_id: RunId, proof: bytes
) -> tuple[Offer, tuple[Effect, ...]]:
    run = _find(offer, run_id)
    if run is None or run.channel != channel:
        raise RemoteError("a proof of no run")
    if run.is_proved or run.is_refused:  # a repeat, or a second guess in one run: neither counts
        return offer, (Answer(channel, run.approach.way, run.last),)
    if offer.stage is not Stage.OPEN:
        return _refuse(offer, run, SpokenRefusal.OVER)
    if equal(run.keys.joiner_proof, proof):
        proved = _put(offer, evolve(run, is_proved=True))
        return evolve(proved, stage=Stage.SEALING), (MakeSeat(), Changed())
    tries_left = offer.tries_left - 1
    counted = evolve(offer, tries_left=tries_left)
    refused, effects = _refuse(counted, run, SpokenRefusal.WRONG_WORDS)
    if tries_left > 0:
        return refused, (Changed(), *effects)
    ended, more = _end(refused, Stage.BURNED)
    return ended, (*effects, *more)


def _hand_over(offer: Offer, link: str) -> tuple[Offer, tuple[Effect, ...]]:
    run = next((one for one in offer.runs if one.is_proved), None)
    if run is None or offer.stage is not Stage.SEALING:
        return offer, ()
    # the key was derived from secrets of this run and seals once, so its nonce is zero
    sealed = seal(run.keys.seal_key, bytes(NONCE_SIZE), link.encode("ascii"))
    last = encode_spoken(SpokenHandover(run.approach.run, run.keys.inviter_proof, sealed))
    handed = _put(evolve(offer, stage=Stage.HANDED_OVER), evolve(run, last=last))
    return handed, (Answer(run.channel, run.approach.way, last), Changed())


def _end(offer: Offer, stage: Stage) -> tuple[Offer, tuple[Effect, ...]]:
    """End the offer; whoever proved the words and waits for a seat is told."""
    ended = evolve(offer, stage=stage)
    waiting = [one for one in ended.runs if one.is_proved and not one.is_refused]
    effects: tuple[Effect, ...] = (Changed(),)
    for run in waiting:
        ended, more = _refuse(ended, run, SpokenRefusal.OVER)
        effects += more
    return ended, effects


def _refuse(offer: Offer, run: Run, reason: SpokenRefusal) -> tuple[Offer, tuple[Effect, ...]]:
    last = _refusal(offer, run.approach.run, reason)
    refused = _put(offer, evolve(run, is_refused=True, last=last))
    return refused, (Answer(run.channel, run.approach.way, last),)


def _refusal(offer: Offer, run: RunId, reason: SpokenRefusal = SpokenRefusal.OVER) -> bytes:
    return encode_spoken(SpokenTurnedAway(run, reason, offer.tries_left))


def _find(offer: Offer, run_id: RunId) -> Run | None:
    return next((run for run in offer.runs if run.approach.run == run_id), None)


def _put(offer: Offer, changed: Run) -> Offer:
    runs = tuple(changed if one.approach.run == changed.approach.run else one for one in offer.runs)
    return evolve(offer, runs=runs)
