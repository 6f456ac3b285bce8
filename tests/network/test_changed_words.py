"""What is said about messages: edits, retractions and requests among whole machines."""

from __future__ import annotations

from attrs import evolve

from tests.network.test_audiences import NOTE, a_note, contents_of, notes_of, send
from tests.network.test_removal import gather, give_role, remove, state, told
from tests.support.world import Person
from toheal_protocol.machines import events as m
from toheal_protocol.machines.records import PutEntry
from toheal_protocol.messages.bodies import ContentKind
from toheal_protocol.model import Audience, MessageId, Role

CIRCLE = Audience.CIRCLE


def about(person: Person, target: MessageId | None) -> list[PutEntry]:
    return [one for one in person.disk.entries.values() if target and one.reply == target]


def test_an_edit_and_a_retraction_reach_everybody_and_name_their_message() -> None:
    world, people = gather(1, 3)
    author = people[1]
    target = author.say("first words")
    assert target is not None
    author.feed(m.Edited(target, CIRCLE, "second words", ("loss",)))
    author.feed(m.Retracted(target, CIRCLE))
    world.run_for(60)
    for person in people:
        found = [(one.kind, one.text, one.notes, one.audience) for one in about(person, target)]
        assert found == [
            ("edit", "second words", ("loss",), CIRCLE),
            ("retraction", "", (), CIRCLE),
        ]


def test_what_a_liar_says_about_anothers_message_changes_nothing() -> None:
    """It arrives as what it is: by the liar. The vault goes by the author (see its tests)."""
    world, (ours, author, liar) = gather(2, 3)
    target = author.say("my words")
    assert target is not None
    world.run_for(20)
    liar.feed(m.Edited(target, CIRCLE, "false words"))
    liar.feed(m.Retracted(target, CIRCLE))
    world.run_for(60)
    assert {one.author for one in about(ours, target)} == {liar.id}
    assert ours.disk.entries[target].text == "my words"


def test_a_request_that_everybody_would_read_and_one_about_nothing_are_refused() -> None:
    _, (ours, _, author) = gather(3, 3)
    to_all = evolve(a_note(author, "look", CIRCLE), type=ContentKind.REQUEST, reply=a_mid())
    send(author, ours, to_all)
    send(author, ours, evolve(a_note(author, "look"), type=ContentKind.REQUEST))
    send(author, ours, evolve(a_note(author, "so", CIRCLE), type=ContentKind.EDIT))
    send(author, ours, evolve(a_note(author, "so", CIRCLE), type=ContentKind.RETRACTION))
    assert told(ours).count("unreadable") == 4
    assert not [one for one in ours.disk.entries.values() if one.kind in ("request", "edit")]


def a_mid() -> MessageId:
    return MessageId(b"m" * 32)


def test_a_request_about_a_facilitator_is_named_by_nobody_elses_message() -> None:
    world, (ours, theirs, asker, other) = gather(4, 4, facilitators=2)
    target = ours.say("hard words")
    assert target is not None
    world.run_for(20)
    asker.feed(m.HelpAsked(target, ours.id, "please look"))
    world.run_for(20)
    [request] = about(theirs, target)
    assert (request.kind, request.text, request.audience) == ("request", "please look", NOTE)
    theirs.say("I saw it", NOTE)
    theirs.say("good evening")
    asker.say("thank you")
    world.run_for(60)
    for person in (ours, other):
        assert about(person, target) == []
        named = {one.mid for content in contents_of(person).values() for one in content.parents}
        assert request.mid not in named
    assert notes_of(ours) == ["I saw it"]
    assert not [one for one in ours.disk.entries.values() if one.kind == "gap"]


def test_a_later_note_of_the_asker_is_no_gap_for_the_facilitator_who_was_left_out() -> None:
    world, (ours, _, asker) = gather(5, 3, facilitators=2)
    target = ours.say("hard words")
    assert target is not None
    asker.say("before", NOTE)
    world.run_for(20)
    asker.feed(m.HelpAsked(target, ours.id))
    asker.say("after", NOTE)
    world.run_for(60)
    assert notes_of(ours) == ["before", "after"]
    assert not [one for one in ours.disk.entries.values() if one.kind == "gap"]
    assert not state(ours).cold.peers[asker.id].is_forked


def test_a_listener_takes_back_and_asks_for_help_and_does_not_edit() -> None:
    world, (ours, theirs, quiet) = gather(6, 3)
    target = quiet.say("too loud")
    assert target is not None
    world.run_for(20)
    give_role(ours, quiet, Role.LISTENER)
    world.run_for(30)
    edit = evolve(a_note(quiet, "louder", CIRCLE), type=ContentKind.EDIT, reply=target)
    send(quiet, theirs, edit)
    assert "unreadable" in told(theirs) and about(theirs, target) == []
    quiet.feed(m.Retracted(target, CIRCLE))
    quiet.feed(m.HelpAsked(target, theirs.id, "help"))
    world.run_for(60)
    assert [one.kind for one in about(ours, target)] == ["retraction", "request"]


def test_an_edit_beside_a_removal_is_not_carried_out_and_a_retraction_is() -> None:
    world, (ours, theirs, gone) = gather(7, 3)
    target = gone.say("my words")
    assert target is not None
    world.run_for(30)
    world.disconnect(gone)
    world.links_allowed = False
    for member in list(gone.links):
        world.cut_link(gone, member)
    remove(ours, gone)
    world.run_for(20)
    gone.feed(m.Edited(target, CIRCLE, "other words"))
    gone.feed(m.Retracted(target, CIRCLE))
    world.reconnect(gone)
    world.run_for(120)
    for person in (ours, theirs):
        assert [one.kind for one in about(person, target)] == ["crossed", "retraction"]
        assert [one.text for one in about(person, target)] == ["", ""]
