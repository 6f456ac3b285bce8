"""Synchronising: nobody's absence costs a message, and nobody is needed for one to arrive.

Spec: docs/protocol/sync.md.
"""

from __future__ import annotations

import pytest
from attrs import evolve

from tests.network.test_forks import put_back, told
from tests.network.test_governed_world import give_role, remove
from tests.network.test_three_people import gaps, gather, texts_of
from tests.network.test_whose_words import acts
from tests.support.entropy import SeededEntropy
from tests.support.world import Person, World
from toheal_protocol.envelope import (
    Content,
    ContentKey,
    Parent,
    encode_content,
    message_id,
    seal_content,
)
from toheal_protocol.machines import comparing, sync_events
from toheal_protocol.machines import events as m
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.log import GAP_SHOWN_AFTER
from toheal_protocol.machines.missing import WAIT_LINK
from toheal_protocol.machines.pair import owe_message, pass_note
from toheal_protocol.machines.passing import hand_over_passed
from toheal_protocol.machines.records import PutEntry
from toheal_protocol.machines.state import Position, Stream
from toheal_protocol.messages.asking import Asked, Range
from toheal_protocol.messages.bodies import ContentKind, TextBody, encode_text
from toheal_protocol.messages.heads import Head, Heads
from toheal_protocol.model import Audience, MemberId, MessageId, Role

LAST = (1 << 32) - 1


def entry_of(reader: Person, text: str) -> PutEntry:
    [found] = [entry for entry in reader.disk.entries.values() if entry.text == text]
    return found


def passer_of(reader: Person, text: str) -> MemberId | None:
    return entry_of(reader, text).passed_on_by


def head(person: Person, author: Person) -> Position:
    assert person.circle is not None
    return person.circle.log.heads[Stream(author.id, Audience.CIRCLE)]


def leave_unheard(
    world: World, author: Person, reader: Person, *words: str, heard_by: Person
) -> None:
    """An author says something that one member hears and another does not, and is gone."""
    world.part([author], [reader])
    for text in words:
        author.say(text)
        world.run_for(1)
    world.run_for(5)
    assert texts_of(heard_by, author)[-len(words) :] == list(words)
    assert not set(words) & set(texts_of(reader, author))
    world.kill(author)
    world.mend()
    drop_mail_of(world, reader, author)


def drop_mail_of(world: World, reader: Person, author: Person) -> None:
    """The relay has forgotten what lay there from one for another."""
    assert reader.circle is not None
    for box in reader.circle.cold.peers[author.id].mailboxes:
        world.relay.boxes.pop(box.address, None)


# ---- what reaches whom


@pytest.mark.parametrize("is_direct", [True, False])
def test_what_an_absent_author_said_comes_from_who_heard_it(*, is_direct: bool) -> None:
    world, (author, other, reader) = gather(400, 3, is_direct=is_direct)
    world.run_for(20)
    leave_unheard(world, author, reader, "one", "two", "three", heard_by=other)
    if is_direct:
        world.cut_link(other, reader.id)
    else:
        world.disconnect(reader)
        world.reconnect(reader)
    world.run_for(100)
    assert texts_of(reader, author) == ["one", "two", "three"]
    assert {passer_of(reader, text) for text in ("one", "two", "three")} == {other.id}
    assert not gaps(reader) and not reader.disk.held
    assert not other.disk.entries[entry_of(reader, "two").mid].passed_on_by


def test_the_founder_is_not_needed_and_no_relay_either() -> None:
    world, (founder, author, other, reader) = gather(401, 4)
    world.kill(founder)
    leave_unheard(world, author, reader, "said once", heard_by=other)
    for person in (other, reader):
        world.disconnect(person)
    world.relay.is_up = False
    world.room.enter(other)
    world.room.enter(reader)
    world.run_for(60)
    assert texts_of(reader, author) == ["said once"]


def test_a_reply_brings_what_it_answers_though_its_author_is_gone() -> None:
    world, (author, other, reader) = gather(402, 3)
    leave_unheard(world, author, reader, "question", heard_by=other)
    other.say("answer")
    world.run_for(GAP_SHOWN_AFTER - 5)
    assert [text for _, text in reader.texts()][-2:] == ["question", "answer"]
    assert not gaps(reader)
    assert passer_of(reader, "question") == other.id


