"""Notes to facilitators: who has them, and that nobody else learns that there are any."""

from __future__ import annotations

import pytest
from attrs import evolve

from tests.network.test_removal import gather, give_role, remove, second, state, told
from tests.network.test_whose_words import acts
from tests.support.entropy import SeededEntropy
from tests.support.world import Person
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
from toheal_protocol.machines.pair import owe_message
from toheal_protocol.machines.records import PutEntry
from toheal_protocol.machines.state import Stage, Stream
from toheal_protocol.machines.storing import decode_log, encode_log
from toheal_protocol.machines.voice import is_silenced
from toheal_protocol.messages.bodies import ContentKind, TextBody, encode_text
from toheal_protocol.messages.notes import Welcome, decode_item
from toheal_protocol.model import Audience, MessageId, Role

NOTE = Audience.FACILITATORS


def notes_of(person: Person) -> list[str]:
    return [
        entry.text
        for entry in person.disk.entries.values()
        if entry.kind == "text" and entry.audience is NOTE
    ]


def counting_notes(reader: Person, author: Person) -> list[str]:
    peer = state(reader).cold.peers.get(author.id)
    return [
        entry.text
        for entry in reader.disk.entries.values()
        if entry.author == author.id
        and entry.audience is NOTE
        and not is_silenced(peer, entry.audience, entry.author_seq)
    ]


def gaps(person: Person) -> list[PutEntry]:
    return [entry for entry in person.disk.entries.values() if entry.kind == "gap"]


def contents_of(person: Person) -> dict[MessageId, Content]:
    """Everything a person's device can open."""
    return {
        mid: decode_content(open_content(entry.common, ContentKey(entry.key), author=entry.author))
        for mid, entry in person.disk.entries.items()
        if entry.common
    }


def streams_known_to(person: Person) -> set[Stream]:
    log = decode_log(person.disk.blobs["log"])
    return {*log.heads, *log.gaps_shown, *log.anchored}


def test_a_note_reaches_the_facilitators_and_stays_with_its_author() -> None:
    world, (ours, theirs, author, other) = gather(1, 4, facilitators=2)
    author.say("to everybody")
    author.say("only to you two", NOTE)
    author.say("to everybody again")
    world.run_for(60)
    for person in (ours, theirs, author):
        assert notes_of(person) == ["only to you two"]
    assert notes_of(other) == []
    for person in world.people:
        heard = [text for member, text in person.texts() if member == author.id]
        assert [text for text in heard if "you two" not in text] == [
            "to everybody",
            "to everybody again",
        ]
        assert gaps(person) == []


def test_who_is_no_facilitator_finds_no_trace_of_a_note_in_anything_it_has() -> None:
    world, (ours, theirs, author, other) = gather(2, 4, facilitators=2)
    before = streams_known_to(other)
    frames = len(state(other).pairs[author.id].received_beyond)
    received = state(other).pairs[author.id].received_through
    for number in range(5):
        author.say(f"note {number}", NOTE)
        theirs.say(f"among us {number}", NOTE)
        world.run_for(20)
    assert state(other).pairs[author.id].received_through == received
    assert len(state(other).pairs[author.id].received_beyond) == frames
    author.say("what everybody reads")
    ours.say("so do I")
    world.run_for(60)
    assert notes_of(other) == [] and gaps(other) == []
    assert {stream.audience for stream in streams_known_to(other)} == {Audience.CIRCLE}
    assert {stream.author for stream in streams_known_to(other)} >= {one.author for one in before}
    contents = contents_of(other)
    for content in contents.values():
        assert content.audience is Audience.CIRCLE
        known = [contents[one.mid].lamport for one in content.parents if one.mid in contents]
        if content.parents and len(known) == len(content.parents):
            assert content.lamport == 1 + max(known)


def test_a_newcomer_is_told_of_no_note() -> None:
    world, (ours, _, author) = gather(3, 3, facilitators=2)
    author.say("a note", NOTE)
    author.say("a word")
    world.run_for(30)
    late = world.person("late")
    world.join(ours, late)
    author.say("welcome")
    world.run_for(60)
    assert streams_known_to(late) <= {
        Stream(one, Audience.CIRCLE) for one in state(late).cold.peers
    } | {Stream(late.id, Audience.CIRCLE)}
    assert gaps(late) == [] and notes_of(late) == []


def test_a_welcome_names_no_head_of_notes() -> None:
    world, (ours, _, author) = gather(12, 3, facilitators=2)
    author.say("a note", NOTE)
    author.say("a word")
    world.run_for(30)
    late = world.person("late")
    world.knock(late, world.invite(ours), ours)
    world.run_until(lambda: bool(world.waiting(ours)), within=120)
    world.kill(late)
    ours.feed(m.Admitted(late.id))
    items = [row.item[8:] for row in ours.disk.owed[late.id].values()]
    notes = [decode_item(item[1:]) for item in items if item[:1] == b"\x01"]
    [welcome] = [one for one in notes if isinstance(one, Welcome)]
    assert author.id in [one.author for one in welcome.heads]
    assert {one.audience for one in welcome.heads} == {Audience.CIRCLE}


def test_who_becomes_facilitator_later_gets_what_is_said_from_then_on_and_no_gap() -> None:
    world, (ours, theirs, author, later) = gather(4, 4, facilitators=2)
    for number in range(3):
        author.say(f"old {number}", NOTE)
        theirs.say(f"old too {number}", NOTE)
        world.run_for(10)
    give_role(ours, later, Role.FACILITATOR)
    world.run_for(20)
    second(theirs)
    world.run_for(30)
    author.say("new", NOTE)
    world.run_for(60)
    assert notes_of(later) == ["new"]
    assert gaps(later) == []


