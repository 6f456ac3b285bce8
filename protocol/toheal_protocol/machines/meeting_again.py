"""Meeting again: a restored device and who came in after its backup.

```
  restored                         a member it knows             who came in since
  ask_for_unmet: Unmet        ->   take_unmet
  take_introduction: calls    <-   Introduction
                                   MeetAgain                ->   take_meet_again: listens
  first flight                                              ->   take_call: begins anew
```
The member in between brings a card, which speaks for itself, and the word that a call will come.
Both are worth something only with a persona key of who is in.

Spec: docs/protocol/backup.md, section 6.3.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.errors import ForgedMessage, RemoteError
from toheal_protocol.identity import PrekeySecrets, decode_card, encode_card, make_card
from toheal_protocol.machines import calls, reset
from toheal_protocol.machines.cards import turn_prekeys
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.ledgers import membership_of
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.state import Listening, Stage, Standing
from toheal_protocol.messages.door_notes import MeetAgain, Unmet
from toheal_protocol.messages.notes import Acquaintance, Introduction, NewCard
from toheal_protocol.model import MemberId

MOST_BROUGHT: Final = 8
"""Times one member is brought together with one other in a run of the program."""


# ---- asking


def ask_for_unmet(draft: Draft, member: MemberId) -> None:
    """Ask a member we hear for those of the circle our backup did not have; each once in a run."""
    if not draft.cold.met or draft.cold.stage is not Stage.ACTIVE:
        return  # not out of a backup
    if draft.peer(member).standing is not Standing.MEMBER:
        return
    for unmet in membership_of(draft.cold.id, draft.cold.operations).members:
        if _is_unmet(draft, unmet) and (member, unmet) not in draft.live.asked_about:
            asked_about = draft.live.asked_about | {(member, unmet)}
            draft.set_live(asked_about=asked_about)
            owe_note(draft, member, Unmet(unmet, _secret_for(draft, unmet)))


def _is_unmet(draft: Draft, member: MemberId) -> bool:
    peer = draft.cold.peers.get(member)
    if peer is None:
        return member != draft.our_id
    is_lost = member in draft.cold.met and peer.standing is Standing.MEMBER
    return is_lost and not peer.continuity


def _secret_for(draft: Draft, member: MemberId) -> bytes:
    """Return the secret of our call: one for all who are asked, so that they cannot disagree."""
    known = draft.live.unmet.get(member)
    if known is not None:
        return known
    peer = draft.cold.peers.get(member)
    calling = peer.calling if peer is not None else None
    if calling is not None and calling.purpose == calls.MEET:
        secret = calling.secret  # of an earlier run, and not answered
    else:
        secret = draft.entropy.draw(32)
        _await(draft, member)
    draft.set_live(unmet={**draft.live.unmet, member: secret})
    return secret


def _await(draft: Draft, member: MemberId) -> None:
    """They may have read what the lost device said, and all they said is for us."""
    met, unheard = draft.cold.met, draft.cold.unheard
    draft.set_cold(
        met=met if member in met else (*met, member),
        unheard=unheard if member in unheard else (*unheard, member),
    )


def is_asked_for(draft: Draft, host: MemberId, introduction: Introduction) -> bool:
    """Say whether this is what we asked for: a member's card, for the call whose secret we drew.

    Raises:
        MalformedFrame: the card is none.
    """
    member = decode_card(introduction.known.card).keys.member_id
    return (
        introduction.is_yours_to_call
        and draft.peer(host).standing is Standing.MEMBER
        and draft.live.unmet.get(member) == introduction.known.secret
        and member in membership_of(draft.cold.id, draft.cold.operations).members
    )


def may_be_late(draft: Draft, host: MemberId, introduction: Introduction) -> bool:
    """Say whether this may answer what we asked in an earlier run: it does nothing, and is no lie.

    Raises:
        MalformedFrame: the card is none.
    """
    member = decode_card(introduction.known.card).keys.member_id
    return (
        bool(draft.cold.met)
        and introduction.is_yours_to_call
        and draft.peer(host).standing is Standing.MEMBER
        and member in membership_of(draft.cold.id, draft.cold.operations).members
    )


def call_unmet(draft: Draft, member: MemberId, secret: bytes) -> None:
    """Call whom we asked for, who gets our present card with the first words."""
    peer = draft.peer(member)
    if peer.continuity or (peer.calling is not None and peer.calling.secret == secret):
        return  # we know each other, or are about to
    draft.change_peer(member, listening=None)
    owe_note(draft, member, NewCard(encode_card(make_card(draft.cold.persona, _prekey(draft)))))
    calls.call(draft, member, purpose=calls.MEET, secret=secret)


# ---- between


def take_unmet(draft: Draft, member: MemberId, note: Unmet) -> None:
    """Bring a restored member together with somebody they do not know yet.

    Raises:
        ForgedMessage: whoever asks is no member.
    """
    asking, wanted = draft.peer(member), draft.cold.peers.get(note.member)
    if asking.standing is not Standing.MEMBER:
        raise ForgedMessage("somebody who is not in asks for a member")
    if wanted is None or wanted.standing is not Standing.MEMBER or note.member == member:
        return
    pair = member, note.member
    brought = draft.live.brought.get(pair, 0)
    if brought >= MOST_BROUGHT:
        return
    draft.set_live(brought={**draft.live.brought, pair: brought + 1})
    known = Acquaintance(wanted.card, wanted.name, note.secret)
    owe_note(draft, member, Introduction(known, is_yours_to_call=True))
    owe_note(draft, note.member, MeetAgain(member, note.secret))


# ---- being called


def take_meet_again(draft: Draft, member: MemberId, note: MeetAgain) -> None:
    """Expect a call of a member we know. What we have with them stays until they have called.

    Raises:
        ForgedMessage: whoever says so is no member.
    """
    if draft.peer(member).standing is not Standing.MEMBER:
        raise ForgedMessage("somebody who is not in announces a call")
    peer = draft.cold.peers.get(note.member)
    if peer is None or peer.standing is not Standing.MEMBER or note.member == member:
        return
    is_waiting = peer.listening is not None and not peer.listening.is_again
    if is_waiting or peer.met_by == note.secret or draft.cold.stage is not Stage.ACTIVE:
        return
    listening = Listening(calls.MEET, note.secret, _prekey(draft).id, is_again=True)
    draft.change_peer(note.member, listening=listening)


def take_call(draft: Draft, member: MemberId, flight: bytes) -> bool:
    """Answer the call that was announced, as one to begin anew. False: it is another one.

    Raises:
        RemoteError: it was answered, and a newer one has replaced it.
    """
    peer = draft.peer(member)
    listening = peer.listening
    if listening is None or not listening.is_again:
        return False
    try:
        opened, _ = calls.take_opening(
            draft, flight, purpose=calls.MEET, secret=listening.secret, known=peer.keys
        )
    except RemoteError:
        return False  # perhaps a reset: the session we have is as good as before
    reset.answer_anew(draft, member, opened)
    return True


def _prekey(draft: Draft) -> PrekeySecrets:
    turn_prekeys(draft)
    return draft.cold.prekeys[-1]