def test_the_authors_own_copy_confirms_and_nothing_stays_owed() -> None:
    world, (author, other, reader) = gather(403, 3)
    leave_unheard(world, author, reader, "one", "two", heard_by=other)
    world.cut_link(other, reader.id)
    world.run_for(60)
    assert passer_of(reader, "one") == passer_of(reader, "two") == other.id
    world.start(author)
    world.run_for(60)
    assert passer_of(reader, "one") is passer_of(reader, "two") is None
    assert texts_of(reader, author) == ["one", "two"]
    assert not any(author.disk.owed.values())
    assert "confirmed" in told(reader)
    assert {"fork_seen", "stories_differ", "unreadable"}.isdisjoint(told(reader))


def test_a_later_message_of_the_author_confirms_by_its_chain() -> None:
    world, (author, other, reader) = gather(404, 3)
    world.part([author], [reader])
    for number in range(5):
        author.say(str(number))
    world.run_for(5)
    # what the author owes is given up: only the chain can confirm
    author.disk.owed.pop(reader.id)
    world.kill(author)
    world.mend()
    drop_mail_of(world, reader, author)
    world.cut_link(other, reader.id)
    world.run_for(60)
    assert {passer_of(reader, str(number)) for number in range(5)} == {other.id}
    world.part([author], [reader])
    world.start(author)
    world.run_for(5)
    world.mend()
    author.say("later")
    world.run_for(90)
    assert texts_of(reader, author) == ["0", "1", "2", "3", "4", "later"]
    assert {passer_of(reader, str(number)) for number in range(5)} == {None}


def test_an_equal_digest_of_the_author_confirms() -> None:
    world, (author, other, reader) = gather(405, 3)
    leave_unheard(world, author, reader, "one", "two", heard_by=other)
    world.cut_link(other, reader.id)
    world.run_for(60)
    author.disk.owed.pop(reader.id, None)
    world.start(author)
    world.run_for(30)
    assert passer_of(reader, "one") is passer_of(reader, "two") is None


def test_a_newcomer_is_passed_nothing_from_before() -> None:
    world, people = gather(406, 2)
    for number in range(4):
        people[number % 2].say(f"before {number}")
        world.run_for(2)
    newcomer = world.person("newcomer")
    world.join(people[0], newcomer)
    world.run_for(30)
    author = people[1]
    assert newcomer.circle is not None
    wanted = Range(author.id, Audience.CIRCLE, 1, LAST)
    acts(newcomer, lambda draft: pass_note(draft, people[0].id, Asked(9, (wanted,))))
    mids = tuple(people[0].disk.entries)[:60]
    acts(newcomer, lambda draft: pass_note(draft, people[0].id, Asked(10, (), mids)))
    world.run_for(30)
    assert not [text for _, text in newcomer.texts() if text.startswith("before")]
    assert not gaps(newcomer)


def test_a_note_to_facilitators_is_passed_to_them_alone_and_told_to_nobody_else() -> None:
    world, (first, second, author, member) = gather(407, 4)
    give_role(first, second, Role.FACILITATOR)
    world.run_for(20)
    world.part([author], [second])
    author.say("help", Audience.FACILITATORS)
    world.run_for(5)
    world.kill(author)
    world.mend()
    drop_mail_of(world, second, author)
    world.cut_link(first, second.id)
    world.cut_link(first, member.id)
    world.run_for(90)
    assert entry_of(second, "help").passed_on_by == first.id
    assert member.circle is not None
    known = {stream.audience for stream in member.circle.log.heads}
    told_of = [s for heads in member.circle.live.sync.told.values() for s in heads]
    assert known == {Audience.CIRCLE} and {s.audience for s in told_of} <= {Audience.CIRCLE}
    note = entry_of(first, "help")
    everything = Range(author.id, Audience.FACILITATORS, 1, LAST)
    assert member.links.get(first.id)
    world.frames.clear()
    acts(member, lambda draft: pass_note(draft, first.id, Asked(9, (everything,), (note.mid,))))
    world.run_for(30)
    assert note.mid not in member.disk.entries
    assert world.frames and not any(frame.endswith(note.common) for frame in world.frames)


