"""Two sides of a spoken code without a network: what one says is handed to the other by the test."""

from __future__ import annotations

from attrs import define, field

from tests.support.entropy import SeededEntropy
from toheal_protocol.crypto import Entropy
from toheal_protocol.identity import SpokenCode, parse_spoken_code
from toheal_protocol.machines import spoken_lookup, spoken_offer
from toheal_protocol.machines.spoken_keys import Channel, relay_channel
from toheal_protocol.messages.spoken import SpokenAnnouncement, Way
from toheal_protocol.model import Instant, WallTime
from toheal_protocol.wire.invitation_link import InvitationLink
from toheal_protocol.wire.relay_address import RelayAddress

RELAY = RelayAddress("relay.example", 3478, bytes(range(32)))
LINK = InvitationLink(RELAY, bytes(range(32)), bytes(16), WallTime(1_900_000_000))
CODE = parse_spoken_code("7421 lantern giraffe marble")
WRONG = parse_spoken_code("7421 lantern giraffe zebra")
CHANNEL = relay_channel(RELAY.fingerprint, CODE.nameplate)
WAY = Way(bytes(32))


@define(eq=False)
class Inviter:
    """The inviter's machine, its answers, and how often it asked for a seat."""

    code: SpokenCode = CODE
    entropy: Entropy = field(factory=lambda: SeededEntropy(1))
    now: float = 0.0
    offer: spoken_offer.Offer = field(init=False)
    answers: list[spoken_offer.Answer] = field(factory=list)
    seats_asked: int = 0
    changes: int = 0

    def __attrs_post_init__(self) -> None:
        self.offer = spoken_offer.begin_offer(
            self.code, entropy=self.entropy, now=Instant(self.now)
        )

    @property
    def announcement(self) -> SpokenAnnouncement:
        return SpokenAnnouncement(self.offer.id, WAY)

    def feed(self, event: spoken_offer.Event) -> list[bytes]:
        """Take an event; return the frames it is answered with."""
        self.offer, effects = spoken_offer.step(
            self.offer, event, now=Instant(self.now), entropy=self.entropy
        )
        answers = [effect for effect in effects if isinstance(effect, spoken_offer.Answer)]
        self.answers += answers
        self.seats_asked += sum(isinstance(effect, spoken_offer.MakeSeat) for effect in effects)
        self.changes += sum(isinstance(effect, spoken_offer.Changed) for effect in effects)
        return [answer.frame for answer in answers]

    def hear(self, frame: bytes, *, channel: Channel = CHANNEL) -> list[bytes]:
        return self.feed(spoken_offer.Arrived(channel, frame))

    def make_seat(self) -> list[bytes]:
        return self.feed(spoken_offer.SeatMade(str(LINK)))


@define(eq=False)
class Joiner:
    """The joiner's machine and what came of it."""

    inviter: Inviter
    code: SpokenCode = CODE
    seed: int = 2
    channel: Channel = CHANNEL
    lookup: spoken_lookup.Lookup = field(init=False)
    first: bytes = field(init=False)
    outcomes: list[spoken_lookup.Effect] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.lookup, [send] = spoken_lookup.begin_lookup(
            self.code,
            self.inviter.announcement,
            channel=self.channel,
            way=WAY,
            entropy=SeededEntropy(self.seed),
        )
        assert isinstance(send, spoken_lookup.Send)
        self.first = send.frame

    def hear(self, frame: bytes) -> list[bytes]:
        """Take a frame; return the frames it is answered with."""
        self.lookup, effects = spoken_lookup.step(self.lookup, frame)
        self.outcomes += [one for one in effects if not isinstance(one, spoken_lookup.Send)]
        return [one.frame for one in effects if isinstance(one, spoken_lookup.Send)]

    def prove(self) -> bytes:
        """Go as far as the proof, and return it."""
        [answer] = self.inviter.hear(self.first)
        [proof] = self.hear(answer)
        return proof

    def run(self) -> list[spoken_lookup.Effect]:
        """Go to the end; a seat is made at once where it is asked for."""
        said = self.inviter.hear(self.prove())
        if self.inviter.offer.stage is spoken_offer.Stage.SEALING:
            said += self.inviter.make_seat()
        for frame in said:
            self.hear(frame)
        return self.outcomes
