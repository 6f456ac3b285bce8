"""Talks: two members of a circle come to a conversation of two, if both say yes.

```
  who asks                          who is asked
  ASKED      -- TalkAsk -->         OFFERED       (no answer is no answer: nothing says no)
  OPENING    <-- TalkYes --         AGREED
  a circle of two is begun
  DONE       -- TalkLink -->        INVITED -> joined: DONE
```
A facilitator asks both, and tells the one with the lower id once both said yes. Nothing here carries
words, names or keys: what two say to each other is said in the circle of two.

Spec: docs/protocol/circle.md, section 13.
"""

from __future__ import annotations

from typing import Final, assert_never

from attrs import evolve

from toheal_protocol.errors import ForgedMessage
from toheal_protocol.machines.door_words import speak
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Tell
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.pairing_events import (
    DoorSpoken,
    PairingEvent,
    TalkAccepted,
    TalkAsked,
    TalkCardSaid,
    TalkDeclined,
    TalkIntroduced,
    TalkJoined,
    TalkOpened,
)
from toheal_protocol.machines.state import Cold, Stage, Standing
from toheal_protocol.machines.talk_state import Talk, TalkStep
from toheal_protocol.messages.door_notes import TALK_SIZE, TalkAgreed, TalkAsk, TalkLink, TalkYes
from toheal_protocol.model import MemberId, Role

LAPSES_AFTER: Final = 7 * 24 * 3600
"""Seconds after which a question without an answer is over, on both sides."""

REST: Final = 30 * 24 * 3600
"""Seconds after a no, or a question that lapsed, in which the same member's question is not shown."""

MOST_OFFERED: Final = 8
"""Questions that may wait for our person."""

MOST_OFFERED_BY_ONE: Final = 3
"""Of these by one facilitator who introduces."""

MOST_ASKED: Final = 3
"""Questions of ours that may wait for an answer, introductions included."""

_WAITING: Final = (TalkStep.ASKED, TalkStep.OFFERED, TalkStep.AGREED, TalkStep.INTRODUCING)
_OPEN: Final = (*_WAITING, TalkStep.OPENING, TalkStep.INVITED)


# ---- what our person does


def take_event(draft: Draft, event: PairingEvent) -> None:
    """Take what our person, or the program for them, does."""
    match event:
        case TalkAsked(partner, card):
            ask(draft, partner, card=card)
        case TalkIntroduced(one, other):
            introduce(draft, one, other)
        case TalkAccepted(talk, card):
            accept(draft, talk, card=card)
        case TalkDeclined(talk, is_for_good):
            decline(draft, talk, is_for_good=is_for_good)
        case TalkOpened(talk, link):
            tell_link(draft, talk, link)
        case TalkJoined(talk):
            have_joined(draft, talk)
        case TalkCardSaid(talk):
            forget_card(draft, talk)
        case DoorSpoken(member, text):
            speak(draft, member, text)
        case _:
            assert_never(event)


def may_ask(cold: Cold, partner: MemberId) -> bool:
    """Say whether nothing is under way with this member."""
    return not any(_is_about(one, partner) and one.step in _OPEN for one in cold.talks)


def has_asked_enough(cold: Cold) -> bool:
    """Say whether as many questions of ours wait as may."""
    asked = (TalkStep.ASKED, TalkStep.INTRODUCING)
    return sum(one.step in asked for one in cold.talks) >= MOST_ASKED


def ask(draft: Draft, partner: MemberId, *, card: str) -> None:
    """Ask a member for a conversation of two. Nothing happens where it may not be."""
    cold = draft.cold
    if not _may_talk(draft, partner) or not may_ask(cold, partner) or has_asked_enough(cold):
        return
    talk = Talk(draft.entropy.draw(TALK_SIZE), partner, TalkStep.ASKED, draft.wall_now, card=card)
    _put(draft, talk)
    owe_note(draft, partner, TalkAsk(talk.id, None))