# ---- an old vault that was put back


@pytest.mark.parametrize("is_direct", [True, False])
def test_an_old_vault_gets_back_what_it_had_acknowledged(*, is_direct: bool) -> None:
    """The peers have dropped these: only a comparison of logs brings them back."""
    world, people = gather(410, 3, is_direct=is_direct)
    lost, author, other = people
    older = lost.disk.copy()
    for number in range(6):
        for person in people:
            person.say(f"{person.name} {number}")
            world.run_for(2)
    world.run_for(30)
    assert not any(author.disk.owed.values())
    everything = sorted(text for _, text in lost.texts())
    world.kill(author)  # one of them for ever
    put_back(world, lost, older)
    for person in (author, other):
        lost.feed(m.ResetAsked(person.id))
    world.run_for(200)
    assert sorted(text for _, text in lost.texts()) == everything
    assert not gaps(lost)
    assert all(entry.is_mine for entry in lost.disk.entries.values() if entry.author == lost.id)
    lost.say("and on")
    world.run_for(60)
    assert texts_of(other, lost)[-1] == "and on"
    assert not other.circle.cold.peers[lost.id].is_forked  # type: ignore[union-attr]


def test_an_old_vault_gets_back_the_notes_before_the_one_it_hears() -> None:
    world, (reader, author, _) = gather(464, 3)
    older = reader.disk.copy()
    for text in ("first", "second"):
        author.say(text, Audience.FACILITATORS)
    world.run_for(30)
    assert not any(author.disk.owed.values())
    world.kill(reader)
    author.say("third", Audience.FACILITATORS)
    reader.disk = older
    world.start(reader)
    reader.feed(m.ResetAsked(author.id))
    world.run_for(200)
    assert sorted(texts_of(reader, author)) == ["first", "second", "third"]
    assert not gaps(reader)
    assert {passer_of(reader, text) for text in ("first", "second", "third")} == {None}


def test_what_nobody_has_before_the_first_words_heard_is_not_shown_as_missing() -> None:
    world, (founder, author) = gather(465, 2)
    world.kill(author)
    newcomer = world.person("newcomer")
    world.join(founder, newcomer)
    world.part([founder, newcomer], [author])
    world.start(author)
    author.say("to whom I know of")
    world.mend()
    world.run_for(100)
    newcomer.feed(m.ResetAsked(author.id))
    world.run_for(60)
    author.say("welcome")
    world.run_for(200)
    assert texts_of(newcomer, author) == ["welcome"]
    assert not gaps(newcomer) and not newcomer.disk.held


def test_an_author_who_was_put_back_does_not_vouch_for_what_others_say_was_its_own() -> None:
    """The reader takes made-up words for the author's, and tells the author so after the reset."""
    world, (reader, author, liar) = gather(467, 3)
    author.say("written")
    world.run_for(30)
    older = author.disk.copy()
    at = head(liar, author)
    forged = content_of(author, "forged", seq=at.seq + 1, previous=at.mid)
    pass_forged(liar, reader, sealed(author, forged))
    world.run_for(30)
    assert passer_of(reader, "forged") == liar.id
    put_back(world, author, older)
    author.feed(m.ResetAsked(reader.id))
    world.run_for(200)
    assert head(author, author).seq == at.seq + 1
    assert passer_of(reader, "forged") == liar.id
    author.say("and on")
    author.say("further")
    world.run_for(100)
    assert passer_of(reader, "forged") == liar.id
    assert passer_of(reader, "and on") is passer_of(reader, "further") is None
    assert entry_of(author, "further").previous == entry_of(author, "and on").mid
    assert not reader.circle.cold.peers[author.id].is_forked  # type: ignore[union-attr]


# ---- gaps


