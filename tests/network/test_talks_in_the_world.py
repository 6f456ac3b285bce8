"""Asking for a conversation of two, machine by machine: limits, lapses, and who may ask whom."""

from __future__ import annotations

import pytest

from tests.network.test_removal import gather, now, remove, state
from tests.support.governance import CHARTER, sign_act, somebody
from tests.support.world import Person, World
from toheal_protocol.errors import ForgedMessage
from toheal_protocol.machines import pairing_events as t
from toheal_protocol.machines.door_words import MOST_BY_ONE, take_words
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.talk_state import Talk, TalkStep
from toheal_protocol.machines.talks import (
    LAPSES_AFTER,
    MOST_ASKED,
    MOST_OFFERED,
    MOST_OFFERED_BY_ONE,
    REST,
    take_agreed,
    take_ask,
    take_link,
    take_yes,
)
from toheal_protocol.membership import merge
from toheal_protocol.messages.acts import (
    Addition,
    CharterChange,
    Foundation,
    PolicyChange,
    Reason,
    Removal,
    RoleChange,
    encode_act,
    sign_voucher,
)
from toheal_protocol.messages.door_notes import DoorWords, TalkAsk, TalkLink
from toheal_protocol.messages.operations import (
    NO_CIRCLE,
    OperationKind,
    circle_id_of,
    sign_operation,
)
from toheal_protocol.model import Instant, Role


def later(world: World, seconds: float) -> None:
    """Let much time pass while every machine sleeps, and some in which they look at the clock."""
    world.sleep_through(seconds)
    world.run_for(120)


def steps(person: Person) -> list[TalkStep]:
    return [talk.step for talk in state(person).cold.talks]


def talk_of(person: Person) -> Talk:
    [talk] = state(person).cold.talks
    return talk


def drafting(person: Person) -> Draft:
    return Draft(
        state(person), now=Instant(person.world.now), wall_now=person.wall, entropy=person.entropy
    )


def ask(sender: Person, reader: Person, talk: bytes, about: Person | None = None) -> None:
    """Have a question arrive, whatever its sender's program thinks of it."""
    draft = drafting(reader)
    take_ask(draft, sender.id, TalkAsk(talk, None if about is None else about.id))
    reader.circle = draft.decide(wake_at=None).circle


def test_who_asks_again_and_again_is_shown_once_and_after_a_no_not_for_a_month() -> None:
    world, people = gather(1, 3)
    asker, asked = people[1], people[2]
    for number in range(20):
        ask(asker, asked, bytes([number]) * 16)
    assert steps(asked) == [TalkStep.OFFERED]
    asked.feed(t.TalkDeclined(talk_of(asked).id))
    ask(asker, asked, b"b" * 16)
    assert steps(asked) == [TalkStep.DECLINED]
    later(world, REST + 120)
    ask(asker, asked, b"c" * 16)
    assert steps(asked) == [TalkStep.OFFERED]
    asked.feed(t.TalkDeclined(talk_of(asked).id, is_for_good=True))
    later(world, 3 * REST)
    ask(asker, asked, b"d" * 16)
    assert steps(asked) == [TalkStep.DECLINED]


def test_a_crowd_of_questions_and_a_zealous_facilitator_are_bounded() -> None:
    _world, people = gather(2, 12)
    asked, host = people[1], people[0]
    for number, other in enumerate(people[2:]):
        ask(host, asked, bytes([number]) * 16, about=other)
    assert len(steps(asked)) == MOST_OFFERED_BY_ONE
    for number, other in enumerate(people[2:]):
        ask(other, asked, bytes([100 + number]) * 16)
    assert len(steps(asked)) == MOST_OFFERED


def test_only_members_ask_and_only_facilitators_introduce() -> None:
    world, people = gather(3, 4)
    remove(people[0], people[3])
    world.run_for(60)
    with pytest.raises(ForgedMessage):
        ask(people[3], people[1], b"a" * 16)
    with pytest.raises(ForgedMessage):
        ask(people[2], people[1], b"a" * 16, about=people[0])
    ask(people[0], people[1], b"a" * 16, about=people[3])
    assert steps(people[1]) == [], "nobody is introduced to who is out"


def test_a_way_in_without_our_yes_is_none() -> None:
    _world, people = gather(4, 4)
    draft = drafting(people[1])
    take_link(draft, people[2].id, TalkLink(b"a" * 16, "toheal:1:x"))
    assert draft.cold.talks == ()
    ask(people[2], people[1], b"a" * 16)
    draft = drafting(people[1])
    take_link(draft, people[2].id, TalkLink(b"a" * 16, "toheal:1:x"))
    take_yes(draft, people[2].id, b"a" * 16)
    take_agreed(draft, people[2].id, b"a" * 16)
    assert [one.step for one in draft.cold.talks] == [TalkStep.OFFERED]
    people[1].feed(t.TalkAccepted(b"a" * 16))
    draft = drafting(people[1])
    take_link(draft, people[3].id, TalkLink(b"a" * 16, "toheal:1:x"))
    take_agreed(draft, people[3].id, b"a" * 16)
    assert [one.step for one in draft.cold.talks] == [TalkStep.AGREED], "of nobody else"


def test_who_introduces_cannot_say_yes_for_one_of_them() -> None:
    """One yes, said twice, is one; and somebody else's is none."""
    _world, people = gather(5, 4)
    people[0].feed(t.TalkIntroduced(people[1].id, people[2].id))
    draft = drafting(people[0])
    [talk] = draft.cold.talks
    for _ in range(2):
        take_yes(draft, people[1].id, talk.id)
        take_yes(draft, people[3].id, talk.id)
    assert [one.step for one in draft.cold.talks] == [TalkStep.INTRODUCING]
    take_yes(draft, people[2].id, talk.id)
    assert [one.step for one in draft.cold.talks] == [TalkStep.DONE]


