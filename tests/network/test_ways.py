"""Which way a link takes: hidden unless both allow it, renewed beside the old one, never hurried."""

from __future__ import annotations

from itertools import pairwise

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.world import Person, World
from toheal_protocol.machines import events as m
from toheal_protocol.machines.doubts import LINK_DOUBT
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.linking import ATTEMPT_LIFE, PACE
from toheal_protocol.machines.pair import pass_note
from toheal_protocol.messages.notes import AskLink, Here, LinkAnswer, LinkOffer
from toheal_protocol.model import Instant, MemberId

DIRECT, TURN = m.LinkWay.DIRECT, m.LinkWay.TURN


@define(eq=False)
class WatchedWorld(World):
    """A world that notes when whom was prepared for which way, and which links were closed how."""

    prepared: list[tuple[float, str, m.LinkWay]] = field(factory=list)
    closed: list[tuple[str, bool]] = field(factory=list)
    expected: list[tuple[float, str, m.LinkWay]] = field(factory=list)
    hailed: list[float] = field(factory=list)
    probed: list[float] = field(factory=list)

    def perform(self, person: Person, effect: m.Effect) -> None:
        if isinstance(effect, m.ExpectLink):
            self.check_consent(person, effect)
            self.expected.append((self.now, person.name, effect.way))
        if isinstance(effect, m.PrepareLink):
            self.check_consent(person, effect)
            self.prepared.append((self.now, person.name, effect.way))
        if isinstance(effect, m.CloseLink):
            self.closed.append((person.name, effect.drains))
        if isinstance(effect, m.HailRelay):
            self.hailed.append(self.now)
        if isinstance(effect, m.ProbeLink):
            self.probed.append(self.now)
        World.perform(self, person, effect)

    def check_consent(self, person: Person, effect: m.PrepareLink | m.ExpectLink) -> None:
        """Whatever is under way: nobody's addresses are looked for without a yes of their own."""
        assert person.circle is not None
        peer = person.circle.cold.peers[effect.member]
        if effect.way is DIRECT and not person.circle.cold.is_direct:
            assert peer.our_direct is not None
            assert peer.our_direct.is_allowed


def two(seed: int, *, is_direct: bool = False) -> tuple[WatchedWorld, Person, Person]:
    """Two people and a relay that lends addresses, and a link between them."""
    world = WatchedWorld(seed, has_turn=True)
    ours, theirs = world.bring_together(is_direct=is_direct)
    world.run_until(lambda: None not in ways(ours, theirs), within=60)
    world.run_for(10)
    return world, ours, theirs


def way(person: Person, other: Person) -> m.LinkWay | None:
    """The way of the open link, as this side took it."""
    assert person.circle is not None
    courier = person.circle.live.couriers.get(other.id)
    return None if courier is None or courier.link is None else courier.link.way


def ways(ours: Person, theirs: Person) -> tuple[m.LinkWay | None, m.LinkWay | None]:
    return way(ours, theirs), way(theirs, ours)


def choose(person: Person, other: Person, *, allow: bool) -> None:
    person.feed(m.DirectChosen(other.id, allow))


def acts(person: Person, note: AskLink | Here | LinkOffer | LinkAnswer, member: MemberId) -> None:
    """A hostile client sends what ours would not, in the true session."""
    assert person.circle is not None
    draft = Draft(
        person.circle, now=Instant(person.world.now), wall_now=person.wall, entropy=person.entropy
    )
    assert pass_note(draft, member, note)
    decision = draft.decide(wake_at=person.alarm)
    person.disk.apply(decision.writes)
    person.circle = decision.circle
    for effect in decision.effects:
        person.world.perform(person, effect)


def all_said(world: World, *people: Person) -> None:
    """Everything said is everywhere, once."""
    world.run_for(120)
    for person in people:
        said = sorted(text for _, text in person.texts())
        assert said == sorted(text for one in people for _, text in one.said)


# ---- before an offer comes


