"""Whose words are whose, and who learns where a device is: what no member can do to another."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import define, evolve, field

from tests.support.entropy import SeededEntropy
from tests.support.world import Person, World
from toheal_protocol.envelope import (
    Content,
    ContentKey,
    decode_content,
    encode_content,
    message_id,
    open_content,
    seal_content,
)
from toheal_protocol.machines import events as m
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.pair import owe_message, pass_note
from toheal_protocol.machines.state import Stream
from toheal_protocol.messages.bodies import ContentKind, TextBody, encode_text
from toheal_protocol.messages.notes import LinkAnswer, LinkOffer
from toheal_protocol.model import Audience, Instant, MemberId

OFFER = LinkOffer(b"a" * 16, b"s" * 32, b"blob")
ANSWER = LinkAnswer(b"a" * 16, b"s" * 32, b"blob")


@define(eq=False)
class CarefulWorld(World):
    """A world that notes who looked for their addresses, and for whom."""

    prepared: list[tuple[str, MemberId]] = field(factory=list)

    def perform(self, person: Person, effect: m.Effect) -> None:
        if isinstance(effect, m.PrepareLink) and effect.way is not m.LinkWay.TURN:
            self.prepared.append((person.name, effect.member))
        World.perform(self, person, effect)


def gather(seed: int, count: int, *, is_direct: bool) -> tuple[CarefulWorld, list[Person]]:
    world = CarefulWorld(seed)
    people = [world.person(f"p{number}") for number in range(count)]
    world.found(people[0], is_direct=is_direct)
    for newcomer in people[1:]:
        world.join(people[0], newcomer)
    world.run_for(30)
    return world, people


def acts(person: Person, act: Callable[[Draft], object]) -> None:
    """A hostile client does with its own state what ours would not."""
    assert person.circle is not None
    now = Instant(person.world.now)
    draft = Draft(person.circle, now=now, wall_now=person.wall, entropy=person.entropy)
    act(draft)
    decision = draft.decide(wake_at=person.alarm)
    person.disk.apply(decision.writes)
    person.circle = decision.circle
    for effect in decision.effects:
        person.world.perform(person, effect)


@pytest.mark.parametrize("is_direct", [False, True])
def test_words_that_a_member_sends_are_shown_as_theirs_whoever_wrote_them(
    *, is_direct: bool
) -> None:
    """It is the author's whose session sealed its key, and whose id the content was sealed with."""
    world, [author, liar, reader] = gather(301, 3, is_direct=is_direct)
    author.say("what I wrote")
    world.run_for(20)
    [stolen] = [one for one in liar.disk.entries.values() if one.text == "what I wrote"]
    forged = evolve(a_content_as(author), body=encode_text(TextBody("forged", 1_800_000_000)))
    key = ContentKey(SeededEntropy(3).draw(32))
    common = seal_content(encode_content(forged), key, author=liar.id)
    mid = message_id(common)
    passed_on = ContentKey(stolen.key)
    acts(liar, lambda draft: owe_message(draft, reader.id, mid=mid, key=key, common=common))
    acts(
        liar,
        lambda draft: owe_message(
            draft, reader.id, mid=stolen.mid, key=passed_on, common=stolen.common
        ),
    )
    world.run_for(120)
    assert (liar.id, "forged") in reader.texts()
    assert [text for member, text in reader.texts() if member == author.id] == ["what I wrote"]


def a_content_as(author: Person) -> Content:
    """The next content of an author, down to its number and what it follows."""
    assert author.circle is not None
    head = author.circle.log.heads[Stream(author.id, Audience.CIRCLE)]
    return Content(
        circle_id=author.circle.cold.id,
        audience=Audience.CIRCLE,
        author_seq=head.seq + 1,
        prev_own=head.mid,
        parents=(),
        view=author.view,
        lamport=1,
        ttl=0,
        type=ContentKind.TEXT,
        reply=None,
        body=b"",
    )


def test_what_a_reader_keeps_of_a_message_could_have_been_made_by_the_reader() -> None:
    """Content and key alone give the same bytes again: nothing in them is the author's alone."""
    _, [author, reader] = gather(304, 2, is_direct=False)
    author.say("in confidence")
    author.world.run_for(20)
    [kept] = [one for one in reader.disk.entries.values() if one.text == "in confidence"]
    key = ContentKey(kept.key)
    plain = encode_content(decode_content(open_content(kept.common, key, author=author.id)))
    assert seal_content(plain, key, author=author.id) == kept.common
    other = plain.replace(b"in confidence", b"a false quote")
    forged = seal_content(other, key, author=author.id)
    assert open_content(forged, key, author=author.id) == other


def asks_for_our_address(person: Person, sender: Person, note: LinkOffer | LinkAnswer) -> bool:
    """Say whether this note in the true session makes our device look for its addresses."""
    assert person.circle is not None
    before = len(prepared(person))
    acts(sender, lambda draft: pass_note(draft, person.id, note))
    person.world.run_for(20)
    return len(prepared(person)) > before


def prepared(person: Person) -> list[MemberId]:
    world = person.world
    assert isinstance(world, CarefulWorld)
    return [member for who, member in world.prepared if who == person.name]


@pytest.mark.parametrize("note", [OFFER, ANSWER], ids=["an offer", "an answer"])
def test_in_a_circle_that_is_not_direct_nobody_can_ask_for_our_address(
    note: LinkOffer | LinkAnswer,
) -> None:
    world, [ours, theirs] = gather(302, 2, is_direct=False)
    world.has_turn = True
    world.run_for(600)
    assert not asks_for_our_address(ours, theirs, note)
    assert not asks_for_our_address(theirs, ours, note)
    assert world.prepared == []
    assert set(ours.ways + theirs.ways) == {m.LinkWay.TURN}


def test_in_a_direct_circle_addresses_are_for_members_and_not_for_the_door() -> None:
    world, [ours, theirs] = gather(303, 2, is_direct=True)
    assert prepared(ours) == [theirs.id]
    assert asks_for_our_address(ours, theirs, OFFER) != asks_for_our_address(theirs, ours, OFFER), (
        "a member's offer is taken, by the one who answers"
    )
    stranger = world.person("stranger")
    world.knock(stranger, world.invite(ours), ours)
    world.run_until(lambda: bool(world.waiting(ours)), within=120)
    for note in (OFFER, ANSWER):
        assert not asks_for_our_address(ours, stranger, note)
    assert stranger.id not in prepared(ours)
    assert prepared(stranger) == []


def test_words_of_another_that_a_member_passes_on_as_their_own_take_nothing_from_the_author() -> (
    None
):
    """A member has the key of what it read, and wraps it for a third before the author could."""
    world, [author, thief, reader] = gather(302, 3, is_direct=False)
    let_through = world.block(author, reader)
    author.say("mine")
    world.run_for(5)
    [stolen] = [one for one in thief.disk.entries.values() if one.text == "mine"]
    key = ContentKey(stolen.key)
    acts(
        thief,
        lambda draft: owe_message(draft, reader.id, mid=stolen.mid, key=key, common=stolen.common),
    )
    world.run_for(60)
    assert (thief.id, "mine") not in reader.texts()
    let_through()
    world.run_for(120)
    assert reader.texts() == [(author.id, "mine")]