def test_questions_lapse_on_both_sides_and_are_counted() -> None:
    world, people = gather(6, MOST_ASKED + 2)
    for other in people[2:]:
        people[1].feed(t.TalkAsked(other.id))
    people[1].feed(t.TalkAsked(people[0].id))
    assert steps(people[1]) == [TalkStep.ASKED] * MOST_ASKED
    world.run_for(30)
    assert steps(people[2]) == [TalkStep.OFFERED]
    later(world, LAPSES_AFTER + 120)
    assert steps(people[1]) == []
    assert steps(people[2]) == [TalkStep.DECLINED]
    later(world, REST + 120)
    assert steps(people[2]) == []


def test_a_question_dies_with_who_asked() -> None:
    world, people = gather(7, 3)
    people[1].feed(t.TalkAsked(people[2].id, "card"))
    world.run_for(30)
    remove(people[0], people[1])
    world.run_for(180)
    assert steps(people[2]) == [TalkStep.DECLINED]
    people[2].feed(t.TalkAccepted(talk_of(people[2]).id))
    assert steps(people[2]) == [TalkStep.DECLINED]
    assert people[1].id not in now(people[2]).members


def test_what_two_tell_each_other_on_the_way_holds_no_words() -> None:
    world, people = gather(8, 3)
    seen: list[bytes] = []
    people[1].feed(t.TalkAsked(people[2].id, "a secret card"))
    for _ in range(200):
        seen += [row.item for p in people for owed in p.disk.owed.values() for row in owed.values()]
        world.run_for(0.01)
    people[2].feed(t.TalkAccepted(talk_of(people[2]).id, "another secret card"))
    for _ in range(200):
        seen += [row.item for p in people for owed in p.disk.owed.values() for row in owed.values()]
        world.run_for(0.01)
    assert steps(people[1]) == [TalkStep.OPENING]
    assert any(item[-49:-48] == b"\x1f" for item in seen), "the question was among what was seen"
    assert not any(b"secret card" in item for item in seen)


# ---- a circle of two


class Two:
    """A conversation of two as its operations."""

    def __init__(self) -> None:
        founder = somebody("F")
        foundation = Foundation(b"n" * 32, founder.persona.keys, False, CHARTER, is_for_two=True)
        self.create = sign_operation(
            OperationKind.CREATE,
            circle=NO_CIRCLE,
            parents=(),
            body=encode_act(foundation),
            author=founder.persona,
        )
        self.circle = circle_id_of(self.create)
        self.made = [self.create]

    def add(self, name: str, *, after: list[object] | None = None) -> None:
        newcomer = somebody(name).persona
        voucher = sign_voucher(newcomer, circle=self.circle, charter=CHARTER)
        act = Addition(newcomer.keys, CHARTER, voucher)
        known = self.made if after is None else after
        self.made.append(
            sign_act(act, by=somebody("F"), circle=self.circle, after=known[-1:])  # type: ignore[arg-type]
        )

    def act(self, by: str, act: object) -> None:
        self.made.append(
            sign_act(act, by=somebody(by), circle=self.circle, after=self.made[-1:])  # type: ignore[arg-type]
        )

    def members(self) -> int:
        return len(merge(self.made, circle=self.circle).members)


def test_no_third_one_comes_into_a_conversation_of_two_whatever_is_signed() -> None:
    two = Two()
    two.add("A")
    assert two.members() == 2
    two.add("B")
    assert two.members() == 2
    beside = Two()
    beside.add("A")
    beside.add("B", after=[beside.create])  # two stories: it does not know the first add
    assert beside.members() == 2


@pytest.mark.parametrize(
    "act",
    [
        Removal(somebody("A").member_id, 0, Reason()),
        RoleChange(somebody("A").member_id, Role.LISTENER, 0, Reason()),
        CharterChange(b"x" * 32),
    ],
)
def test_neither_of_two_decides_over_the_other(act: object) -> None:
    two = Two()
    two.add("A")
    before = merge(two.made, circle=two.circle)
    two.act("F", act)
    after = merge(two.made, circle=two.circle)
    assert (after.members, after.charter_hash) == (before.members, before.charter_hash)
    assert len(after.outcomes) == len(before.outcomes), "no device takes it in"


def test_what_both_have_to_want_is_still_possible() -> None:
    two = Two()
    two.add("A")
    two.act("F", PolicyChange(True))
    assert [o.standing.value for o in merge(two.made, circle=two.circle).outcomes][-1] == "waits"


# ---- words at the door


def test_who_waits_and_talks_without_end_fills_nothing_and_who_does_not_wait_says_nothing() -> None:
    world, people = gather(10, 2)
    guest = world.person("guest")
    world.knock(guest, world.invite(people[0]), people[0])
    world.run_until(lambda: bool(world.waiting(people[0])), within=120)
    draft = drafting(people[0])
    for number in range(100):
        take_words(draft, guest.id, DoorWords(str(number)))
    assert len(draft.peer(guest.id).door_words) == MOST_BY_ONE
    with pytest.raises(ForgedMessage):
        take_words(draft, people[1].id, DoorWords("I am a member"))
    theirs = drafting(guest)
    take_words(theirs, people[0].id, DoorWords("welcome"))
    assert [one.text for one in theirs.peer(people[0].id).door_words] == ["welcome"]
    people[0].feed(t.DoorSpoken(people[1].id, "to a member"))
    assert state(people[0]).cold.peers[people[1].id].door_words == ()
