"""Files between people: pulled after a tap, checked piece by piece, and never in the way of words."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.network.test_three_people import gather
from tests.support.files import a_file, attach, content_of, fetch_of, held_chunks, is_here, want
from tests.support.world import Person, World
from toheal_protocol.machines import events as m
from toheal_protocol.machines import file_effects as files
from toheal_protocol.machines.attachments import forget_attachment
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.fetch_state import MOST_WINDOW
from toheal_protocol.machines.fetching import ANSWER_LONGEST, PASSED_OVER
from toheal_protocol.machines.pair import CHAIN_SPARED, pass_note
from toheal_protocol.machines.serving import SERVED_AGAIN
from toheal_protocol.machines.state import Standing
from toheal_protocol.messages.acts import Reason, ReasonCategory, Removal, text_hash
from toheal_protocol.messages.file_chunks import CHUNK_SIZE, MAX_FILE_SIZE, PIECE_SIZE, chunk_count
from toheal_protocol.messages.file_notes import Chunk, ChunksWanted, FileNote
from toheal_protocol.model import Instant, MessageId

POINTS = ("decide", "commit", "act", "mid-act")


def two(seed: int = 1) -> tuple[World, Person, Person]:
    world = World(seed)
    ours, theirs = world.bring_together()
    world.run_for(20)
    assert ours.links and theirs.links
    return world, ours, theirs


def announced(world: World, author: Person, content: bytes) -> MessageId:
    mid = attach(author, content)
    assert mid is not None
    world.run_for(5)
    return mid


def test_nothing_comes_without_a_tap_and_all_of_it_after_one() -> None:
    world, ours, theirs = two()
    content = a_file(20 * PIECE_SIZE + 7)
    mid = announced(world, ours, content)
    world.run_for(600)
    assert theirs.disk.entries[mid].kind == "attachment"
    assert theirs.disk.entries[mid].text == "نافذة"
    assert held_chunks(theirs, mid) == 0
    want(theirs, mid)
    world.run_until(lambda: is_here(theirs, mid), within=30)
    assert content_of(theirs, mid) == content


def test_the_file_and_its_name_are_in_nothing_a_relay_saw() -> None:
    world, ours, theirs = two()
    content = b"a street, a door, a name " * 4000
    mid = announced(world, ours, content)
    want(theirs, mid)
    world.run_until(lambda: is_here(theirs, mid), within=30)
    facts = theirs.disk.attachments[mid]
    seen = b"".join(world.relay.seen)
    assert facts.file not in seen
    assert not any(chunk.sealed[:64] in seen for chunk in ours.disk.chunks[facts.file].values())
    assert sum(map(len, world.relay.seen)) < len(content)


def test_without_a_link_nothing_is_asked_and_it_begins_when_there_is_one() -> None:
    world = World(2)
    world.links_allowed = False
    ours, theirs = world.bring_together()
    world.run_for(20)
    mid = announced(world, ours, a_file(100_000))
    deposits = len(world.relay.seen)
    want(theirs, mid)
    world.run_for(300)
    assert held_chunks(theirs, mid) == 0
    assert sum(map(len, world.relay.seen[deposits:])) < 40 * CHUNK_SIZE
    world.heal()
    world.run_until(lambda: is_here(theirs, mid), within=400)


@pytest.mark.parametrize("rate", [30_000, 125_000, 1_250_000, 12_500_000])
def test_words_do_not_wait_behind_ten_megabytes(rate: int) -> None:
    """At 240 kbit/s, and at 1, 10 and 100 Mbit/s: a text is there soon, the file goes on."""
    world, ours, theirs = two(3)
    mid = announced(world, ours, a_file(MAX_FILE_SIZE))
    world.bandwidth = rate
    want(theirs, mid)
    world.run_for(20 if rate < 1_000_000 else 0.4)
    waited = []
    for turn in range(5):
        assert not is_here(theirs, mid)
        said = ours.say(f"are you there {turn}")
        began = world.now
        world.run_until(lambda said=said: said in theirs.disk.entries, within=10)  # type: ignore[misc]
        waited.append(world.now - began)
        world.run_for(0.05)
    slowest = 2.5 * 4 * CHUNK_SIZE / rate + 0.1  # four chunks, and what was sealed before them
    assert max(waited) < max(slowest, 0.3), waited


def test_a_fast_path_is_used_and_a_slow_one_is_not_filled() -> None:
    windows = {}
    for rate in (60_000, 6_000_000):
        world, ours, theirs = two(4)
        mid = announced(world, ours, a_file(200 * PIECE_SIZE))
        world.bandwidth = rate
        want(theirs, mid)
        world.run_for(10 if rate < 100_000 else 0.4)
        windows[rate] = fetch_of(theirs, mid).window
        world.run_until(lambda mid=mid, theirs=theirs: is_here(theirs, mid), within=200)  # type: ignore[misc]
        least = chunk_count(200 * PIECE_SIZE) * CHUNK_SIZE / rate
        assert world.now < 60 + 3 * least
    assert windows[60_000] <= 4 < 16 <= windows[6_000_000] <= MOST_WINDOW


def test_a_broken_link_costs_what_was_under_way_and_no_more() -> None:
    world, ours, theirs = two(5)
    mid = announced(world, ours, a_file(100 * PIECE_SIZE))
    world.bandwidth = 500_000
    want(theirs, mid)
    kept = []
    for _ in range(4):
        world.run_for(0.7)
        world.cut_link(theirs, ours.id)
        kept.append(held_chunks(theirs, mid))
        world.run_for(25)
    assert all(before < after for before, after in pairwise(kept) if before < 112)
    world.run_until(lambda: is_here(theirs, mid), within=300)
    sent = _served(ours, theirs)
    assert sent <= chunk_count(100 * PIECE_SIZE) + 5 * MOST_WINDOW


def _served(author: Person, reader: Person) -> int:
    assert author.circle is not None
    return author.circle.live.serving[reader.id].total


def test_a_restart_of_both_goes_on_where_it_was() -> None:
    world, ours, theirs = two(6)
    content = a_file(60 * PIECE_SIZE)
    mid = announced(world, ours, content)
    world.bandwidth = 200_000
    want(theirs, mid)
    world.run_until(lambda: held_chunks(theirs, mid) > 20, within=30)
    for person in (ours, theirs):
        world.kill(person)
    before = held_chunks(theirs, mid)
    for person in (ours, theirs):
        world.start(person)
    world.run_for(30)
    assert held_chunks(theirs, mid) == before, "nobody has asked again yet"
    want(theirs, mid)
    world.run_until(lambda: is_here(theirs, mid), within=60)
    assert content_of(theirs, mid) == content
    assert _served(ours, theirs) <= chunk_count(len(content)) - before


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("point", POINTS)
def test_a_crash_at_any_boundary_loses_nothing(point: str, who: int) -> None:
    for at in range(1, 30, 4):
        world, ours, theirs = two(7)
        world.restart_after = 1.0
        content = a_file(30 * PIECE_SIZE)
        mid = announced(world, ours, content)
        world.bandwidth = 400_000
        victim = (ours, theirs)[who]
        want(theirs, mid)
        victim.crash_at = (point, victim.steps + at)
        world.run_for(30)
        if victim.circle is not None and mid not in theirs.circle.live.fetches:  # type: ignore[union-attr]
            want(theirs, mid)
        world.run_until(lambda: is_here(theirs, mid), within=300)  # noqa: B023
        assert content_of(theirs, mid) == content


def test_another_member_serves_what_the_author_cannot() -> None:
    world, (author, first, second) = gather(8, 3)
    content = a_file(40 * PIECE_SIZE)
    mid = announced(world, author, content)
    want(first, mid)
    world.run_until(lambda: is_here(first, mid), within=30)
    world.kill(author)
    want(second, mid)
    world.run_until(lambda: is_here(second, mid), within=120)
    assert content_of(second, mid) == content


def test_two_halves_at_two_members_make_a_whole() -> None:
    world, (author, first, second) = gather(9, 3)
    content = a_file(24 * PIECE_SIZE)
    mid = announced(world, author, content)
    file = author.disk.attachments[mid].file
    lower = {at: chunk for at, chunk in author.disk.chunks[file].items() if at < 14}
    upper = {at: chunk for at, chunk in author.disk.chunks[file].items() if at >= 11}
    author.disk.chunks[file] = lower
    first.disk.chunks[file] = upper
    want(second, mid)
    world.run_until(lambda: is_here(second, mid), within=300)
    assert content_of(second, mid) == content


def test_what_nobody_has_is_said_to_be_missing_and_asked_for_again() -> None:
    world, (author, first, second) = gather(10, 3)
    mid = announced(world, author, a_file(50_000))
    file = author.disk.attachments[mid].file
    chunks = author.disk.chunks.pop(file)
    want(second, mid)
    world.run_for(10)
    fetch = fetch_of(second, mid)
    assert fetch.lacking == {author.id, first.id}
    assert fetch.source is None and fetch.have == 0
    author.disk.chunks[file] = chunks
    world.run_until(lambda: is_here(second, mid), within=2 * PASSED_OVER)


def spoil(person: Person, mid: MessageId, *, place: int = 3) -> None:
    """From now on this one serves a chunk with one bit changed."""
    file = person.disk.attachments[mid].file
    good = person.disk.chunks[file][place]
    sealed = bytes([good.sealed[0] ^ 1]) + good.sealed[1:]
    person.disk.chunks[file] = {
        **person.disk.chunks[file],
        place: files.LoadedChunk(place, good.proof, sealed),
    }


def test_who_brings_a_false_chunk_is_not_asked_again_and_nothing_of_it_stays() -> None:
    world, (author, first, second) = gather(11, 3)
    content = a_file(30 * PIECE_SIZE)
    mid = announced(world, author, content)
    want(first, mid)
    world.run_until(lambda: is_here(first, mid), within=30)
    spoil(author, mid)
    want(second, mid)
    world.run_until(lambda: is_here(second, mid), within=30)
    assert content_of(second, mid) == content
    assert fetch_of(second, mid).liars == {author.id}


def test_with_a_liar_alone_nothing_false_is_kept_and_nothing_spins() -> None:
    world, ours, theirs = two(12)
    mid = announced(world, ours, a_file(30 * PIECE_SIZE))
    spoil(ours, mid, place=0)
    want(theirs, mid)
    world.run_for(5)
    steps = theirs.steps
    world.run_for(600)
    assert held_chunks(theirs, mid) < 30
    assert 0 not in theirs.disk.chunks.get(theirs.disk.attachments[mid].file, {})
    assert fetch_of(theirs, mid).liars == {ours.id}
    assert theirs.steps - steps < 300


def test_a_source_that_takes_questions_and_answers_nothing_is_passed_over() -> None:
    world, (author, first, second) = gather(13, 3)
    content = a_file(30 * PIECE_SIZE)
    mid = announced(world, author, content)
    want(first, mid)
    world.run_until(lambda: is_here(first, mid), within=30)
    world.serves_nothing.add(author.name)
    want(second, mid)
    world.run_until(lambda: is_here(second, mid), within=ANSWER_LONGEST + 10)
    assert content_of(second, mid) == content


def ask(reader: Person, author: Person, note: FileNote) -> bool:
    """Send a note that no honest program would send; False: it is not sealed any more."""
    draft = a_draft(reader)
    is_sealed = pass_note(draft, author.id, note)
    decide(reader, draft)
    return is_sealed


def a_draft(person: Person) -> Draft:
    assert person.circle is not None
    now = Instant(person.world.now)
    return Draft(person.circle, now=now, wall_now=person.wall, entropy=person.entropy)


def decide(person: Person, draft: Draft) -> None:
    """Let what was done to a draft become what is."""
    decision = draft.decide(wake_at=None)
    person.disk.apply(decision.writes)
    person.circle = decision.circle
    for effect in decision.effects:
        if not isinstance(effect, m.WakeAt):
            person.world.perform(person, effect)


def test_asking_thousands_of_times_brings_few_answers() -> None:
    world, ours, theirs = two(14)
    mid = announced(world, ours, a_file(10 * PIECE_SIZE))
    file = ours.disk.attachments[mid].file
    before = world.carried[ours.name]
    for _ in range(2_000):
        ask(theirs, ours, ChunksWanted(file, ((2, 2),)))
        world.run_for(0.02)
    assert world.carried[ours.name] - before < (SERVED_AGAIN + 2) * 17_000 + 2_000 * 500
    assert ours.circle is not None
    assert len(ours.circle.live.serving[theirs.id].waiting) <= 64


def test_a_flood_of_questions_at_once_fills_nothing() -> None:
    world, ours, theirs = two(15)
    mid = announced(world, ours, a_file(MAX_FILE_SIZE))
    file = ours.disk.attachments[mid].file
    world.bandwidth = 50_000
    for turn in range(200):
        ask(theirs, ours, ChunksWanted(file, ((turn, turn + 63),)))
    world.run_for(2)
    assert ours.circle is not None
    serving = ours.circle.live.serving[theirs.id]
    assert len(serving.waiting) <= 64
    assert len(world._queue) < 400
    said = ours.say("still here")
    world.run_until(lambda: said in theirs.disk.entries, within=5)


def test_chunks_nobody_asked_for_are_dropped() -> None:
    world, ours, theirs = two(16)
    mid = announced(world, ours, a_file(10 * PIECE_SIZE))
    file = ours.disk.attachments[mid].file
    good = ours.disk.chunks[file][1]
    ask(ours, theirs, Chunk(file, 1, good.proof, good.sealed))
    world.run_for(2)
    assert held_chunks(theirs, mid) == 0
    want(theirs, mid)
    theirs.feed(files.FetchStopped(mid))
    world.run_for(5)
    assert held_chunks(theirs, mid) <= 4


def test_a_source_cannot_send_more_than_it_was_asked_for() -> None:
    world, ours, theirs = two(31)
    mid = announced(world, ours, a_file(100 * PIECE_SIZE))
    file = ours.disk.attachments[mid].file
    world.serves_nothing.add(ours.name)
    want(theirs, mid)
    world.run_for(1)
    for place in range(60, 80):
        good = ours.disk.chunks[file][place]
        assert ask(ours, theirs, Chunk(file, place, good.proof, good.sealed))
    world.run_for(1)
    assert held_chunks(theirs, mid) == 0
    assert fetch_of(theirs, mid).liars == frozenset()


def test_a_path_that_becomes_slow_is_asked_for_less() -> None:
    world, ours, theirs = two(32)
    mid = announced(world, ours, a_file(MAX_FILE_SIZE))
    world.bandwidth = 6_000_000
    want(theirs, mid)
    world.run_for(0.5)
    assert fetch_of(theirs, mid).window >= 16
    world.bandwidth = 60_000
    world.run_for(25)
    assert fetch_of(theirs, mid).window <= 4
    assert not is_here(theirs, mid)


def test_no_more_is_sealed_for_a_silent_reader_than_it_can_skip() -> None:
    world, ours, theirs = two(33)
    mid = announced(world, ours, a_file(10 * PIECE_SIZE))
    file = ours.disk.attachments[mid].file
    good = ours.disk.chunks[file][0]
    world.bandwidth = 1.0  # nothing arrives, and the link is not closed either
    sealed = sum(ask(ours, theirs, Chunk(file, 0, good.proof, good.sealed)) for _ in range(600))
    assert sealed <= CHAIN_SPARED
    world.cut_link(ours, theirs.id)
    world.bandwidth = float("inf")
    said = ours.say("still a session")
    world.run_until(lambda: said in theirs.disk.entries, within=60)
    assert not [tell for tell in theirs.told if tell.what in ("session_reset", "fork_seen")]


def test_who_is_out_is_served_nothing() -> None:
    """Also where the link still stands, because they do not know yet."""
    world, (author, first, second) = gather(17, 3)
    mid = announced(world, author, a_file(10 * PIECE_SIZE))
    file = author.disk.attachments[mid].file
    remove = Removal(second.id, 0, Reason(ReasonCategory.OTHER, text_hash("")))
    author.feed(m.Acted(remove))
    assert author.circle is not None
    assert author.circle.cold.peers[second.id].standing is Standing.GONE
    assert author.links.get(second.id) is not None
    before = world.carried[author.name]
    ask(second, author, ChunksWanted(file, ((0, 9),)))
    world.run_for(1)
    assert second.id not in author.circle.live.serving
    assert world.carried[author.name] - before < CHUNK_SIZE
    want(first, mid)
    world.run_until(lambda: is_here(first, mid), within=30)


def test_a_size_that_is_a_lie_never_becomes_a_file() -> None:
    world, ours, theirs = two(18)
    content = a_file(10 * PIECE_SIZE)
    mid = attach(ours, content, size=len(content) - 5)
    assert mid is not None
    world.run_for(5)
    want(theirs, mid)
    world.run_for(60)
    assert held_chunks(theirs, mid) == 0
    assert fetch_of(theirs, mid).liars == {ours.id}


@pytest.mark.parametrize("seed", range(4))
def test_through_bad_weather_everything_arrives(seed: int) -> None:
    world = World(20 + seed)
    world.drop, world.repeat, world.restart_after = 0.1, 0.1, 2.0
    ours, theirs = world.bring_together()
    world.run_for(60)
    content = a_file(50 * PIECE_SIZE, seed=seed)
    mid = attach(ours, content)
    assert mid is not None
    world.run_until(lambda: mid in theirs.disk.entries, within=300)
    world.bandwidth = 100_000
    for turn in range(12):
        if mid not in theirs.circle.live.fetches:  # type: ignore[union-attr]
            want(theirs, mid)
        ours.say(f"word {turn}")
        world.run_for(world.chance.uniform(0.1, 4))
        match world.chance.randrange(4):
            case 0:
                world.cut_link(ours, theirs.id)
            case 1:
                world.kill(world.chance.choice([ours, theirs]))
                world.run_for(1)
                for person in (ours, theirs):
                    world.start(person)
            case 2:
                world.disconnect(ours)
                world.reconnect(ours)
            case _:
                world.sleep_through(3)
    world.heal()
    world.run_for(30)
    if mid not in theirs.circle.live.fetches:  # type: ignore[union-attr]
        want(theirs, mid)
    world.run_until(lambda: is_here(theirs, mid), within=1500)
    world.run_for(30)
    assert content_of(theirs, mid) == content
    assert [text for _, text in theirs.texts()] == [text for _, text in ours.said]


def test_forgetting_the_message_forgets_the_file() -> None:
    world, ours, theirs = two(19)
    mid = announced(world, ours, a_file(20 * PIECE_SIZE))
    world.bandwidth = 100_000
    want(theirs, mid)
    world.run_for(1)
    draft = a_draft(theirs)
    forget_attachment(draft, mid)
    decide(theirs, draft)
    world.run_for(30)
    assert mid not in theirs.disk.attachments and not theirs.disk.chunks


def test_in_one_room_without_a_relay_a_file_takes_the_wire() -> None:
    world = World(30)
    world.links_allowed = False
    ours, theirs = world.bring_together(is_direct=False)
    world.relay.is_up = False
    for person in (ours, theirs):
        world.disconnect(person)
        world.room.enter(person)
    world.run_for(10)
    content = a_file(40 * PIECE_SIZE)
    mid = announced(world, ours, content)
    want(theirs, mid)
    world.run_until(lambda: is_here(theirs, mid), within=30)
    assert content_of(theirs, mid) == content