def test_who_will_be_offered_a_link_opens_its_half_before_and_nobody_else_does() -> None:
    world, ours, theirs = two(730)
    answering = max((ours, theirs), key=lambda person: person.id)
    assert {name for _, name, _ in world.expected} == {answering.name}
    first = next(at for at, name, _ in world.prepared if name == answering.name)
    assert min(at for at, _, _ in world.expected) < first
    before = len(world.expected)
    world.run_for(600)
    assert len(world.expected) == before, "a link is there: none is expected"


def test_a_member_who_says_again_and_again_that_it_is_there_opens_few_sockets_here() -> None:
    world, ours, theirs = two(731)
    asking, answering = sorted((ours, theirs), key=lambda person: person.id)
    world.links_allowed = False
    world.cut_link(answering, asking.id)
    world.run_for(30)
    before = len(world.expected)
    for _ in range(60):
        acts(asking, Here(is_reply=True), answering.id)
        acts(answering, Here(is_reply=True), asking.id)
        world.run_for(0.25)
    assert 0 < len(world.expected) - before <= 15 / PACE + 1
    assert {name for _, name, _ in world.expected} == {answering.name}, "who offers expects none"


# ---- a link that may be dead


def test_words_that_are_not_acknowledged_have_link_and_relay_looked_after_once() -> None:
    world, ours, theirs = two(720)
    world.apart.add(frozenset((ours.name, theirs.name)))  # the link's end answers pings, no more
    began, before = world.now, len(world.probed)
    for number in range(10):
        ours.say(f"word {number}")
        world.run_for(0.3)
    assert [round(at - began, 3) for at in world.hailed] == [LINK_DOUBT]
    assert len(world.probed) == before + 1
    world.apart.clear()
    all_said(world, ours, theirs)
    assert len(world.hailed) == 1


def test_acknowledgements_that_come_in_time_put_nothing_in_doubt() -> None:
    world, ours, theirs = two(721)
    before = len(world.probed)
    for number in range(200):
        (ours, theirs)[number % 2].say(f"word {number}")
        world.run_for(0.1)
    world.run_for(30)
    assert (world.hailed, len(world.probed)) == ([], before)
    all_said(world, ours, theirs)


def test_what_was_acknowledged_lets_the_next_silence_be_looked_into_again() -> None:
    world, ours, theirs = two(722)
    for _ in range(2):
        world.apart.add(frozenset((ours.name, theirs.name)))
        ours.say("word")
        world.run_for(2)
        world.apart.clear()
        world.run_for(10)
    assert len(world.hailed) == 2
    all_said(world, ours, theirs)


# ---- consent


@pytest.mark.parametrize("first", [0, 1])
def test_a_direct_link_takes_a_yes_of_both(first: int) -> None:
    world, ours, theirs = two(700)
    assert ways(ours, theirs) == (TURN, TURN)
    one, other = (ours, theirs) if first == 0 else (theirs, ours)
    choose(one, other, allow=True)
    world.run_for(600)
    assert ways(ours, theirs) == (TURN, TURN)
    assert not world.direct[ours.name, theirs.id]
    choose(other, one, allow=True)
    world.run_for(20)
    assert ways(ours, theirs) == (DIRECT, DIRECT)
    assert world.direct[ours.name, theirs.id]


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("is_direct", [True, False])
def test_a_no_of_one_closes_the_direct_link_at_once_and_a_hidden_one_follows(
    who: int, *, is_direct: bool
) -> None:
    world, ours, theirs = two(701, is_direct=is_direct)
    if not is_direct:
        choose(ours, theirs, allow=True)
        choose(theirs, ours, allow=True)
        world.run_for(20)
    assert ways(ours, theirs) == (DIRECT, DIRECT)
    one, other = (ours, theirs) if who == 0 else (theirs, ours)
    choose(one, other, allow=False)
    assert way(one, other) is None
    ours.say("still")
    theirs.say("here")
    world.run_for(30)
    assert ways(ours, theirs) == (TURN, TURN)
    all_said(world, ours, theirs)
    prepared_then = len(world.prepared)
    world.run_for(3600)
    assert ways(ours, theirs) == (TURN, TURN)
    assert {way_ for _, _, way_ in world.prepared[prepared_then:]} <= {TURN}