def test_a_gap_is_repaired_in_place_and_taken_back() -> None:
    world, (author, other, reader) = gather(420, 3)
    world.part([author, other], [reader])
    for number in range(4):
        author.say(str(number))
    world.run_for(5)
    # the reader's own copies are lost for ever but for the last
    kept = author.disk.owed[reader.id]
    for seq in sorted(kept)[:-1]:
        del kept[seq]
    world.kill(author)
    world.kill(other)
    world.mend()
    drop_mail_of(world, reader, author)
    world.start(author)
    author.disk.entries.clear()  # this device can answer nobody
    world.run_for(GAP_SHOWN_AFTER + 40)
    assert [entry.text for entry in gaps(reader)] == ["3"]
    world.start(other)
    world.run_for(60)
    assert gaps(reader) == []
    assert sorted(texts_of(reader, author)) == ["0", "1", "2", "3"]
    assert {passer_of(reader, str(number)) for number in range(4)} == {None}, "named by the last"
    assert "gap_filled" in told(reader)


# ---- liars


def content_of(author: Person, text: str, *, seq: int, previous: MessageId | None) -> Content:
    assert author.circle is not None
    return Content(
        circle_id=author.circle.cold.id,
        audience=Audience.CIRCLE,
        author_seq=seq,
        prev_own=previous,
        parents=(),
        view=author.view,
        lamport=1,
        ttl=0,
        type=ContentKind.TEXT,
        reply=None,
        body=encode_text(TextBody(text, 1_800_000_000)),
    )


def sealed(author: Person, content: Content, *, seed: int = 5) -> sync_events.FoundEntry:
    """Seal something under an author's id, as every member can."""
    key = ContentKey(SeededEntropy(seed).draw(32))
    common = seal_content(encode_content(content), key, author=author.id)
    return sync_events.FoundEntry(author.id, message_id(common), key, common)


def pass_forged(liar: Person, reader: Person, entry: sync_events.FoundEntry) -> None:
    acts(liar, lambda draft: hand_over_passed(draft, reader.id, entry))


def test_words_a_passer_made_up_bear_its_name_and_the_authors_own_are_shown_beside() -> None:
    world, (author, liar, reader) = gather(430, 3)
    author.say("true")
    world.run_for(5)
    at = head(reader, author)
    forged = content_of(author, "forged", seq=at.seq + 1, previous=at.mid)
    pass_forged(liar, reader, sealed(author, forged))
    world.run_for(5)
    assert passer_of(reader, "forged") == liar.id
    author.say("what I say")
    world.run_for(30)
    assert passer_of(reader, "what I say") is None
    assert passer_of(reader, "forged") == liar.id
    assert "stories_differ" in told(reader)
    assert "fork_seen" not in told(reader)
    assert not reader.circle.cold.peers[author.id].is_forked  # type: ignore[union-attr]
    author.say("and go on")
    world.run_for(30)
    assert texts_of(reader, author)[-2:] == ["what I say", "and go on"]
    assert head(reader, author) == head(liar, author) == head(author, author)


def test_a_whole_row_of_made_up_words_does_not_carry_the_stream_away() -> None:
    world, (author, liar, reader) = gather(431, 3)
    author.say("true")
    world.run_for(5)
    at = head(reader, author)
    previous = at.mid
    for number in range(10):
        made = content_of(author, f"forged {number}", seq=at.seq + 1 + number, previous=previous)
        entry = sealed(author, made, seed=number)
        previous = entry.mid
        pass_forged(liar, reader, entry)
    world.run_for(5)
    assert head(reader, author).seq == at.seq + 10
    for number in range(4):
        author.say(f"mine {number}")
        world.run_for(10)
    world.run_for(60)
    assert [text for text in texts_of(reader, author) if "mine" in text] == [
        f"mine {number}" for number in range(4)
    ]
    assert {passer_of(reader, f"mine {number}") for number in range(4)} == {None}
    assert {passer_of(reader, f"forged {number}") for number in range(10)} == {liar.id}
    assert head(reader, author) == head(author, author)