def introduce(draft: Draft, one: MemberId, other: MemberId) -> None:
    """Ask two members whether they would talk with each other."""
    is_ours = draft.cold.my_role is Role.FACILITATOR and one != other
    may_both = _may_talk(draft, one) and _may_talk(draft, other)
    if not is_ours or not may_both or has_asked_enough(draft.cold):
        return
    talk = Talk(
        draft.entropy.draw(TALK_SIZE), one, TalkStep.INTRODUCING, draft.wall_now, other=other
    )
    _put(draft, talk)
    owe_note(draft, one, TalkAsk(talk.id, other))
    owe_note(draft, other, TalkAsk(talk.id, one))


def accept(draft: Draft, talk_id: bytes, *, card: str) -> None:
    """Say yes."""
    talk = _find(draft.cold, talk_id)
    if talk is None or talk.step is not TalkStep.OFFERED or not _may_talk(draft, talk.partner):
        return
    _put(draft, evolve(talk, step=TalkStep.AGREED, since=draft.wall_now, card=card))
    owe_note(draft, talk.introducer or talk.partner, TalkYes(talk.id))


def decline(draft: Draft, talk_id: bytes, *, is_for_good: bool) -> None:
    """Say no, to nobody but ourselves; or take back a question of ours."""
    talk = _find(draft.cold, talk_id)
    if talk is None or talk.step not in (*_WAITING, TalkStep.DECLINED):
        return
    _put(
        draft,
        evolve(talk, step=TalkStep.DECLINED, since=draft.wall_now, is_for_good=is_for_good),
    )


def tell_link(draft: Draft, talk_id: bytes, link: str) -> None:
    """Tell the other one the way into the circle that was begun."""
    talk = _find(draft.cold, talk_id)
    if talk is None or talk.step is not TalkStep.OPENING:
        return
    _put(draft, evolve(talk, step=TalkStep.DONE, since=draft.wall_now))
    if _may_talk(draft, talk.partner):
        owe_note(draft, talk.partner, TalkLink(talk.id, link))


def have_joined(draft: Draft, talk_id: bytes) -> None:
    """Note that we went in."""
    talk = _find(draft.cold, talk_id)
    if talk is not None and talk.step is TalkStep.INVITED:
        _put(draft, evolve(talk, step=TalkStep.DONE, since=draft.wall_now, link=""))


def forget_card(draft: Draft, talk_id: bytes) -> None:
    """Note that what was to be said first has been said."""
    talk = _find(draft.cold, talk_id)
    if talk is not None:
        _put(draft, evolve(talk, card=""))


# ---- what others say


def take_ask(draft: Draft, member: MemberId, said: TalkAsk) -> None:
    """Take a question: keep it for our person, or pass over it where it may not be asked.

    Raises:
        ForgedMessage: whoever asks is not in, or introduces without being a facilitator.
    """
    partner = said.partner or member
    if not _may_talk(draft, member):
        raise ForgedMessage("a question by somebody who is not in")
    is_introduced = said.partner is not None
    if is_introduced and draft.peer(member).role is not Role.FACILITATOR:
        raise ForgedMessage("an introduction by somebody who may not")
    if not _may_talk(draft, partner) or _find(draft.cold, said.talk) is not None:
        return
    ours = next((one for one in draft.cold.talks if _is_asked(one, partner)), None)
    if ours is not None and not is_introduced:
        _both_asked(draft, ours, said.talk)
        return
    introducer = member if is_introduced else None
    if may_ask(draft.cold, partner) and not _is_pestered(draft, partner, introducer):
        talk = Talk(said.talk, partner, TalkStep.OFFERED, draft.wall_now, introducer=introducer)
        _put(draft, talk)
        draft.ask(Tell("talk_offered", partner))


def take_yes(draft: Draft, member: MemberId, talk_id: bytes) -> None:
    """Take a yes: to our question, or to our introduction."""
    talk = _find(draft.cold, talk_id)
    if talk is None or not _may_talk(draft, member):
        return
    if talk.step is TalkStep.ASKED and talk.partner == member:
        _open(draft, talk)
    elif talk.step is TalkStep.INTRODUCING and member in (talk.partner, talk.other):
        talk = evolve(talk, yes=tuple(sorted({*talk.yes, member})))
        if len(talk.yes) == len((talk.partner, talk.other)):
            talk = evolve(talk, step=TalkStep.DONE, since=draft.wall_now)
            owe_note(draft, talk.yes[0], TalkAgreed(talk.id))
        _put(draft, talk)


