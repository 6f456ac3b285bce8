"""Voice: whose words count.

Words count if their author was in, and no listener, in the membership they name; and if no removal
or listener's role stands against them that the author did not know, except for what was heard
before it was signed. What does not count is kept a little, unseen: the act may turn out void.

Spec: docs/protocol/circle.md, section 7.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.envelope import Content
from toheal_protocol.errors import ForgedMessage
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.membership import ledger_of, roll_in
from toheal_protocol.machines.state import Peer, Standing
from toheal_protocol.messages.bodies import ContentKind
from toheal_protocol.model import MemberId, Role

MAX_CROSSED: Final = 64
"""Words beyond where somebody was last heard that are kept all the same, unseen: the act that took
their voice may turn out void."""


def is_far_beyond_removal(draft: Draft, author: MemberId, content: Content) -> bool:
    """Say whether this comes from somebody removed, and so late that it is not even kept."""
    peer = draft.cold.peers.get(author)
    if peer is None or peer.standing is not Standing.GONE or not peer.silences:
        return False
    return content.author_seq > max(one.heard for one in peer.silences) + MAX_CROSSED


def check_voice(draft: Draft, author: MemberId, content: Content) -> None:
    """Refuse words of who was not in, or only listened, as far as the author itself knew.

    Raises:
        ForgedMessage: they are.
    """
    place = roll_in(draft, content.view).get(author)
    if place is None:
        raise ForgedMessage("a message by somebody who was not in")
    if place.role is Role.LISTENER and content.type != ContentKind.OPERATION:
        raise ForgedMessage("words of a listener")


def note_return(draft: Draft, author: MemberId, content: Content) -> None:
    """Note from where on somebody's words count again: they know what took their voice."""
    peer = draft.cold.peers.get(author)
    if peer is None or not peer.silences:
        return
    place = roll_in(draft, content.view).get(author)
    if place is None or place.role is Role.LISTENER:
        return
    ledger = ledger_of(draft)
    known = ledger.known_to(one for one in content.view if one in ledger.numbers) or 0
    silences = tuple(
        evolve(one, resumed=content.author_seq)
        if known >> ledger.numbers[one.act] & 1 and not 0 < one.resumed <= content.author_seq
        else one
        for one in peer.silences
    )
    if silences != peer.silences:
        draft.change_peer(author, silences=silences)


def is_silenced(peer: Peer | None, author_seq: int) -> bool:
    """Say whether words do not count: written beside what took their author's voice."""
    return peer is not None and any(one.covers(author_seq) for one in peer.silences)
