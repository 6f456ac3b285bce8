"""Two copies of one home, and an older disk put back: seen, shown, and healed by a fresh session."""

from __future__ import annotations

import pytest
from attrs import evolve

from tests.support.disk import Disk
from tests.support.entropy import SeededEntropy
from tests.support.world import Person, World
from toheal_protocol.machines import events as m
from toheal_protocol.machines.addressing import seal_deposit
from toheal_protocol.machines.state import Peer
from toheal_protocol.messages.frames import Opening, encode_frame


def talk(world: World, ours: Person, theirs: Person, *, rounds: int = 2) -> None:
    for turn in range(rounds):
        ours.say(f"{ours.name} {turn}")
        world.run_for(3)
        theirs.say(f"{theirs.name} {turn}")
        world.run_for(3)


def put_back(world: World, person: Person, disk: Disk) -> None:
    """The process ends, an older disk lies there, the process starts."""
    world.kill(person)
    person.disk = disk
    world.start(person)
    world.run_for(2)


def copy_of(world: World, person: Person) -> Person:
    """The same home runs a second time: same disk, other chance."""
    other = world.person(person.name)
    other.disk = person.disk.copy()
    return other


def told(person: Person) -> list[str]:
    return [tell.what for tell in person.told]


def peer(person: Person, other: Person) -> Peer:
    assert person.circle is not None
    return person.circle.cold.peers[other.id]


def words(person: Person) -> list[str]:
    return [text for _, text in person.texts()]


def together(seed: int) -> tuple[World, Person, Person]:
    world = World(seed)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(5)
    talk(world, ours, theirs)
    return world, ours, theirs


def assert_they_talk(world: World, ours: Person, theirs: Person) -> None:
    """What either says now reaches the other, once."""
    ours.say("still here")
    theirs.say("here too")
    world.run_for(60)
    assert words(theirs).count("still here") == 1
    assert words(ours).count("here too") == 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("asks", [0, 1])
def test_a_session_begun_anew_is_shown_to_both_and_goes_on(seed: int, asks: int) -> None:
    world, ours, theirs = together(seed)
    pair = (ours, theirs)
    pair[asks].feed(m.ResetAsked(pair[1 - asks].id))
    world.run_for(40)
    assert told(ours).count("session_reset") == told(theirs).count("session_reset") == 1
    assert peer(ours, theirs).continuity == peer(theirs, ours).continuity
    assert peer(ours, theirs).reset_at and peer(theirs, ours).reset_at
    assert_they_talk(world, ours, theirs)


@pytest.mark.parametrize("seed", range(4))
def test_two_who_begin_anew_at_once_end_with_one_session(seed: int) -> None:
    world, ours, theirs = together(seed)
    ours.feed(m.ResetAsked(theirs.id))
    theirs.feed(m.ResetAsked(ours.id))
    world.run_for(120)
    assert peer(ours, theirs).calling is None and peer(theirs, ours).calling is None
    assert peer(ours, theirs).continuity == peer(theirs, ours).continuity
    assert told(ours).count("session_reset") == told(theirs).count("session_reset") == 1
    assert_they_talk(world, ours, theirs)


@pytest.mark.parametrize("seed", range(6))
def test_an_older_disk_put_back_heals_when_it_is_noticed_at_the_start(seed: int) -> None:
    world, ours, theirs = together(seed)
    older = ours.disk.copy()
    talk(world, ours, theirs, rounds=1 + seed)
    put_back(world, ours, older)
    ours.feed(m.ResetAsked(theirs.id))
    world.run_for(60)
    assert "session_reset" in told(ours) and "session_reset" in told(theirs)
    assert_they_talk(world, ours, theirs)
    for text in ("one", "two", "three"):
        ours.say(text)
    world.run_for(30)
    assert [text for text in words(theirs) if text in ("one", "two", "three")] == [
        "one",
        "two",
        "three",
    ]
    assert not peer(theirs, ours).is_forked


@pytest.mark.parametrize("seed", range(6))
def test_an_older_disk_put_back_unnoticed_is_shown_once_they_talk_and_heals(seed: int) -> None:
    world, ours, theirs = together(seed)
    older = ours.disk.copy()
    talk(world, ours, theirs, rounds=1 + seed % 3)
    put_back(world, ours, older)
    for turn in range(6):
        ours.say(f"again {turn}")
        world.run_for(20)
        theirs.say(f"answer {turn}")
        world.run_for(20)
    world.run_for(120)
    assert "session_reset" in told(ours) and "session_reset" in told(theirs)
    assert "fork_told" in told(ours) or "fork_seen" in told(theirs)
    heard = words(theirs)
    assert all(heard.count(f"again {turn}") == 1 for turn in range(6))
    heard = words(ours)
    assert all(heard.count(f"answer {turn}") == 1 for turn in range(6))
    assert_they_talk(world, ours, theirs)


