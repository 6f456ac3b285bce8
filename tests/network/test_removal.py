"""Removal, roles and appeals among whole machines: who hears what, and what everybody agrees on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve

from tests.support.entropy import SeededEntropy
from tests.support.governance import Story
from tests.support.personas import person as a_persona
from tests.support.world import Person, World
from toheal_protocol.envelope import (
    Content,
    ContentKey,
    encode_content,
    message_id,
    open_content,
    seal_content,
)
from toheal_protocol.errors import RemoteError
from toheal_protocol.identity import encode_card
from toheal_protocol.machines import events as m
from toheal_protocol.machines.addressing import open_deposit
from toheal_protocol.machines.carrying import tell_who_is_out
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.ledgers import membership_of
from toheal_protocol.machines.pair import open_frame, owe_message, owe_note
from toheal_protocol.machines.records import PutEntry
from toheal_protocol.machines.state import Circle, Position, Stage, Standing, Stream
from toheal_protocol.machines.voice import MAX_CROSSED, is_silenced
from toheal_protocol.membership import Membership
from toheal_protocol.messages.acts import (
    CharterChange,
    Reason,
    ReasonCategory,
    Removal,
    RoleChange,
    Second,
    charter_hash,
    text_hash,
)
from toheal_protocol.messages.announcement import Announcement, encode_announcement
from toheal_protocol.messages.bodies import ContentKind, TextBody, encode_text
from toheal_protocol.messages.frames import Envelope, Note, decode_frame
from toheal_protocol.messages.notes import Acquaintance, Carried, Introduction, Wanted
from toheal_protocol.model import Audience, Instant, MemberId, MessageId, OperationId, Role

DAY = 24 * 3600


def gather(
    seed: int, count: int, *, facilitators: int = 1, is_direct: bool = False
) -> tuple[World, list[Person]]:
    """A founder, whom it let in, and some of them made facilitators."""
    world = World(seed)
    people = [world.person(f"p{number}") for number in range(count)]
    world.found(people[0], is_direct=is_direct)
    for newcomer in people[1:]:
        world.join(people[0], newcomer)
    world.run_for(30)
    for number in range(1, facilitators):
        give_role(people[0], people[number], Role.FACILITATOR)
        world.run_for(20)
        if number > 1:
            second(people[1])
            world.run_for(20)
    assert all(view.members == now(people[0]).members for view in map(now, people))
    return world, people


def state(person: Person) -> Circle:
    assert person.circle is not None
    return person.circle


def now(person: Person) -> Membership:
    cold = state(person).cold
    return membership_of(cold.id, cold.operations)


def remove(by: Person, who: Person, text: str = "") -> None:
    reason = Reason(ReasonCategory.HARM, text_hash(text))
    by.feed(m.Acted(Removal(who.id, 0, reason), text))


def give_role(by: Person, who: Person, role: Role) -> None:
    by.feed(m.Acted(RoleChange(who.id, role, 0, Reason())))


def second(by: Person) -> None:
    """Support the newest thing that waits."""
    waiting = [one for one in now(by).outcomes if by.id in one.may_support]
    by.feed(m.Acted(Second(waiting[-1].id)))


def told(person: Person) -> list[str]:
    return [telling.what for telling in person.told]


def counting_texts(reader: Person, author: Person) -> list[str]:
    """What a reader is shown of an author: words that count."""
    peer = state(reader).cold.peers.get(author.id)
    return [
        entry.text
        for entry in reader.disk.entries.values()
        if entry.author == author.id
        and entry.kind == "text"
        and (reader is author or not is_silenced(peer, entry.audience, entry.author_seq))
    ]


def test_a_removed_member_is_told_and_why_and_hears_nothing_more() -> None:
    world, (ours, theirs, gone) = gather(1, 3)
    remove(ours, gone, "words that hurt")
    world.run_for(30)
    assert state(gone).cold.stage is Stage.REMOVED
    assert ("removed", gone.id) in [(one.what, one.member) for one in gone.told]
    assert state(gone).cold.texts[text_hash("words that hurt")] == "words that hurt"
    for person in (ours, theirs):
        assert state(person).cold.peers[gone.id].standing is Standing.GONE
        assert ("removed", gone.id) in [(one.what, one.member) for one in person.told]
        assert "remove" in [entry.kind for entry in person.shown]
    ours.say("among ourselves")
    theirs.say("yes")
    world.run_for(120)
    assert [text for _, text in gone.texts()] == []
    assert counting_texts(ours, theirs) == ["yes"]
    assert not ours.disk.owed.get(gone.id) and not theirs.disk.owed.get(gone.id)


def test_what_was_owed_to_the_removed_is_shown_as_undelivered_and_owed_no_more() -> None:
    world, (ours, theirs, gone) = gather(2, 3)
    world.kill(gone)
    ours.say("you will not get this")
    world.run_for(10)
    remove(theirs, gone)
    world.run_for(10)
    assert state(ours).cold.peers[gone.id].standing is Standing.MEMBER  # theirs may not alone
    second(ours)
    world.run_for(10)
    assert state(theirs).cold.peers[gone.id].standing is Standing.GONE
    texts = [row.mid for row in ours.disk.owed.get(gone.id, {}).values()]
    assert ours.said[0][0] not in texts


def everything_sealed_for(person: Person, world: World) -> list[bytes]:
    """Every frame a relay with a full recording could give somebody later, deposit seals opened."""
    keys = [box.seal_key for peer in state(person).cold.peers.values() for box in peer.mailboxes]
    frames = []
    for _, deposit in world.relay.deposited:
        for key in keys:
            try:
                frames.append(bytes(open_deposit(key, deposit)))
            except RemoteError:  # most are not for this mailbox
                continue
    return frames


def test_removal_secrecy_a_removed_member_with_a_full_recording_and_its_old_state_reads_nothing_said_after() -> (
    None
):
    """The relay gives the removed all it ever saw, and the removed kept every state it ever had."""
    world, (ours, theirs, gone) = gather(3, 3)
    world.keep_deposits = True
    old_states = [state(gone)]
    ours.say("while all were in")
    world.run_for(20)
    old_states.append(state(gone))
    remove(ours, gone)
    world.run_for(5)
    old_states.append(state(gone))
    secrets = ["first word after", "second word after"]
    ours.say(secrets[0])
    theirs.say(secrets[1])
    world.run_for(60)
    opened: list[bytes] = []
    for before in old_states:
        gone.circle = before
        for frame in everything_sealed_for(gone, world):
            opened += _open_with_any_session(gone, frame)
    plain = b"".join(opened)
    assert b"while all were in" in plain, "the recording is complete, and the attempt a real one"
    for secret in secrets:
        assert secret.encode() not in plain
        assert any(secret in [text for _, text in one.texts()] for one in (ours, theirs))


def _open_with_any_session(person: Person, frame: bytes) -> list[bytes]:
    found: list[bytes] = []
    try:
        decoded = decode_frame(frame)
    except RemoteError:
        return found
    if not isinstance(decoded, Envelope | Note):
        return found
    for member in state(person).cold.peers:
        draft = Draft(state(person), now=Instant(0), wall_now=person.wall, entropy=SeededEntropy(1))
        try:
            opened = open_frame(draft, member, decoded)
            found.append(open_content(opened.common, opened.key, author=member))  # type: ignore[union-attr]
        except (RemoteError, AttributeError):
            continue
    return found


def test_a_facilitator_is_removed_by_two_others_and_not_by_one() -> None:
    world, (ours, theirs, third, _member) = gather(4, 4, facilitators=3)
    remove(ours, theirs)
    world.run_for(20)
    assert all(theirs.id in now(person).members for person in world.people)
    assert state(theirs).cold.stage is Stage.ACTIVE
    second(third)
    world.run_for(20)
    assert state(theirs).cold.stage is Stage.REMOVED
    assert all(theirs.id not in now(person).members for person in world.people)


def test_a_majority_removes_a_facilitator_who_went_wrong_and_chooses_another() -> None:
    world, (founder, one, two) = gather(5, 3)
    remove(one, founder)
    world.run_for(20)
    second(two)
    world.run_for(20)
    assert state(founder).cold.stage is Stage.REMOVED
    give_role(one, two, Role.FACILITATOR)
    world.run_for(20)
    second(two)
    world.run_for(20)
    assert state(two).cold.my_role is Role.FACILITATOR
    newcomer = world.person("newcomer")
    world.join(two, newcomer)
    world.run_for(30)
    assert now(newcomer).members == now(one).members


def test_what_the_removed_did_in_another_part_of_the_network_is_void() -> None:
    """While they were apart, a facilitator who was being removed let somebody in."""
    world, (ours, theirs, third, _member) = gather(6, 4, facilitators=3)
    world.disconnect(theirs)
    remove(ours, theirs)
    world.run_for(20)
    second(third)
    world.run_for(20)
    remove(theirs, world.people[3])
    theirs.say("said apart")
    world.run_for(5)
    world.heal()
    world.run_for(60)
    honest = [ours, third, world.people[3]]
    assert all(now(person).members == now(ours).members for person in honest)
    assert world.people[3].id in now(ours).members
    assert state(theirs).cold.stage is Stage.REMOVED
    for reader in honest:
        assert counting_texts(reader, theirs) == []
        ours.say("still here")


def test_words_said_before_the_removal_was_made_count_for_everybody_also_when_they_come_late() -> (
    None
):
    world, (ours, theirs, gone) = gather(7, 3)
    undo = world.block(gone, theirs)
    gone.say("early words")
    world.run_for(10)
    assert counting_texts(ours, gone) == ["early words"]
    remove(ours, gone)
    world.run_for(60)
    assert counting_texts(theirs, gone) == []
    undo()
    world.run_for(600)
    assert counting_texts(theirs, gone) == counting_texts(ours, gone) == ["early words"]


def hostile_words(person: Person, to: Person, text: str, *, view: tuple[OperationId, ...]) -> None:
    """Send words as a changed client would: whatever its own machine thinks of it."""
    log = state(person).log
    head = log.heads.get(Stream(person.id, Audience.CIRCLE), Position(0, MessageId(bytes(32))))
    content = Content(
        circle_id=state(person).cold.id,
        audience=Audience.CIRCLE,
        author_seq=head.seq + 1,
        prev_own=head.mid if head.seq else None,
        parents=(),
        view=view,
        lamport=log.newest_for(Audience.CIRCLE).lamport + 1,
        ttl=0,
        type=ContentKind.TEXT,
        reply=None,
        body=encode_text(TextBody(text, 1_800_000_000)),
    )
    key = ContentKey(SeededEntropy(len(text)).draw(32))
    common = seal_content(encode_content(content), key, author=person.id)
    mid = message_id(common)

    def send(draft: Draft) -> None:
        owe_message(draft, to.id, mid=mid, key=key, common=common)
        heads = {
            **draft.log.heads,
            Stream(person.id, Audience.CIRCLE): head._replace(seq=head.seq + 1, mid=mid),
        }
        draft.log = evolve(draft.log, heads=heads)

    acts(person, send)


def acts(person: Person, act: Callable[[Draft], object]) -> None:
    draft = Draft(
        state(person),
        now=Instant(person.world.now),
        wall_now=person.wall,
        entropy=person.entropy,
    )
    act(draft)
    decision = draft.decide(wake_at=person.alarm)
    person.disk.apply(decision.writes)
    person.circle = decision.circle
    for effect in decision.effects:
        person.world.perform(person, effect)


def test_a_removed_member_who_goes_on_talking_counts_for_nobody_and_fills_nothing() -> None:
    world, (ours, theirs, gone) = gather(8, 3)
    gone.say("in time")
    world.run_for(20)
    view = gone.view
    remove(ours, gone)
    world.run_for(20)
    for number in range(MAX_CROSSED + 20):
        hostile_words(gone, theirs, f"after all {number}", view=view)
        world.run_for(1)
    world.run_for(60)
    assert counting_texts(theirs, gone) == ["in time"]
    kept = [e for e in theirs.disk.entries.values() if e.author == gone.id]
    assert len(kept) <= MAX_CROSSED + 3
    assert not theirs.disk.held


def test_a_listener_reads_and_cannot_write_and_may_again_later() -> None:
    world, (ours, theirs, third) = gather(9, 3)
    theirs.say("as a member")
    world.run_for(20)
    before = theirs.view
    give_role(ours, theirs, Role.LISTENER)
    world.run_for(20)
    assert state(theirs).cold.my_role is Role.LISTENER
    ours.say("do you hear")
    hostile_words(theirs, third, "as a listener", view=theirs.view)
    hostile_words(theirs, third, "as if a member still", view=before)
    world.run_for(60)
    assert counting_texts(theirs, ours) == ["do you hear"]
    assert counting_texts(third, theirs) == ["as a member"]
    assert "as a listener" not in [text for _, text in third.texts()]
    give_role(ours, theirs, Role.MEMBER)
    world.run_for(60)
    theirs.say("a member again")
    world.run_for(200)
    assert counting_texts(third, theirs) == ["as a member", "a member again"]


def test_words_of_who_was_never_in_are_not_shown() -> None:
    world, (ours, theirs, _third) = gather(10, 3)
    hostile_words(theirs, ours, "out of nowhere", view=())
    world.run_for(60)
    assert counting_texts(ours, theirs) == []
    assert "unreadable" in told(ours)


def test_a_view_that_nobody_knows_holds_words_up_for_a_while_only() -> None:
    world, (ours, theirs, _third) = gather(11, 3)
    unknown = OperationId(b"\xee" * 32)
    view = tuple(sorted((*theirs.view, unknown)))
    hostile_words(theirs, ours, "from the future", view=view)
    world.run_for(10)
    assert counting_texts(ours, theirs) == []
    world.run_for(60)
    assert counting_texts(ours, theirs) == ["from the future"]


def test_an_appeal_that_was_heard_brings_somebody_back_and_they_hear_what_is_said_then() -> None:
    world, (ours, theirs, gone) = gather(12, 3)
    remove(ours, gone)
    world.run_for(30)
    ours.say("while you were out")
    world.run_for(30)
    ours.feed(m.Readmitted(gone.id))
    world.run_for(60)
    assert state(gone).cold.stage is Stage.ACTIVE
    assert "back" in told(gone)
    assert all(now(person).members == now(ours).members for person in world.people)
    theirs.say("welcome back")
    gone.say("thank you")
    world.run_for(60)
    assert counting_texts(gone, theirs) == ["welcome back"]
    assert counting_texts(gone, ours) == []
    for person in (ours, theirs):
        assert counting_texts(person, gone) == ["thank you"]


def test_who_left_is_not_taken_back_this_way() -> None:
    world, (ours, _theirs, gone) = gather(13, 3)
    gone.feed(m.Left())
    world.run_for(30)
    before = state(ours).cold.operations
    ours.feed(m.Readmitted(gone.id))
    world.run_for(30)
    assert state(ours).cold.operations == before


def test_the_link_to_the_removed_closes_and_later_its_mailboxes() -> None:
    world, (ours, theirs, gone) = gather(14, 3, is_direct=True)
    assert gone.id in ours.links and gone.id in theirs.links
    remove(ours, gone)
    world.run_for(300)
    assert gone.id not in ours.links and gone.id not in theirs.links
    world.run_for(15 * DAY)
    for person in (ours, theirs):
        peer = state(person).cold.peers[gone.id]
        assert peer.mailboxes == () and peer.grants == ()


def test_nothing_is_sent_to_the_removed_any_more() -> None:
    world, (ours, theirs, gone) = gather(15, 3)
    remove(ours, gone)
    world.run_for(60)
    world.keep_deposits = True
    world.relay.deposited.clear()
    boxes = {
        box.address
        for person in (ours, theirs)
        for box in state(gone).cold.peers[person.id].mailboxes
    }
    for number in range(5):
        ours.say(str(number))
        theirs.say(str(number))
        world.run_for(60)
    for person in (ours, theirs):
        world.kill(person)
        world.start(person)
    world.run_for(60)
    assert world.relay.deposited
    assert not [address for address, _ in world.relay.deposited if address in boxes]


def test_a_newcomer_learns_what_was_decided_where_who_let_them_in_could_not_see_it() -> None:
    world, (ours, theirs, third) = gather(16, 3, facilitators=2)
    world.disconnect(theirs)
    give_role(theirs, third, Role.LISTENER)
    newcomer = world.person("newcomer")
    world.join(ours, newcomer)
    world.run_for(20)
    assert now(newcomer).members[third.id] is Role.MEMBER
    world.heal()
    world.run_for(120)
    assert now(newcomer).members[third.id] is Role.LISTENER
    assert all(now(person).members == now(ours).members for person in world.people)


def test_operations_that_only_the_removed_could_bring_are_passed_on_by_others() -> None:
    """Ours has an act that theirs never got from its author; theirs asks ours for it."""
    world, (ours, theirs, gone, _fourth) = gather(17, 4, facilitators=3)
    undo = world.block(gone, theirs)
    give_role(gone, gone, Role.MEMBER)
    world.run_for(10)
    remove(ours, gone)
    world.run_for(60)
    undo()
    assert now(theirs).held == frozenset()
    assert now(theirs).members == now(ours).members
    assert gone.id not in now(theirs).members


def test_an_act_whose_author_did_not_know_of_somebody_reaches_them_through_others() -> None:
    """Apart, ours removed theirs, and left. For the others ours was out already, and theirs is in."""
    world, (ours, theirs, third) = gather(21, 3)
    world.disconnect(ours)
    remove(ours, theirs)
    remove(theirs, ours)
    world.run_for(20)
    second(third)
    world.run_for(20)
    ours.feed(m.Left())
    world.heal()
    world.run_for(300)
    assert ours.id not in now(third).members and theirs.id in now(third).members
    assert now(theirs).heads == now(third).heads
    assert ours.id in now(theirs).left


def apart(world: World, some: list[Person], others: list[Person]) -> Callable[[], None]:
    """Let the relay lose what the two parts send each other; the result ends it."""
    for ours in some:
        for theirs in others:
            world.block(ours, theirs)
            undo = world.block(theirs, ours)
    return undo


def test_who_was_taken_back_by_somebody_removed_meanwhile_is_told_so() -> None:
    """With the removal of theirs the taking back is void: nobody may speak into the void for ever."""
    world, (ours, theirs, third, back) = gather(31, 4, facilitators=3)
    remove(ours, back)
    world.run_for(60)
    together_again = apart(world, [ours, third], [theirs, back])
    theirs.feed(m.Readmitted(back.id))
    remove(ours, theirs)
    world.run_for(20)
    second(third)
    world.run_for(60)
    assert state(back).cold.stage is Stage.ACTIVE
    assert back.id not in now(ours).members
    together_again()
    back.say("is anybody there?")
    world.run_for(120)
    assert state(theirs).cold.stage is Stage.REMOVED
    assert state(back).cold.stage is Stage.REMOVED
    assert counting_texts(ours, back) == []


def test_who_did_not_hear_of_the_removal_learns_it_and_nothing_that_came_after() -> None:
    world, (ours, theirs, gone) = gather(32, 3)
    together_again = apart(world, [ours, theirs], [gone])
    remove(ours, gone)
    removal = now(ours).heads
    world.run_for(20)
    give_role(ours, theirs, Role.FACILITATOR)
    world.run_for(20)
    ours.disk.owed.pop(gone.id)  # the relay lost it, and ours does not owe it any more
    ours.feed(m.Left())
    together_again()
    world.run_for(20)
    assert state(gone).cold.stage is Stage.ACTIVE
    world.disconnect(gone)
    world.reconnect(gone)
    world.run_for(60)
    assert state(gone).cold.stage is Stage.REMOVED
    assert now(gone).heads == removal


def test_who_is_told_to_be_out_and_goes_on_is_told_once() -> None:
    world, (ours, theirs, gone) = gather(34, 3)
    world.disconnect(gone)
    remove(ours, gone)
    world.run_for(60)
    draft = Draft(state(theirs), now=Instant(0), wall_now=theirs.wall, entropy=SeededEntropy(1))
    view = tuple(now(gone).heads)
    for _ in range(100):
        tell_who_is_out(draft, gone.id, view)
    assert draft.pair(gone.id).next_seq == state(theirs).pairs[gone.id].next_seq + 1


def test_a_removed_facilitator_introduces_nobody() -> None:
    world, (ours, theirs, third, _fourth) = gather(22, 4, facilitators=3)
    remove(ours, theirs)
    world.run_for(20)
    second(third)
    world.run_for(20)
    assert state(theirs).cold.stage is Stage.REMOVED
    stranger = a_persona(91)
    note = Introduction(Acquaintance(encode_card(stranger.card), "accomplice", bytes(32)))
    acts(theirs, lambda draft: owe_note(draft, ours.id, note))
    world.run_for(60)
    assert stranger.member_id not in state(ours).cold.peers


def test_a_charter_changed_asks_everybody_and_newcomers_get_the_new_one() -> None:
    world, (ours, theirs, third) = gather(18, 3)
    text = "one new line"
    ours.feed(m.Acted(CharterChange(charter_hash(text)), text))
    world.run_for(30)
    assert [state(person).cold.charter for person in world.people] == [text] * 3
    assert now(theirs).accepted == {ours.id}
    newcomer = world.person("newcomer")
    world.join(ours, newcomer)
    world.run_for(30)
    assert state(newcomer).cold.charter == text
    assert now(third).accepted == {ours.id, newcomer.id}


def test_who_asks_for_operations_without_end_gets_each_once_and_a_stranger_none() -> None:
    world, (ours, theirs, gone) = gather(19, 3)
    remove(ours, gone)
    world.run_for(60)
    entries: list[PutEntry] = list(ours.disk.entries.values())
    some = tuple(now(ours).heads)
    owed = len(ours.disk.owed.get(gone.id, {}))
    acts(gone, lambda draft: owe_note(draft, ours.id, Wanted(some)))
    world.run_for(30)
    assert len(ours.disk.owed.get(gone.id, {})) == owed
    forged = Carried((encode_announcement(Announcement(Story().create)),))
    acts(theirs, lambda draft: owe_note(draft, ours.id, forged))
    world.run_for(30)
    assert len(ours.disk.entries) == len(entries)
    assert MemberId(gone.id) not in now(ours).members


@pytest.mark.parametrize("seed", range(4))
def test_two_full_removals_of_each_other_both_stand_for_everybody(seed: int) -> None:
    world, (one, two, three, four, _member) = gather(20 + seed, 5, facilitators=4)
    for person in (two, three):
        world.disconnect(person)
    remove(one, two)
    world.run_for(20)
    second(four)
    remove(two, one)
    world.run_for(1)
    world.heal()
    world.run_for(60)
    assert all(two.id not in now(person).members for person in (one, four, world.people[4]))
    assert all(now(person).members == now(one).members for person in world.people)
    assert three.id in now(one).members