def test_an_older_word_that_comes_late_changes_nothing() -> None:
    world, ours, theirs = two(702)
    let_through = world.block(ours, theirs)
    for allow in (True, False, True, False):
        world.cut_link(ours, theirs.id)
        choose(ours, theirs, allow=allow)
    let_through()
    choose(theirs, ours, allow=True)
    world.run_for(600)
    assert ways(ours, theirs) == (TURN, TURN)
    assert theirs.circle is not None
    said = theirs.circle.cold.peers[ours.id].their_direct
    assert said is not None
    assert (said.is_allowed, said.serial) == (False, 4)


def test_what_was_said_of_direct_outlives_the_process() -> None:
    world, ours, theirs = two(703)
    choose(ours, theirs, allow=True)
    choose(theirs, ours, allow=True)
    world.run_for(20)
    for person in (ours, theirs):
        world.kill(person)
        world.start(person)
    world.run_for(60)
    assert ways(ours, theirs) == (DIRECT, DIRECT)


def test_who_is_no_member_is_neither_allowed_nor_denied() -> None:
    world = World(704, has_turn=True)
    ours, stranger = world.person("ours"), world.person("stranger")
    world.found(ours)
    world.knock(stranger, world.invite(ours), ours)
    world.run_until(lambda: bool(world.waiting(ours)), within=120)
    choose(ours, stranger, allow=True)
    assert ours.circle is not None
    assert ours.circle.cold.peers[stranger.id].our_direct is None


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1 << 16),
    is_direct=st.booleans(),
    deeds=st.lists(
        st.tuples(
            st.sampled_from(["allow", "deny", "say", "move", "cut", "kill", "relay"]),
            st.integers(0, 1),
            st.floats(0.0, 8.0),
        ),
        min_size=3,
        max_size=14,
    ),
)
def test_consent_that_races_with_offers_never_shows_an_address_without_a_yes(
    seed: int, is_direct: bool, deeds: list[tuple[str, int, float]]
) -> None:
    """`WatchedWorld.check_consent` looks at every preparation; here everything happens at once."""
    world = WatchedWorld(seed, has_turn=True, drop=0.1, repeat=0.1)
    people = world.bring_together(is_direct=is_direct)
    for place, (deed, who, wait) in enumerate(deeds):
        one, other = people[who], people[1 - who]
        match deed:
            case "allow" | "deny":
                choose(one, other, allow=deed == "allow")
            case "say":
                one.say(f"{place}")
            case "move":
                one.feed(m.NetworkChanged())
            case "cut":
                world.cut_link(one, other.id)
            case "kill":
                world.kill(one)
                world.start(one)
            case "relay":
                world.restart_relay()
        world.run_for(wait)
    world.heal()
    world.run_for(700)
    all_said(world, *people)
    choices = [one.circle.cold.peers[other.id].our_direct for one, other in _both(people)]  # type: ignore[union-attr]
    wanted = all(is_direct if one is None else one.is_allowed for one in choices)
    assert ways(*people) == ((DIRECT, DIRECT) if wanted else (TURN, TURN))
    assert world.direct[people[0].name, people[1].id] is wanted


def _both(people: tuple[Person, Person]) -> list[tuple[Person, Person]]:
    return [(people[0], people[1]), (people[1], people[0])]


# ---- make before break


@pytest.mark.parametrize("who", [0, 1])
def test_after_a_change_of_network_a_new_link_opens_beside_the_old_one(who: int) -> None:
    world, ours, theirs = two(710)
    one, other = (ours, theirs) if who == 0 else (theirs, ours)
    before = one.links[other.id]
    one.feed(m.NetworkChanged())
    ours.say("on the way")
    theirs.say("likewise")
    while one.links[other.id] == before:
        assert ways(ours, theirs) == (TURN, TURN), "there is always a link"
        assert world.tick(until=world.now + 10)
    world.run_for(5)
    assert ways(ours, theirs) == (TURN, TURN)
    assert {drains for _, drains in world.closed} == {True}, "the old one closes gently"
    all_said(world, ours, theirs)