@pytest.mark.parametrize("seed", range(6))
def test_what_was_owed_before_a_reset_arrives_after_it_in_its_order(seed: int) -> None:
    world, ours, theirs = together(seed)
    world.kill(theirs)
    texts = [f"while you were away {number}" for number in range(150)]
    for text in texts:
        ours.say(text)
    world.run_for(5)
    world.restart_relay()
    world.run_for(5)
    ours.feed(m.ResetAsked(theirs.id))
    world.run_for(5)
    ours.say("after it")
    world.start(theirs)
    world.run_for(240)
    assert [text for text in words(theirs) if text.startswith(("while", "after"))] == [
        *texts,
        "after it",
    ]
    assert ours.delivered_to(theirs.id) == {mid for mid, _ in ours.said}
    assert "fork_seen" not in told(theirs)


@pytest.mark.parametrize("seed", range(25))
def test_a_reset_survives_a_hostile_network_and_crashes(seed: int) -> None:
    world, ours, theirs = together(seed)
    world.drop, world.repeat, world.delay = 0.2, 0.2, (0.001, 3.0)
    said: list[str] = []
    for turn in range(8):
        speaker = world.chance.choice((ours, theirs))
        if speaker.say(f"bad {turn}"):
            said.append(f"bad {turn}")
        if turn == 2:
            ours.feed(m.ResetAsked(theirs.id))
        if turn == 4 and seed % 3 == 0:
            theirs.feed(m.ResetAsked(ours.id))
        world.run_for(world.chance.uniform(0, 8))
        if world.chance.random() < 0.4:
            victim = world.chance.choice((ours, theirs))
            point = world.chance.choice(("decide", "commit", "act", "mid-act"))
            victim.crash_at = (point, victim.steps + world.chance.randrange(6))
        world.run_for(world.chance.uniform(0, 8))
        for person in (ours, theirs):
            world.start(person)
    world.heal()
    world.run_for(400)
    heard, read = sorted(words(ours)), sorted(words(theirs))
    assert heard == read
    assert len(set(heard)) == len(heard)
    assert set(said) <= set(heard)
    assert peer(ours, theirs).continuity == peer(theirs, ours).continuity
    assert_they_talk(world, ours, theirs)


@pytest.mark.parametrize("seed", range(6))
def test_two_copies_that_run_are_shown_on_both_sides_as_soon_as_the_peer_answers(
    seed: int,
) -> None:
    world, ours, theirs = together(seed)
    copy = copy_of(world, ours)
    world.start(copy)
    world.run_for(2)
    for turn in range(4):
        ours.say(f"one {turn}")
        copy.say(f"other {turn}")
        world.run_for(10)
        theirs.say(f"answer {turn}")
        world.run_for(40)
    assert "fork_seen" in told(theirs)
    assert "fork_told" in told(ours) + told(copy)


@pytest.mark.parametrize("seed", range(6))
def test_a_copy_that_can_open_nothing_any_more_is_told_too(seed: int) -> None:
    """The peer went on with the original: what it sends opens for the original alone."""
    world, ours, theirs = together(seed)
    copy = copy_of(world, ours)
    talk(world, ours, theirs, rounds=3)
    world.kill(ours)
    world.start(copy)
    world.run_for(2)
    for turn in range(4):
        theirs.say(f"to whom? {turn}")
        world.run_for(5)
    assert "fork_told" in told(copy)


def test_after_a_reset_the_other_copy_can_neither_read_nor_begin_anew() -> None:
    world, ours, theirs = together(1)
    copy = copy_of(world, ours)
    ours.feed(m.ResetAsked(theirs.id))
    world.run_for(40)
    world.kill(ours)
    theirs.say("for the true one")
    world.start(copy)
    world.run_for(5)
    copy.feed(m.ResetAsked(theirs.id))
    copy.say("from the copy")
    world.run_for(120)
    assert "for the true one" not in words(copy)
    assert "from the copy" not in words(theirs)
    assert told(theirs).count("session_reset") == 1
    world.kill(copy)
    world.start(ours)
    world.run_for(60)
    assert "for the true one" in words(ours)