def test_an_author_does_not_vouch_for_what_was_brought_back_under_its_name() -> None:
    world, (author, liar, reader) = gather(434, 3)
    author.say("true")
    world.run_for(5)
    at = head(reader, author)
    forged = sealed(author, content_of(author, "forged", seq=at.seq + 1, previous=at.mid))
    pass_forged(liar, reader, forged)
    world.run_for(5)
    author.disk.entries[forged.mid] = entry_of(reader, "forged")
    world.frames.clear()
    acts(liar, lambda draft: pass_note(draft, author.id, Asked(4, (), (forged.mid,))))
    world.run_for(5)
    assert world.frames and not any(frame.endswith(forged.common) for frame in world.frames[1:])


def test_an_authors_head_of_one_audience_does_not_vouch_for_another() -> None:
    world, (reader, author, liar) = gather(447, 3)
    give_role(reader, author, Role.FACILITATOR)
    world.run_for(60)
    author.say("for few", Audience.FACILITATORS)
    world.run_for(20)
    pass_forged(liar, reader, sealed(author, content_of(author, "forged", seq=1, previous=None)))
    world.run_for(5)
    assert "for few" in texts_of(reader, author)
    world.cut_link(author, reader.id)  # they compare anew; the heads of what is for few agree
    world.run_for(100)
    assert passer_of(reader, "forged") == liar.id
    author.say("said first")
    world.run_for(60)
    assert passer_of(reader, "forged") == liar.id
    assert passer_of(reader, "said first") is None


def test_a_message_nobody_misses_is_not_taken_from_a_passer() -> None:
    world, (author, liar, reader) = gather(432, 3)
    for number in range(3):
        author.say(str(number))
    world.run_for(10)
    before = dict(reader.disk.entries)
    at = head(reader, author)
    for seq in (1, at.seq, at.seq + 1025, LAST):
        forged = content_of(author, "forged", seq=seq, previous=at.mid)
        pass_forged(liar, reader, sealed(author, forged, seed=seq))
    for forger in (reader, liar):  # the reader's own words, and under no author we know
        forged = content_of(
            forger, "forged", seq=head(reader, reader).seq + 1 if False else 9, previous=None
        )
        entry = sealed(forger, forged, seed=77)
        if forger is liar:
            entry = evolve(entry, author=MemberId(b"x" * 32))
        pass_forged(liar, reader, entry)
    world.run_for(40)
    assert dict(reader.disk.entries) == before and not reader.disk.held
    assert "unreadable" not in told(reader)


def test_of_who_is_out_nothing_is_taken_and_nothing_told() -> None:
    world, (founder, gone, other, reader) = gather(433, 4)
    other.say("before")
    world.run_for(5)
    at = head(reader, other)
    remove(founder, gone)
    world.run_for(30)
    forged = content_of(other, "forged", seq=at.seq + 1, previous=at.mid)
    pass_forged(gone, reader, sealed(other, forged))
    wanted = Range(other.id, Audience.CIRCLE, 1, LAST)
    other.say("after")
    world.run_for(10)
    acts(gone, lambda draft: pass_note(draft, reader.id, Asked(3, (wanted,))))
    acts(gone, lambda draft: pass_note(draft, reader.id, Heads(False, ())))
    world.run_for(60)
    assert "forged" not in texts_of(reader, other)
    assert "after" not in texts_of(gone, other)


def send_own(author: Person, reader: Person, entry: sync_events.FoundEntry) -> None:
    """An author owes one reader words that nobody else gets."""
    key, common = ContentKey(entry.key), entry.common
    acts(author, lambda draft: owe_message(draft, reader.id, mid=entry.mid, key=key, common=common))


def test_an_author_who_never_began_anew_names_what_it_said_before() -> None:
    """Only who was put back may leave it out: nobody else's second story stays unseen by that."""
    world, (author, reader) = gather(468, 2)
    author.say("first")
    world.run_for(30)
    unnamed = sealed(
        author, content_of(author, "second", seq=head(author, author).seq + 1, previous=None)
    )
    send_own(author, reader, unnamed)
    world.run_for(60)
    assert texts_of(reader, author) == ["first", "second"]
    assert reader.circle.cold.peers[author.id].is_forked  # type: ignore[union-attr]