def test_a_change_of_network_that_took_the_relay_along_is_made_good_when_it_is_back() -> None:
    for who in (0, 1):
        world, ours, theirs = two(711)
        one, other = (ours, theirs) if who == 0 else (theirs, ours)
        before = one.links[other.id]
        world.disconnect(one)
        one.feed(m.NetworkChanged())
        world.run_for(60)
        assert one.links[other.id] == before
        world.reconnect(one)
        world.run_for(ATTEMPT_LIFE + PACE + 1)  # an attempt of before may have to end first
        assert one.links[other.id] != before


def test_an_offer_that_a_dead_line_swallowed_goes_out_again() -> None:
    world, ours, theirs = two(712)
    low, high = (ours, theirs) if ours.id < theirs.id else (theirs, ours)
    before = low.links[high.id]
    world.drop = 1.0
    low.feed(m.NetworkChanged())
    world.run_for(1.0)
    world.drop = 0.0
    world.disconnect(low)
    world.reconnect(low)
    world.run_for(3)
    assert low.links[high.id] != before


def test_a_link_that_ages_gets_a_successor() -> None:
    for who in (0, 1):
        world, ours, theirs = two(713)
        one, other = (ours, theirs) if who == 0 else (theirs, ours)
        before = one.links[other.id]
        one.feed(m.LinkAging(other.id, before))
        world.run_for(10)
        assert one.links[other.id] != before
        one.feed(m.LinkAging(other.id, before))
        again = one.links[other.id]
        world.run_for(60)
        assert one.links[other.id] == again, "an older one's age is nobody's concern"


def test_a_dead_link_holds_words_up_for_seconds_only() -> None:
    """Nobody is told that it is dead: what is not acknowledged puts it in doubt."""
    world, ours, theirs = two(714)
    del ours.links[theirs.id]
    del theirs.links[ours.id]
    ours.say("into the void")
    world.run_for(9)
    assert [text for _, text in theirs.texts()] == ["into the void"]


# ---- pace


def gaps(world: WatchedWorld, person: Person) -> list[float]:
    at = [when for when, who, _ in world.prepared if who == person.name]
    return [after - before for before, after in pairwise(at)]


def test_a_hostile_member_cannot_hurry_us_with_offers() -> None:
    world, ours, theirs = two(720)
    low, high = (ours, theirs) if ours.id < theirs.id else (theirs, ours)
    world.run_for(60)
    start = len(world.prepared)
    for number in range(100):
        acts(low, LinkOffer(number.to_bytes(16, "big"), b"s" * 32, b"blob"), high.id)
        world.run_for(0.2)
    world.run_for(30)
    answered = [one for one in world.prepared[start:] if one[1] == high.name]
    assert 5 < len(answered) < 10
    assert min(gaps(world, high)[-len(answered) + 1 :]) >= PACE


def test_a_hostile_member_cannot_hurry_us_by_asking() -> None:
    world, ours, theirs = two(721)
    low, high = (ours, theirs) if ours.id < theirs.id else (theirs, ours)
    world.run_for(60)
    start = len(world.prepared)
    for _ in range(100):
        acts(high, AskLink(), low.id)
        world.run_for(0.2)
    offered = [one for one in world.prepared[start:] if one[1] == low.name]
    assert 0 < len(offered) < 10
    assert min(gaps(world, low)[-len(offered) + 1 :]) >= PACE


def test_an_offer_that_came_too_soon_is_taken_when_its_time_has_come() -> None:
    world, ours, theirs = two(722)
    low, high = (ours, theirs) if ours.id < theirs.id else (theirs, ours)
    world.run_for(60)
    before = high.links[low.id]
    acts(low, LinkOffer(b"x" * 16, b"s" * 32, b"blob"), high.id)
    world.run_for(0.5)
    low.feed(m.NetworkChanged())
    world.run_for(2 * PACE)
    assert high.links[low.id] not in (before, b"x" * 16)
    assert ways(ours, theirs) == (TURN, TURN)