def test_no_key_and_nonce_are_used_twice_by_two_copies() -> None:
    """Every sealed unit begins with its own random nonce; no two frames of two copies share one."""
    world, ours, _ = together(2)
    copy = copy_of(world, ours)
    world.start(copy)
    for turn in range(10):
        ours.say(f"same words {turn}")
        copy.say(f"same words {turn}")
        world.run_for(2)
    nonces = [frame[:24] for frame in world.relay.seen]
    assert len(set(nonces)) == len(set(world.relay.seen))


def test_a_card_with_a_newer_prekey_reaches_the_others_so_that_a_reset_stays_possible() -> None:
    world, ours, theirs = together(3)
    before = peer(theirs, ours).card
    world.run_for(20 * 24 * 3600)
    assert peer(theirs, ours).card != before
    theirs.feed(m.ResetAsked(ours.id))
    world.run_for(60)
    assert "session_reset" in told(ours)
    assert_they_talk(world, ours, theirs)


class SlowDisks(World):
    """A world where what is read from a disk is on its way for seconds."""

    def _load_owed(self, person: Person, run: int, effect: m.LoadOwed) -> None:
        rows = sorted(person.disk.owed.get(effect.member, {}).values(), key=lambda row: row.seq)
        wanted = [row for row in rows if effect.after < row.seq <= effect.upto]
        some = tuple(wanted[: effect.limit])
        event = m.OwedLoaded(effect.member, effect.upto, len(some) == len(wanted), some)
        wait = self.chance.uniform(0, 4)
        self._later(wait, lambda: self._answer(person, run, event))


@pytest.mark.parametrize("seed", range(8))
def test_what_was_being_read_from_the_disk_when_a_session_began_anew_is_not_lost(seed: int) -> None:
    world = SlowDisks(seed)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(20)
    theirs.feed(m.ResetAsked(ours.id))
    texts = [f"meanwhile {number}" for number in range(140)]
    for number, text in enumerate(texts):
        ours.say(text)
        if number % 20 == 0:
            world.run_for(world.chance.uniform(0, 1))
    world.run_for(400)
    assert [text for text in words(theirs) if text.startswith("meanwhile")] == texts
    assert ours.delivered_to(theirs.id) == {mid for mid, _ in ours.said}


def test_a_gap_in_what_was_acknowledged_leaves_no_gap_in_the_new_count() -> None:
    world, ours, theirs = together(4)
    world.kill(theirs)
    for text in ("first", "second", "third"):
        ours.say(text)
    assert ours.circle is not None
    pair = ours.circle.pairs[theirs.id]
    gone = pair.next_seq - 2
    pair = evolve(pair, acked_beyond=frozenset({gone}))
    ours.circle = evolve(ours.circle, pairs={theirs.id: pair})
    del ours.disk.owed[theirs.id][gone]
    ours.feed(m.ResetAsked(theirs.id))
    world.start(theirs)
    world.run_for(120)
    assert theirs.circle is not None
    assert theirs.circle.pairs[ours.id].received_beyond == frozenset()
    assert "first" in words(theirs)
    assert_they_talk(world, ours, theirs)


def test_an_older_opening_of_a_reset_played_again_begins_nothing() -> None:
    world, ours, theirs = together(5)
    world.delay = (0.02, 0.02)
    older = ours.disk.copy()
    ours.feed(m.ResetAsked(theirs.id))
    first = peer(ours, theirs).calling
    assert first is not None
    world.run_for(0.05)
    put_back(world, ours, older)
    ours.feed(m.ResetAsked(theirs.id))
    world.run_for(0.05)
    world.disconnect(ours)
    world.run_for(5)
    assert theirs.circle is not None
    assert len(peer(theirs, ours).resets_seen) == 2
    before = theirs.circle.pairs[ours.id]
    box = peer(theirs, ours).mailboxes[-2]
    replay = seal_deposit(box.seal_key, encode_frame(Opening(first.opening)), SeededEntropy(1))
    mail = m.Mail(box.address, 1, replay)
    theirs.feed(m.MailArrived(world.relay.address, (mail,)))
    assert theirs.circle.pairs[ours.id] == before
    world.reconnect(ours)
    world.run_for(90)
    theirs.feed(m.MailArrived(world.relay.address, (mail,)))
    assert_they_talk(world, ours, theirs)