def two_stories(author: Person, readers: tuple[Person, Person]) -> None:
    """An author tells two members different things under one number."""
    at = head(author, author)
    for number, reader in enumerate(readers):
        content = content_of(author, f"story {number}", seq=at.seq + 1, previous=at.mid)
        send_own(author, reader, sealed(author, content, seed=number))


def test_a_comparison_too_soon_after_another_is_put_off_and_not_dropped() -> None:
    world, (ours, theirs, _) = gather(441, 3)
    ours.say("before")
    world.run_for(700)
    other = b"\x07" * 32
    puts_off: list[bool] = []

    def hear(draft: Draft) -> None:
        comparing.take_digest(draft, theirs.id, other)
        puts_off.append(comparing.is_news(draft, theirs.id))

    acts(ours, hear)
    acts(ours, hear)
    assert puts_off == [False, True]
    world.run_for(120)
    assert not should_hear(ours, theirs), "and was made meanwhile"


def should_hear(person: Person, other: Person) -> bool:
    """Say whether a member should still hear our digest anew."""
    found: list[bool] = []
    acts(person, lambda draft: found.append(comparing.is_news(draft, other.id)))
    return found[0]


def test_two_stories_come_to_light_when_those_compare_who_heard_them() -> None:
    world, (author, ours, theirs) = gather(440, 3)
    author.say("before")
    world.run_for(10)
    two_stories(author, (ours, theirs))
    world.run_for(10)
    world.kill(author)
    world.cut_link(ours, theirs.id)
    world.run_for(90)
    for person, other in ((ours, theirs), (theirs, ours)):
        assert sorted(texts_of(person, author))[-2:] == ["story 0", "story 1"]
        assert "stories_differ" in told(person)
        passers = {passer_of(person, "story 0"), passer_of(person, "story 1")}
        assert passers == {None, other.id}
        assert not person.circle.cold.peers[author.id].is_forked  # type: ignore[union-attr]


def test_two_stories_further_down_come_to_light_too() -> None:
    world, (author, ours, theirs) = gather(441, 3)
    author.say("before")
    world.run_for(10)
    two_stories(author, (ours, theirs))
    world.run_for(10)
    assert author.circle is not None
    # the author goes on from the story it told one of them
    told_to_ours = entry_of(ours, "story 0")
    content = content_of(
        author, "goes on", seq=told_to_ours.author_seq + 1, previous=told_to_ours.mid
    )
    entry = sealed(author, content, seed=9)
    acts(
        author,
        lambda draft: [
            owe_message(
                draft, one.id, mid=entry.mid, key=ContentKey(entry.key), common=entry.common
            )
            for one in (ours, theirs)
        ],
    )
    world.run_for(10)
    world.kill(author)
    world.run_for(60)
    world.cut_link(ours, theirs.id)
    world.run_for(90)
    assert sorted(texts_of(theirs, author))[-3:] == ["goes on", "story 0", "story 1"]
    assert "fork_seen" in told(theirs) or "stories_differ" in told(theirs)


# ---- what a liar may claim


def tell_heads(liar: Person, reader: Person, *heads: Head) -> None:
    acts(liar, lambda draft: pass_note(draft, reader.id, Heads(True, heads)))


def test_a_wild_head_shows_nothing_and_costs_one_ask() -> None:
    world, (author, liar, reader) = gather(450, 3)
    wild = Head(author.id, Audience.CIRCLE, LAST, MessageId(b"w" * 32))
    strange = Head(MemberId(b"s" * 32), Audience.CIRCLE, 7, MessageId(b"w" * 32))
    before = frames_to(world, liar)
    tell_heads(liar, reader, wild, strange)
    world.run_for(200)
    assert not gaps(reader) and not reader.disk.held
    assert reader.circle is not None
    assert reader.circle.live.sync.ask is None
    assert head(reader, author).seq < 10
    assert frames_to(world, liar) - before < 30
    author.say("as ever")
    world.run_for(10)
    assert texts_of(reader, author) == ["as ever"]