def test_who_was_facilitator_and_is_again_misses_what_lay_between_without_a_gap() -> None:
    world, (ours, theirs, author) = gather(5, 3, facilitators=2)
    author.say("first", NOTE)
    world.run_for(20)
    give_role(theirs, theirs, Role.MEMBER)
    world.run_for(30)
    assert state(theirs).cold.my_role is Role.MEMBER
    author.say("between", NOTE)
    world.run_for(30)
    give_role(ours, theirs, Role.FACILITATOR)
    world.run_for(30)
    author.say("last", NOTE)
    world.run_for(10)
    assert notes_of(theirs) == ["first", "last"], "it waits for nothing that was not for it"
    world.run_for(60)
    assert notes_of(ours) == ["first", "between", "last"]
    assert gaps(theirs) == []


def a_note(author: Person, text: str, audience: Audience = NOTE) -> Content:
    head = state(author).log.heads.get(Stream(author.id, audience))
    return Content(
        circle_id=state(author).cold.id,
        audience=audience,
        author_seq=head.seq + 1 if head else 1,
        prev_own=head.mid if head else None,
        parents=(),
        view=author.view,
        lamport=1,
        ttl=0,
        type=ContentKind.TEXT,
        reply=None,
        body=encode_text(TextBody(text, 1_800_000_000)),
    )


def send(author: Person, reader: Person, content: Content) -> None:
    key = ContentKey(SeededEntropy(author.world.chance.randrange(1 << 30)).draw(32))
    common = seal_content(encode_content(content), key, author=author.id)
    mid = message_id(common)
    acts(author, lambda draft: owe_message(draft, reader.id, mid=mid, key=key, common=common))
    author.world.run_for(60)


def test_a_note_that_reaches_somebody_else_is_refused() -> None:
    _, (_, _, author, other) = gather(6, 4, facilitators=2)
    send(author, other, a_note(author, "for whom?"))
    assert notes_of(other) == [] and "unreadable" in told(other)


def test_an_operation_hidden_from_the_circle_is_refused() -> None:
    _, (ours, _, author) = gather(7, 3, facilitators=2)
    send(author, ours, evolve(a_note(author, ""), type=ContentKind.OPERATION))
    assert "unreadable" in told(ours) and state(ours).cold.stage is Stage.ACTIVE


def test_a_listener_may_ask_the_facilitators_for_help_and_not_write_to_the_circle() -> None:
    world, (ours, _, quiet) = gather(8, 3, facilitators=1)
    give_role(ours, quiet, Role.LISTENER)
    world.run_for(30)
    assert state(quiet).cold.my_role is Role.LISTENER
    quiet.say("please help", NOTE)
    world.run_for(30)
    assert counting_notes(ours, quiet) == ["please help"]


def test_a_removal_takes_the_voice_towards_facilitators_as_far_as_they_had_not_read() -> None:
    world, (ours, _, gone) = gather(9, 3, facilitators=1)
    gone.say("read before", NOTE)
    world.run_for(30)
    world.disconnect(gone)
    for member in list(gone.links):
        world.cut_link(gone, member)
    world.links_allowed = False
    remove(ours, gone)
    gone.say("written beside", NOTE)
    gone.say("to all, beside")
    world.reconnect(gone)
    world.run_for(120)
    assert counting_notes(ours, gone) == ["read before"]


def test_heads_of_both_streams_survive_a_restart() -> None:
    world, (ours, _, author) = gather(10, 3, facilitators=2)
    author.say("a note", NOTE)
    author.say("a word")
    world.run_for(30)
    for person in (ours, author):
        log = evolve(state(person).log, held={})
        assert decode_log(encode_log(log)) == log
        assert Stream(author.id, NOTE) in log.heads
        world.kill(person)
        world.start(person)
    author.say("a second note", NOTE)
    world.run_for(60)
    assert notes_of(ours) == ["a note", "a second note"]
    assert not state(ours).cold.peers[author.id].is_forked and gaps(ours) == []


@pytest.mark.parametrize("seed", range(6))
def test_in_bad_weather_every_facilitator_gets_every_note_and_nobody_else_any(seed: int) -> None:
    world, people = gather(20 + seed, 4, facilitators=2)
    world.drop, world.repeat, world.delay = 0.2, 0.2, (0.01, 2.0)
    said: dict[Audience, list[str]] = {one: [] for one in Audience}
    for number in range(24):
        author = world.chance.choice(people)
        audience = world.chance.choice(list(Audience))
        author.say(f"{audience.name} {number}", audience)
        said[audience].append(f"{audience.name} {number}")
        if number % 8 == 7:
            victim = world.chance.choice(people)
            world.kill(victim)
            world.run_for(2)
            world.start(victim)
        world.run_for(world.chance.random() * 5)
    world.drop = world.repeat = 0.0
    world.run_for(600)
    leading, others = people[:2], people[2:]
    for person in leading:
        assert sorted(notes_of(person)) == sorted(said[NOTE])
    for person in others:
        own = [text for _, text in person.said if text.startswith(NOTE.name)]
        assert sorted(notes_of(person)) == sorted(own)
        assert {one.author for one in streams_known_to(person) if one.audience is NOTE} <= {
            person.id
        }
    for person in people:
        circle = [text for _, text in person.texts() if text.startswith("CIRCLE")]
        assert sorted(circle) == sorted(said[Audience.CIRCLE])
        assert not any(peer.is_forked for peer in state(person).cold.peers.values())
