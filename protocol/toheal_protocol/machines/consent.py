"""Consent: whether two members may connect directly, and so see each other's addresses.

Each says so for the other, alone and at any time. A link goes directly only while both allow it; a
side that does not tells no address, whatever the other believes. A no counts at once: the direct
link is closed before another is there, and words go over the relay meanwhile. What the circle decides
holds for who said nothing of their own.

Spec: docs/protocol/circle.md, section 10.1.
"""

from __future__ import annotations

from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import LinkWay
from toheal_protocol.machines.linking import close_links, open_if_wanted
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.state import Stage, Standing
from toheal_protocol.machines.ways import way_to
from toheal_protocol.messages.notes import DirectChoice
from toheal_protocol.model import MemberId

_SERIALS = 2**32


def choose_direct(draft: Draft, member: MemberId, *, is_allowed: bool) -> None:
    """Take what our person said about a member, and tell that member.

    Nothing happens with somebody who is no member, or where we are none.
    """
    peer = draft.peer(member)
    if peer.standing is not Standing.MEMBER or draft.cold.stage is not Stage.ACTIVE:
        return
    before = peer.our_direct
    if before is not None and before.is_allowed is is_allowed:
        return
    serial = 1 if before is None else before.serial + 1
    if serial >= _SERIALS:
        return
    choice = DirectChoice(is_allowed, serial)
    draft.change_peer(member, our_direct=choice)
    owe_note(draft, member, choice)
    _follow(draft, member)


def take_choice(draft: Draft, member: MemberId, choice: DirectChoice) -> None:
    """Take what a member said about us. An older word that comes late changes nothing."""
    peer = draft.peer(member)
    if peer.standing not in (Standing.MEMBER, Standing.HOST):
        return
    if peer.their_direct is not None and peer.their_direct.serial >= choice.serial:
        return
    draft.change_peer(member, their_direct=choice)
    _follow(draft, member)


def follow_circle(draft: Draft) -> None:
    """Follow what the circle decided about direct connections."""
    for member in draft.live.couriers:
        peer = draft.cold.peers.get(member)
        if peer is not None and peer.standing is Standing.MEMBER:
            _follow(draft, member)


def _follow(draft: Draft, member: MemberId) -> None:
    if way_to(draft, member) is LinkWay.TURN:
        close_links(draft, member, way=LinkWay.DIRECT)
    open_if_wanted(draft, member)
