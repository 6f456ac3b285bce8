"""A backup at some time, talk, a lost device, the backup in its place: one story for everybody."""

from __future__ import annotations

import random

import pytest

from tests.network.test_crashes import sealed as sealed  # a fixture
from tests.network.test_hostile_world import gather
from tests.support.kept import backup_of, opened_file, restore
from tests.support.world import Person, World
from toheal_protocol.machines import events as m
from toheal_protocol.machines.backup_records import encode_backup_record
from toheal_protocol.machines.state import Stream
from toheal_protocol.machines.streams import LEAP
from toheal_protocol.messages.acts import Reason, RoleChange
from toheal_protocol.model import Audience, MemberId, MessageId, Role

LONGEST = 9000.0


def numbers_of(reader: Person, author: MemberId) -> dict[int, set[MessageId]]:
    """Return what a person has of an author, by the author's count."""
    found: dict[int, set[MessageId]] = {}
    for entry in reader.disk.entries.values():
        if entry.author == author and entry.kind != "gap":
            found.setdefault(entry.author_seq, set()).add(entry.mid)
    return found


def heads_of(person: Person, author: Person) -> int:
    assert person.circle is not None
    head = person.circle.log.heads.get(Stream(author.id, Audience.CIRCLE))
    return head.seq if head is not None else 0


def logs(world: World) -> set[frozenset[tuple[MemberId, str]]]:
    return {frozenset(person.texts()) for person in world.people}


def agree(world: World, within: float = LONGEST) -> None:
    """Everybody comes together, and nothing is left to tell."""
    world.heal()
    until = world.now + within
    while world.now < until and (len(logs(world)) > 1 or any(_waits(p) for p in world.people)):
        world.run_for(60)
    world.run_for(30)


def _waits(person: Person) -> bool:
    return any(person.disk.owed.values()) or bool(person.disk.held)


def assert_one_story(world: World, lost: Person) -> None:
    for reader in world.people:
        for seq, mids in numbers_of(reader, lost.id).items():
            assert len(mids) == 1, f"two stories of number {seq}"
        what = {tell.what for tell in reader.told}
        assert not what & {"fork_seen", "fork_told", "stories_differ", "unreadable"}
    everything = [numbers_of(reader, lost.id) for reader in world.people]
    for seq in {seq for one in everything for seq in one}:
        assert len({mid for one in everything for mid in one.get(seq, set())}) == 1, seq


@pytest.mark.parametrize("seed", [*range(9), 46, 74])
def test_a_restored_author_tells_one_story_and_all_logs_agree(
    seed: int, sealed: dict[tuple[bytes, bytes], bytes]
) -> None:
    chance = random.Random(seed)
    world = gather(seed, chance.choice([2, 3, 4]), is_direct=chance.random() < 0.5)
    lost = chance.choice(world.people)
    others = [person for person in world.people if person is not lost]
    _talk(world, chance, chance.randrange(1, 6))
    file = backup_of(lost.disk)
    absent = chance.choice(others) if chance.random() < 0.5 else None
    if absent is not None:
        world.kill(absent)
    _talk(world, chance, chance.randrange(6))
    restore(world, lost, file)
    if chance.random() < 0.5:
        lost.say("at once, before anybody was heard")
    world.run_for(chance.choice([0.0, 5.0, 60.0]))
    _talk(world, chance, 4)
    agree(world)
    lost.say("and after all that")
    agree(world)
    assert_one_story(world, lost)
    assert len(logs(world)) == 1
    for person in others:
        assert "session_reset" in {tell.what for tell in person.told}
    assert not any(e.kind == "gap" for p in world.people for e in p.disk.entries.values())


def _talk(world: World, chance: random.Random, turns: int) -> None:
    for turn in range(turns):
        person = chance.choice(world.people)
        if person.is_running:
            person.say(f"{world.now} {turn} {person.name}")
        world.run_for(chance.choice([0.0, 1.0, 20.0]))


