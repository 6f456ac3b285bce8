"""Rules that are one line each and that nothing else would notice: who gets a wire, what lies where,
whom we ask twice, and for whom a message was meant."""

from __future__ import annotations

import pytest
from attrs import evolve

from tests.network.test_removal import gather
from tests.support.world import Person
from toheal_protocol.changing import changed
from toheal_protocol.errors import ForgedMessage
from toheal_protocol.machines import lan
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import CloseLan, OwedFrame
from toheal_protocol.machines.holes import fill, gap_around, names_another, open_gap
from toheal_protocol.machines.log import take_message
from toheal_protocol.machines.missing import _wishes, ask_if_due, forget_tried, take_answered
from toheal_protocol.machines.placing import where_missing
from toheal_protocol.machines.state import Position, Stage, Standing, Stream
from toheal_protocol.messages.asking import Answered
from toheal_protocol.model import Audience, Instant, MessageId
from toheal_protocol.wire.relay_address import RelayAddress

WIRE = 7


def draft_of(person: Person) -> Draft:
    assert person.circle is not None
    now = Instant(person.world.now)
    return Draft(person.circle, now=now, wall_now=person.wall, entropy=person.entropy)


@pytest.mark.parametrize(
    ("stage", "standing", "has_wire"),
    [
        (Stage.ACTIVE, Standing.MEMBER, True),
        (Stage.ACTIVE, Standing.AT_DOOR, True),
        (Stage.ACTIVE, Standing.WAITING, True),
        (Stage.ACTIVE, Standing.EXPECTED, False),
        (Stage.ACTIVE, Standing.GONE, False),
        (Stage.KNOCKING, Standing.HOST, True),
        (Stage.KNOCKING, Standing.MEMBER, False),
        (Stage.LEFT, Standing.MEMBER, False),
        (Stage.REMOVED, Standing.MEMBER, False),
    ],
)
def test_a_wire_is_for_members_and_for_the_two_sides_of_a_door(
    stage: Stage, standing: Standing, *, has_wire: bool
) -> None:
    _, (ours, theirs) = gather(631, 2)
    draft = draft_of(ours)
    draft.set_cold(stage=stage)
    draft.change_peer(theirs.id, standing=standing)
    lan.take_met(draft, theirs.id, WIRE)
    assert (draft.courier(theirs.id).lan == WIRE) is has_wire
    assert (CloseLan(theirs.id, WIRE) in draft.effects) is not has_wire


def test_somebody_nobody_knows_gets_no_wire() -> None:
    _, (ours, theirs) = gather(632, 2)
    draft = draft_of(ours)
    draft.set_cold(peers={})
    lan.take_met(draft, theirs.id, WIRE)
    assert draft.effects == [CloseLan(theirs.id, WIRE)]


@pytest.mark.parametrize("reads_there", [True, False])
def test_what_lies_at_a_relay_counts_as_deposited_only_while_its_reader_reads_there(
    *, reads_there: bool
) -> None:
    """Else what was left at the old relay would never be deposited at the new one."""
    _, (ours, theirs) = gather(633, 2)
    draft = draft_of(ours)
    draft.change_courier(theirs.id, link=None, lan=0)
    [relay] = draft.cold.relays
    other = RelayAddress("other.example", 4002, bytes(32))
    draft.set_cold(relays=(relay, other))
    boot = draft.live.boots[relay]
    draft.set_live(boots={relay: boot, other: b"o" * len(boot)})
    here = draft.peer(theirs.id).grants
    there = tuple(evolve(one, relay=other) for one in here)
    draft.change_peer(theirs.id, grants=(*here, *there) if reads_there else there)
    owed = OwedFrame(1, None, b"", b"frame", boot)
    assert bool(where_missing(draft, theirs.id, owed)) is not reads_there


def test_a_member_who_had_nothing_more_is_not_asked_again_until_they_say_they_are_here() -> None:
    _, (ours, theirs, other) = gather(634, 3)
    draft = draft_of(ours)
    stream = Stream(other.id, Audience.CIRCLE)
    draft.set_live(
        sync=changed(
            draft.live.sync, told={theirs.id: {stream: Position(900, MessageId(b"m" * 32))}}
        )
    )
    assert _wishes(draft, theirs.id)[0]
    draft.set_live(sync=changed(draft.live.sync, ask_at=draft.now, is_patient=True))
    ask_if_due(draft)
    ask = draft.live.sync.ask
    assert ask is not None and ask.member == theirs.id
    take_answered(draft, theirs.id, Answered(ask.number, has_more=False))
    assert _wishes(draft, theirs.id) == ((), ())
    forget_tried(draft, theirs.id)
    assert _wishes(draft, theirs.id)[0]


@pytest.mark.parametrize("is_passed_on", [True, False])
def test_what_was_written_before_we_were_in_is_taken_of_nobody_who_passes_it_on(
    *, is_passed_on: bool
) -> None:
    """Its author did not mean it for us, whoever thinks they may tell us."""
    world, (ours, author) = gather(635, 2)
    newcomer = world.person("late")
    world.disconnect(author)
    mid = author.say("between the two of us")
    assert mid is not None
    world.join(ours, newcomer)
    world.run_for(20)
    said = author.disk.entries[mid]
    draft = draft_of(newcomer)
    draft.set_live(sync=changed(draft.live.sync, wanted={mid: Stream(author.id, Audience.CIRCLE)}))
    passer = ours.id if is_passed_on else None

    def take() -> None:
        take_message(draft, author.id, mid=mid, key=said.key, common=said.common, passer=passer)

    if is_passed_on:
        with pytest.raises(ForgedMessage, match="not meant for us"):
            take()
    else:
        take()


def test_what_the_author_named_for_a_hole_that_was_filled_says_nothing_of_the_one_below() -> None:
    _, (ours, author) = gather(636, 2)
    draft = draft_of(ours)
    stream = Stream(author.id, Audience.CIRCLE)
    fifth, sixth, seventh = (MessageId(bytes([number]) * 32) for number in (5, 6, 7))
    open_gap(draft, stream, 105, 107, above=seventh)

    def take(seq: int, previous: MessageId, mid: MessageId) -> None:
        gap = gap_around(draft, stream, seq)
        assert gap is not None and not names_another(gap, seq, mid)
        fill(draft, stream, gap, seq, previous, mid, is_own=seq == 107)

    take(106, fifth, sixth)
    take(107, sixth, seventh)
    take(105, MessageId(bytes(32)), fifth)
    assert gap_around(draft, stream, 105) is None


def test_what_the_author_named_for_a_hole_is_held_to_down_the_chain() -> None:
    _, (ours, author) = gather(637, 2)
    draft = draft_of(ours)
    stream = Stream(author.id, Audience.CIRCLE)
    sixth, seventh = (MessageId(bytes([number]) * 32) for number in (6, 7))
    open_gap(draft, stream, 105, 107, above=seventh)
    gap = gap_around(draft, stream, 107)
    assert gap is not None
    fill(draft, stream, gap, 107, sixth, seventh, is_own=False)
    gap = gap_around(draft, stream, 106)
    assert gap is not None and names_another(gap, 106, seventh)
    assert not names_another(gap, 106, sixth)
