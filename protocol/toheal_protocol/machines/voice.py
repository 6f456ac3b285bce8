"""Voice: whose words count.

Words count if their author was in, and no listener, in the membership they name; and if no removal
or listener's role stands against them that the author did not know, and no mute whose end they did
not know, except for what was heard before it was signed. What does not count is kept a little, unseen: the act may turn out void.

Notes to facilitators are counted apart, and only a removal stands against them. The act cannot
say how far they were heard: everybody reads it, and it would tell them that there are any. So
each facilitator's device goes by what it had read when it took the removal.

Spec: docs/protocol/circle.md, section 7.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.envelope import Content
from toheal_protocol.errors import ForgedMessage
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.ledgers import ledger_of, membership_of, roll_in, unknown
from toheal_protocol.machines.silences import Return, Unjudged
from toheal_protocol.machines.state import Peer, Standing
from toheal_protocol.membership import Bits, Ledger, Place, roll_at
from toheal_protocol.messages.bodies import ContentKind
from toheal_protocol.model import Audience, MemberId, OperationId, Role

MAX_CROSSED: Final = 64
"""Words beyond where somebody was last heard that are kept all the same, unseen: the act that took
their voice may turn out void."""


MAX_UNJUDGED: Final = 64
"""Words of one author, shown after a gap, whose view was not known: the newest are judged later."""


def is_far_beyond_removal(draft: Draft, author: MemberId, content: Content) -> bool:
    """Say whether this comes from somebody removed, and so late that it is not even kept."""
    peer = draft.cold.peers.get(author)
    if peer is None or peer.standing is not Standing.GONE or not peer.silences:
        return False
    heard = [one.heard for one in peer.silences if one.audience is content.audience]
    return bool(heard) and content.author_seq > max(heard) + MAX_CROSSED


def check_voice(draft: Draft, author: MemberId, content: Content) -> None:
    """Refuse words of who was not in, or only listened, as far as the author itself knew.

    A listener can ask the facilitators for help, and take back what it said.

    Raises:
        ForgedMessage: they are.
    """
    if content.type == ContentKind.OPERATION or unknown(draft, content.view):
        return  # an operation is judged by the merge; and what is silenced is so by its number
    place = roll_in(draft, content.view).get(author)
    if place is None:
        raise ForgedMessage("a message by somebody who was not in")
    is_to_all = content.audience is Audience.CIRCLE and content.type != ContentKind.RETRACTION
    if place.role is Role.LISTENER and is_to_all:
        raise ForgedMessage("words of a listener")


def check_audience(draft: Draft, content: Content) -> None:
    """Refuse what was not for us: a note to facilitators where we were none in its view.

    Raises:
        ForgedMessage: it is one, or an operation that is hidden from the circle.
    """
    if content.audience is Audience.CIRCLE:
        return
    if content.type == ContentKind.OPERATION:
        raise ForgedMessage("an operation that is hidden from the circle")
    place = roll_in(draft, content.view).get(draft.our_id)
    if place is None or place.role is not Role.FACILITATOR:
        raise ForgedMessage("a note to facilitators, and we were none")


def note_return(draft: Draft, author: MemberId, content: Content) -> None:
    """Note from where on somebody's words count again: they know that what took their voice is over.

    Where something of their view is not here yet, that is judged once it is: all devices must come
    to the same, whatever arrived first.
    """
    known = ledger_of(draft).known_to(content.view)
    if known is not None:
        _judge(draft, author, content.audience, content.author_seq, known)
    elif (peer := draft.cold.peers.get(author)) is not None:
        words = Unjudged(content.audience, content.author_seq, content.view)
        draft.change_peer(author, unjudged=(*peer.unjudged, words)[-MAX_UNJUDGED:])


def judge_waiting(draft: Draft, author: MemberId) -> None:
    """Judge what somebody wrote under views that were not known, as far as they are by now."""
    waiting = draft.peer(author).unjudged
    if not waiting:
        return
    ledger = ledger_of(draft)
    left: list[Unjudged] = []
    for words in waiting:
        known = ledger.known_to(words.view)
        if known is None:
            left.append(words)
        else:
            _judge(draft, author, words.audience, words.author_seq, known)
    if len(left) < len(waiting):
        draft.change_peer(author, unjudged=tuple(left))


def _judge(draft: Draft, author: MemberId, audience: Audience, seq: int, known: Bits) -> None:
    """Note what of the acts against somebody is over by what they knew when they wrote this.

    That they know of a removal is not enough: it may have waited for support when they wrote.
    """
    peer, ledger = draft.cold.peers.get(author), ledger_of(draft)
    is_note = audience is Audience.FACILITATORS
    roles = () if is_note else ledger.roles.get(author, ())
    mutes = () if is_note else ledger.mutes.get(author, ())
    against = (*ledger.removals.get(author, ()), *roles, *mutes)
    if peer is None or not against:
        return
    place = roll_at(ledger, known).get(author)
    if place is None or (place.role is Role.LISTENER and not is_note):
        return
    later = (*roles, *ledger.adds.get(author, ()))
    over = {
        ledger.entries[number].operation.id
        for number in against
        if any(
            known >> one & 1 and ledger.entries[one].knows(number)
            for one in (ledger.unmutes.get(author, ()) if number in mutes else later)
        )
        and (number in (*roles, *mutes) or _is_back(ledger, place, number))
    }
    _keep_returns(draft, author, over, audience, seq)


def _is_back(ledger: Ledger, place: Place, removal: int) -> bool:
    """Say whether somebody is in by adds alone that know their removal."""
    return all(entry.knows(removal) for entry in ledger.among(place.adds))


def _keep_returns(
    draft: Draft, author: MemberId, over: set[OperationId], audience: Audience, seq: int
) -> None:
    peer = draft.peer(author)
    before = {(one.act, one.audience): one.author_seq for one in peer.returns}
    keys = [(act, audience) for act in over]
    after = {**before, **{key: min(seq, before.get(key, seq)) for key in keys}}
    if after == before:
        return
    now = membership_of(draft.cold.id, draft.cold.operations).silences.get(author, ())
    ended = {one.act for one in now if one.is_over}
    silences = tuple(
        evolve(one, resumed=after.get((one.act, one.audience), 0) if one.act in ended else 0)
        for one in peer.silences
    )
    returns = tuple(Return(act, audience, seq) for (act, audience), seq in after.items())
    draft.change_peer(author, returns=returns, silences=silences)


def is_silenced(peer: Peer | None, audience: Audience, author_seq: int) -> bool:
    """Say whether words do not count: written beside what took their author's voice."""
    return peer is not None and any(one.covers(audience, author_seq) for one in peer.silences)
