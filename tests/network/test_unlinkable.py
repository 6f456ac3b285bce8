"""What two circles of one person show to anybody has nothing in common.

One person, one machine, one source of chance, the same nickname and the same relay, in two
circles with two other people. Everything that leaves the device for one circle is compared with
everything that leaves it for the other, in runs of eight bytes: random bytes never agree in
eight, names and keys always would.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from attrs import define, field

from tests.support.guest import guest_run
from tests.support.world import Person, World
from toheal_p2p.adapters.webrtc import WebRtcChannels
from toheal_protocol.crypto import token_of, verify_key
from toheal_protocol.identity import encode_card, make_card
from toheal_protocol.machines import events as m
from toheal_protocol.machines.addressing import DEPOSIT_BUCKETS
from toheal_protocol.machines.events import LinkWay
from toheal_protocol.messages.invitation import INVITATION_SIZES
from toheal_protocol.wire.connection_blob import decode_blob

RUN = 8
"""Bytes in a row that count as the same: by chance less than once in 10^9 such tests."""

NICKNAME = "نورس of the harbour"
RELAY_CONSTANTS: frozenset[bytes] = frozenset()
"""Runs that everybody's bytes share, not only ours. There are none."""

SEAL = 40
"""Bytes of nonce and tag around a deposit."""

SIZES = {SEAL + bucket for bucket in DEPOSIT_BUCKETS} | set(INVITATION_SIZES)
"""Every size a relay can see; nothing of one person is among them."""


@define(eq=False)
class Shown:
    """What a person's device gave away for one circle, by who sees it."""

    to_relay: list[bytes] = field(factory=list)
    deposits: list[bytes] = field(factory=list)
    on_link: list[bytes] = field(factory=list)


@define(eq=False)
class WatchedWorld(World):
    """A world that notes what each person's device gives away."""

    shown: dict[str, Shown] = field(factory=dict)

    def perform(self, person: Person, effect: m.Effect) -> None:
        shown = self.shown.setdefault(person.name, Shown())
        match effect:
            case m.Deposit(_, _, address, token, frame):
                shown.to_relay += [address, token, frame]
                shown.deposits.append(frame)
            case m.Watch(_, boxes):
                for box in boxes:
                    shown.to_relay += [box.address, verify_key(box.read_seed), token_of(box.token)]
            case m.DeleteMail(_, read_seed, _):
                shown.to_relay.append(verify_key(read_seed))
            case m.SendFrames(_, frames):
                shown.on_link += frames
            case _:
                pass
        World.perform(self, person, effect)


def runs(pieces: Iterable[bytes]) -> set[bytes]:
    """Return every run of `RUN` bytes."""
    return {piece[at : at + RUN] for piece in pieces for at in range(len(piece) - RUN + 1)}


def two_circles(*, is_direct: bool) -> tuple[list[Person], list[Shown]]:
    """One person founds one circle and joins another; everybody talks in both."""
    worlds = [WatchedWorld(1), WatchedWorld(2)]
    us = [world.person(NICKNAME) for world in worlds]
    us[1].entropy = us[0].entropy
    others = [world.person(f"Other {world.seed}") for world in worlds]
    worlds[0].found(us[0], is_direct=is_direct)
    worlds[0].join(us[0], others[0])
    worlds[1].found(others[1], is_direct=is_direct)
    worlds[1].join(others[1], us[1])
    for world, ours, theirs in zip(worlds, us, others, strict=True):
        for turn in range(3):
            ours.say("the same words in both")
            theirs.say(f"an answer {turn}")
            world.run_for(30)
        world.kill(ours)
        world.start(ours)
        world.run_for(60)
        ours.feed(m.Left())
        world.run_for(60)
        assert len(theirs.texts()) == 6
    return us, [world.shown[NICKNAME] for world in worlds]


@pytest.mark.parametrize("is_direct", [False, True], ids=["by relay", "with links"])
def test_what_two_circles_show_shares_no_run_of_eight_bytes(is_direct: bool) -> None:
    _, [first, second] = two_circles(is_direct=is_direct)
    for ours, theirs in ((first.to_relay, second.to_relay), (first.on_link, second.on_link)):
        assert runs(ours) & runs(theirs) == RELAY_CONSTANTS
    assert sum(map(len, first.to_relay)) > 10_000
    assert bool(first.on_link) == is_direct
    token = first.to_relay[1]
    assert runs(first.to_relay) & runs([*second.to_relay, b"." + token]) == runs([token])


def test_a_deposit_has_one_of_a_few_sizes() -> None:
    _, shown = two_circles(is_direct=False)
    sizes = {len(frame) for one in shown for frame in one.deposits}
    assert sizes
    assert sizes <= SIZES


def test_two_personas_of_one_person_share_no_run_of_eight_bytes() -> None:
    us, _ = two_circles(is_direct=False)
    cards = []
    for one in us:
        assert one.circle is not None
        cold = one.circle.cold
        public = cold.persona.keys
        cards.append(
            [
                *(encode_card(make_card(cold.persona, prekey)) for prekey in cold.prekeys),
                public.member_id,
                cold.id,
            ]
        )
    assert all(len(pieces) >= 3 for pieces in cards)
    assert runs(cards[0]) & runs(cards[1]) == set()


@pytest.mark.real
@pytest.mark.trio(run=guest_run)
async def test_two_offers_of_a_link_share_only_the_machines_addresses() -> None:
    """A member who allows direct connections shows an address; everything else is fresh."""
    channels = WebRtcChannels(include_loopback=True)
    blobs = []
    for _ in range(2):
        prepared = await channels.prepare(controlling=True, way=LinkWay.DIRECT, servers=())
        blobs.append(prepared.blob)
        await prepared.aclose()
    first, second = map(decode_blob, blobs)
    assert [one.host for one in first.candidates] == [one.host for one in second.candidates]
    assert {one.port for one in first.candidates}.isdisjoint(one.port for one in second.candidates)
    shown = [
        [one.ufrag.encode(), one.password.encode(), one.fingerprint] for one in (first, second)
    ]
    assert {len(piece) >= 4 for pieces in shown for piece in pieces} == {True}
    assert set(shown[0]).isdisjoint(shown[1])
    assert runs(shown[0]) & runs(shown[1]) == set()