def take_agreed(draft: Draft, member: MemberId, talk_id: bytes) -> None:
    """Hear from who introduced us that the other one said yes, too."""
    talk = _find(draft.cold, talk_id)
    if talk is not None and talk.step is TalkStep.AGREED and talk.introducer == member:
        _open(draft, talk)


def take_link(draft: Draft, member: MemberId, said: TalkLink) -> None:
    """Take the way into the circle of two; of whom we said yes to, and of nobody else."""
    talk = _find(draft.cold, said.talk)
    if talk is None:  # both asked at once, and their question was overtaken
        ours = next((one for one in draft.cold.talks if _is_asked(one, member)), None)
        if ours is not None:
            _rename(draft, ours, said.talk)
            talk = _find(draft.cold, said.talk)
    if talk is not None and talk.step is TalkStep.AGREED and talk.partner == member:
        _put(draft, evolve(talk, step=TalkStep.INVITED, since=draft.wall_now, link=said.link))
        draft.ask(Tell("talk_agreed", member))


def tidy_talks(draft: Draft) -> None:
    """Let questions lapse, and forget what is long over or with somebody who is gone."""
    kept = []
    for talk in draft.cold.talks:
        age = draft.wall_now - talk.since
        if talk.step in _WAITING and (age > LAPSES_AFTER or not _may_talk(draft, talk.partner)):
            is_theirs = talk.step in (TalkStep.OFFERED, TalkStep.AGREED)
            if not is_theirs:
                continue
            talk = evolve(talk, step=TalkStep.DECLINED, since=draft.wall_now)
        elif age > REST and not talk.is_for_good:
            continue
        kept.append(talk)
    if tuple(kept) != draft.cold.talks:
        draft.set_cold(talks=tuple(kept))


def _both_asked(draft: Draft, ours: Talk, theirs: bytes) -> None:
    """Two who asked each other at once said yes, both: the one with the lower id begins."""
    if draft.our_id < ours.partner:
        _open(draft, ours)
        return
    _rename(draft, ours, theirs)


def _rename(draft: Draft, ours: Talk, theirs: bytes) -> None:
    without = tuple(one for one in draft.cold.talks if one.id != ours.id)
    draft.set_cold(talks=without)
    _put(draft, evolve(ours, id=theirs, step=TalkStep.AGREED, since=draft.wall_now))


def _is_pestered(draft: Draft, partner: MemberId, introducer: MemberId | None) -> bool:
    """Say whether our person has said no to this not long ago, or is asked enough already."""
    talks = draft.cold.talks
    offered = [one for one in talks if one.step is TalkStep.OFFERED]
    by_one = [one for one in offered if introducer is not None and one.introducer == introducer]
    was_declined = any(
        one.partner == partner
        and one.step is TalkStep.DECLINED
        and (one.is_for_good or draft.wall_now - one.since < REST)
        for one in talks
    )
    return was_declined or len(offered) >= MOST_OFFERED or len(by_one) >= MOST_OFFERED_BY_ONE


def _open(draft: Draft, talk: Talk) -> None:
    _put(draft, evolve(talk, step=TalkStep.OPENING, since=draft.wall_now))
    draft.ask(Tell("talk_agreed", talk.partner))


def _may_talk(draft: Draft, member: MemberId) -> bool:
    peer = draft.cold.peers.get(member)
    is_in = peer is not None and peer.standing is Standing.MEMBER
    return is_in and draft.cold.stage is Stage.ACTIVE and not draft.cold.for_talk


def _is_about(talk: Talk, partner: MemberId) -> bool:
    return talk.partner == partner and talk.step is not TalkStep.INTRODUCING


def _is_asked(talk: Talk, partner: MemberId) -> bool:
    return talk.partner == partner and talk.step is TalkStep.ASKED


def _find(cold: Cold, talk_id: bytes) -> Talk | None:
    return next((one for one in cold.talks if one.id == talk_id), None)


def _put(draft: Draft, talk: Talk) -> None:
    others = tuple(one for one in draft.cold.talks if one.id != talk.id)
    draft.set_cold(talks=(*others, talk))