def frames_to(world: World, person: Person) -> int:
    return person.history.count("FramesArrived") + person.history.count("MailArrived")


def test_an_author_from_the_future_moves_no_head() -> None:
    world, (author, liar, reader) = gather(451, 3)
    forged = content_of(author, "from the future", seq=5000, previous=None)
    pass_forged(liar, reader, sealed(author, forged))
    world.run_for(60)
    assert "from the future" not in texts_of(reader, author)
    author.say("now")
    world.run_for(10)
    assert texts_of(reader, author) == ["now"] and not gaps(reader)


def test_withheld_and_forged_parents_hold_a_message_back_for_a_while_only() -> None:
    world, (author, liar, reader) = gather(452, 3)
    content = content_of(liar, "knows more than you", seq=1, previous=None)
    parents = tuple(
        Parent(author.id[:8], Audience.CIRCLE, LAST - number, MessageId(bytes([number]) * 32))
        for number in range(32)
    )
    entry = sealed(liar, evolve(content, parents=parents))
    acts(
        liar,
        lambda draft: owe_message(
            draft, reader.id, mid=entry.mid, key=ContentKey(entry.key), common=entry.common
        ),
    )
    world.run_for(GAP_SHOWN_AFTER + 60)
    assert texts_of(reader, liar) == ["knows more than you"]
    assert not gaps(reader) and not reader.disk.held
    assert reader.circle is not None
    assert not any(seq > 2000 for s in reader.circle.log.heads.values() for seq in [s.seq])


def test_asking_without_end_gets_a_bounded_answer() -> None:
    world, (author, storm, other) = gather(453, 3)
    for number in range(60):
        author.say(str(number) * 400)
    world.run_for(20)
    everything = Range(author.id, Audience.CIRCLE, 1, LAST)
    before = storm.history.count("FramesArrived")
    for number in range(2000):
        acts(
            storm,
            lambda draft, number=number: pass_note(
                draft, author.id, Asked(number + 1, (everything,))
            ),  # type: ignore[misc]
        )
    world.run_for(1)
    assert storm.history.count("FramesArrived") - before < 61 * 400
    assert author.circle is not None
    answering = author.circle.live.sync.answering[storm.id]
    assert answering.room < 16 * 1024 * 1024
    author.say("still here")
    world.run_for(10)
    assert texts_of(other, author)[-1] == "still here"


def test_fourteen_who_have_it_all_send_it_once() -> None:
    world, people = gather(454, 14)
    author, reader = people[1], people[2]
    world.part([author], [reader])
    for number in range(20):
        author.say(f"{number} " + "x" * 300)
    world.run_for(10)
    world.kill(author)
    world.mend()
    drop_mail_of(world, reader, author)
    world.kill(reader)
    world.start(reader)
    before = reader.history.count("FramesArrived")
    world.run_for(60)
    assert len(texts_of(reader, author)) == 20
    passers = {passer_of(reader, text) for text in texts_of(reader, author)}
    assert len(passers) == 1
    assert reader.history.count("FramesArrived") - before < 150


def test_who_does_not_answer_is_not_waited_for_long() -> None:
    world, people = gather(455, 4)
    author, silent, other, reader = people
    world.part([author], [reader])
    author.say("said")
    world.run_for(5)
    world.kill(author)
    world.mend()
    drop_mail_of(world, reader, author)
    for person in (silent, other):
        world.cut_link(person, reader.id)
    world.run_for(30 + 2 * WAIT_LINK)
    assert texts_of(reader, author) == ["said"]


def test_two_equal_logs_say_one_note_each() -> None:
    world, (ours, theirs) = gather(456, 2)
    for number in range(20):
        (ours, theirs)[number % 2].say(str(number))
    world.run_for(30)
    world.cut_link(ours, theirs.id)
    world.run_for(60)
    world.frames.clear()
    world.cut_link(ours, theirs.id)
    world.run_for(60)
    said = sum(len(frame) for frame in world.frames)
    assert ours.circle is not None and not ours.circle.live.sync.told_at
    assert 0 < said <= 2000 + 2 * 1500, "two acknowledgements may offer new keys"
