"""Several texts in one step come to the same as one after the other; what each audience refers to stays its own."""

from __future__ import annotations

from tests.network.test_audiences import NOTE, contents_of
from tests.network.test_removal import gather, state
from tests.support.world import Person
from toheal_protocol.machines import events as m
from toheal_protocol.machines.records import PutLog, PutOwed, PutPair
from toheal_protocol.model import Audience, MessageId


def submitted(*texts: str, audience: Audience = Audience.CIRCLE) -> tuple[m.Submitted, ...]:
    return tuple(m.Submitted(text, audience=audience) for text in texts)


def said_by(person: Person, *said: m.Submitted) -> dict[str, MessageId]:
    """Have it said in one step; return the ids."""
    decision = person.feed(m.SubmittedTogether(said))
    assert decision is not None
    shown = [one.entry for one in decision.effects if isinstance(one, m.Show)]
    assert [entry.text for entry in shown] == [one.text for one in said]
    states = [type(write) for write in decision.writes if isinstance(write, PutPair | PutLog)]
    assert len(states) == len(set(states)) == 2  # once, however much was said
    assert len([write for write in decision.writes if isinstance(write, PutOwed)]) == len(said)
    return {entry.text: entry.mid for entry in shown}


def test_texts_of_one_step_follow_each_other_and_are_read_in_their_order() -> None:
    world, (ours, theirs) = gather(3, 2)
    ids = said_by(ours, *submitted("one", "two", "three"))
    world.run_for(30)
    ours.say("four")
    world.run_for(30)
    assert [text for _, text in theirs.texts()][-4:] == ["one", "two", "three", "four"]
    contents = contents_of(theirs)
    assert contents[ids["two"]].prev_own == ids["one"]
    assert contents[ids["three"]].prev_own == ids["two"]
    assert [one.mid for one in contents[ids["three"]].parents] == [ids["two"]]
    pair = state(ours).pairs[theirs.id]
    assert pair.acked_through == pair.next_seq - 1


def test_a_note_between_texts_stays_in_what_the_next_note_refers_to_and_out_of_the_texts() -> None:
    world, (ours, theirs) = gather(3, 2, facilitators=2)
    first, note, text, again = (
        *submitted("first"),
        *submitted("a note", audience=NOTE),
        *submitted("a text"),
        *submitted("another note", audience=NOTE),
    )
    ids = said_by(ours, first, note, text, again)
    world.run_for(30)
    contents = contents_of(theirs)
    named = {what: {one.mid for one in contents[mid].parents} for what, mid in ids.items()}
    assert named["a text"] == {ids["first"]}
    assert named["another note"] == {ids["a note"], ids["a text"]}