def test_who_was_heard_by_everybody_counts_on_and_does_not_leap() -> None:
    world = gather(3, 3, is_direct=False)
    lost, *others = world.people
    file = backup_of(lost.disk)
    before = heads_of(lost, lost)
    for number in range(5):
        lost.say(f"after the backup {number}")
        world.run_for(2)
    restore(world, lost, file)
    world.run_for(200)
    lost.say("again")
    world.run_for(60)
    assert {heads_of(person, lost) for person in world.people} == {before + 6}
    assert [text for author, text in lost.texts() if author == lost.id][-1] == "again"
    assert len(others) == 2 and len(logs(world)) == 1


def test_who_writes_before_everybody_was_heard_leaps_and_nothing_is_shown_as_missing() -> None:
    world = gather(4, 3, is_direct=False)
    lost, _, absent = world.people
    file = backup_of(lost.disk)
    lost.say("only for the record")
    world.run_for(10)
    world.kill(absent)
    restore(world, lost, file)
    world.run_for(60)
    lost.say("one is away")
    world.run_for(30)
    leapt = heads_of(lost, lost)
    assert leapt > LEAP and leapt % LEAP == 1
    agree(world)
    assert {heads_of(person, lost) for person in world.people} == {leapt}
    assert len(logs(world)) == 1
    assert not any(e.kind == "gap" for p in world.people for e in p.disk.entries.values())
    assert_one_story(world, lost)


def test_one_backup_restored_twice_tells_no_second_story() -> None:
    """The second time the ones who met the first copy are out of reach; the others hear one story."""
    world = gather(5, 3, is_direct=False)
    lost, _, absent = world.people
    file = backup_of(lost.disk)
    world.kill(absent)
    restore(world, lost, file)
    lost.say("the first life")
    world.run_for(60)
    restore(world, lost, file)
    lost.say("the second life")
    world.start(absent)
    agree(world, within=600)
    assert "the second life" in [text for _, text in absent.texts()]
    assert_one_story(world, lost)


def test_nothing_is_signed_before_somebody_was_heard() -> None:
    world = gather(6, 2, is_direct=False)
    lost, other = world.people
    file = backup_of(lost.disk)
    world.kill(other)
    restore(world, lost, file)
    before = lost.view
    lost.feed(m.Acted(RoleChange(other.id, Role.LISTENER, heard=0, reason=Reason())))
    assert lost.view == before
    world.start(other)
    world.run_for(60)
    lost.feed(m.Acted(RoleChange(other.id, Role.LISTENER, heard=0, reason=Reason())))
    assert lost.view != before


def test_a_backup_has_nothing_that_was_used_to_seal() -> None:
    """Neither sessions nor prekeys nor handshakes: not as fields, and not as bytes anywhere."""
    world = gather(7, 3, is_direct=False)
    lost = world.people[0]
    world.invite(lost)
    world.run_for(5)
    assert lost.circle is not None
    file = backup_of(lost.disk)
    plain = b"".join(encode_backup_record(record) for record in opened_file(file))
    cold = lost.circle.cold
    secrets = [prekey.dh for prekey in cold.prekeys] + [prekey.kem for prekey in cold.prekeys]
    secrets += [invitation.secret for invitation in cold.invitations]
    for pair in lost.circle.pairs.values():
        assert pair.session is not None
        secrets += [pair.session.root, pair.session.next_to_send, pair.session.next_to_receive]
    for row in (row for rows in lost.disk.owed.values() for row in rows.values()):
        secrets.append(bytes(row.frame[:64]))
    assert len(secrets) > 6 and all(len(secret) >= 32 for secret in secrets)
    assert not any(secret in plain for secret in secrets)
    kept = [peer.continuity for peer in cold.peers.values()]
    assert kept and all(continuity in plain for continuity in kept), "or this test sees nothing"
