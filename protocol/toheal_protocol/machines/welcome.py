"""Welcome: how somebody who was let in, or taken back, gets to know the circle.

```
  who lets in                                newcomer
  Introduction -> each member
  add          -> each member
  Carried..    -> the operations so far      kept
  Welcome      -> up to which of them        active once all of them are here
  Introduction -> of each member             calls that member
```
Each note is lasting and any may overtake another.

Spec: docs/protocol/circle.md, section 9.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from attrs import evolve

from toheal_protocol.envelope import MARK_SIZE, MAX_PARENTS, Parent
from toheal_protocol.errors import ForgedMessage, MalformedFrame, RemoteError
from toheal_protocol.identity import clean_name, decode_card
from toheal_protocol.machines import calls, meeting_again
from toheal_protocol.machines.cards import turn_prekeys
from toheal_protocol.machines.carrying import carry
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Tell
from toheal_protocol.machines.governing import act, addition_of, can_return
from toheal_protocol.machines.lan_secrets import hand_over
from toheal_protocol.machines.ledgers import ledger_of, members, membership_of, roll_in, unknown
from toheal_protocol.machines.membership import carry_over
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.state import (
    Cold,
    Listening,
    Newest,
    Peer,
    Position,
    Stage,
    Standing,
    Stream,
)
from toheal_protocol.membership import MAX_OPERATIONS
from toheal_protocol.messages.acts import Addition, charter_hash
from toheal_protocol.messages.notes import (
    MAX_CARRIED,
    Acquaintance,
    Head,
    Introduction,
    Welcome,
    decode_item,
    encode_item,
)
from toheal_protocol.model import MAX_MEMBERS, Audience, MemberId, Role

ROOM_TO_GOVERN: Final = 64
"""Operations kept free when somebody is let in: a circle can always remove and leave."""


def has_room(cold: Cold) -> bool:
    """Say whether somebody more can be let in."""
    if cold.porch_of:
        return False
    if cold.for_talk:
        return all(peer.standing is not Standing.MEMBER for peer in cold.peers.values())
    present = sum(peer.standing is Standing.MEMBER for peer in cold.peers.values()) + 1
    return present < MAX_MEMBERS and len(cold.operations) < MAX_OPERATIONS - ROOM_TO_GOVERN


def readmit(draft: Draft, member: MemberId) -> None:
    """Take somebody back who was removed: an appeal was heard. They come back as a member."""
    peer = draft.cold.peers.get(member)
    may_admit = draft.cold.my_role is Role.FACILITATOR and has_room(draft.cold)
    if peer is None or not may_admit or not can_return(draft.cold, member):
        return
    bring_in(draft, member, addition_of(ledger_of(draft), member))


def bring_in(draft: Draft, member: MemberId, addition: Addition) -> bool:
    """Add somebody: tell the members, welcome the newcomer. False: it is not ours to do."""
    newcomer = draft.peer(member)
    others = tuple(other for other in members(draft) if other != draft.our_id)
    secrets = {other: draft.entropy.draw(32) for other in others}
    with suppress(RemoteError), draft.attempt():
        for other in others:
            known = Acquaintance(newcomer.card, newcomer.name, secrets[other])
            owe_note(draft, other, Introduction(known, is_yours_to_call=False))
        draft.change_peer(member, standing=Standing.EXPECTED, door_words=())
        if not act(draft, addition, leave_out=member):
            raise ForgedMessage("an add that is not ours to make")
        _welcome(draft, member, secrets)
        return True
    return False


def _welcome(draft: Draft, member: MemberId, secrets: Mapping[MemberId, bytes]) -> None:
    ledger = ledger_of(draft)
    carry(draft, member, ledger.entries)
    heads = tuple(  # of what is said to the circle: a newcomer learns of no notes to facilitators
        Head(stream.author, stream.audience, position.seq, position.mid)
        for stream, position in draft.log.heads.items()
        if stream.audience is Audience.CIRCLE
    )
    hand_over(draft, member)
    owe_note(draft, member, Welcome(ledger.heads[:MAX_CARRIED], draft.cold.charter, heads))
    for other, secret in secrets.items():
        peer = draft.peer(other)
        known = Acquaintance(peer.card, peer.name, secret)
        owe_note(draft, member, Introduction(known, is_yours_to_call=True))


def take_welcome(draft: Draft, host: MemberId, welcome: Welcome) -> None:
    """Come in once everything it names is here: at the first time, or again after a removal."""
    stage, peer = draft.cold.stage, draft.peer(host)
    is_first = stage is Stage.KNOCKING and peer.standing is Standing.HOST
    is_return = stage is Stage.REMOVED and peer.standing is Standing.MEMBER
    if is_first or is_return:
        draft.set_cold(welcome=encode_item(welcome))
        come_in(draft, host)


def come_in(draft: Draft, host: MemberId) -> None:
    """Check the membership of a welcome that came, and read on from where the host has read.

    Nothing happens while operations are missing: they come before or after it.

    Raises:
        MalformedFrame: what it names does not add up.
    """
    welcome = decode_item(draft.cold.welcome) if draft.cold.welcome else None
    if not isinstance(welcome, Welcome) or unknown(draft, welcome.view):
        return
    draft.set_cold(welcome=b"", came_by=b"")
    now = membership_of(draft.cold.id, draft.cold.operations)
    is_led = roll_in(draft, welcome.view).get(host)
    if draft.our_id not in now.members or is_led is None or is_led.role is not Role.FACILITATOR:
        raise MalformedFrame("a welcome without us or without its author as facilitator")
    named = charter_hash(welcome.charter)
    if named == now.charter_hash:
        texts = {**draft.cold.texts, named: welcome.charter}
        draft.set_cold(charter=welcome.charter, texts=texts)
    is_new = draft.cold.stage is Stage.KNOCKING
    draft.set_cold(stage=Stage.ACTIVE, my_role=now.members[draft.our_id])
    draft.log = evolve(draft.log, **_read_from(draft, welcome))
    draft.change_peer(host, standing=Standing.MEMBER, role=Role.FACILITATOR, door_words=())
    carry_over(draft)
    draft.ask(Tell("admitted" if is_new else "back", host))


def _read_from(draft: Draft, welcome: Welcome) -> dict[str, Any]:
    """Return the log's heads and frontiers: what lies below those of the host is not for us."""
    heads = dict(draft.log.heads)
    told = [head for head in welcome.heads if head.audience is Audience.CIRCLE]
    for head in told:
        stream = Stream(head.author, head.audience)
        ours = heads.get(stream)
        if head.author != draft.our_id and (ours is None or ours.seq < head.seq):
            heads[stream] = Position(head.seq, head.mid)
    parents = (Parent(one.author[:MARK_SIZE], one.audience, one.seq, one.mid) for one in told)
    frontier = tuple(parents)[-MAX_PARENTS:]
    newest = {one: Newest(frontier, draft.log.newest_for(one).lamport) for one in Audience}
    return {"heads": heads, "newest": newest}


def take_introduction(draft: Draft, host: MemberId, introduction: Introduction) -> None:
    """Get to know somebody: call them, or expect their call.

    Raises:
        MalformedFrame: whoever introduces is no facilitator, or the card is none.
    """
    member, secret = decode_card(introduction.known.card).keys.member_id, introduction.known.secret
    if meeting_again.is_asked_for(draft, host, introduction):
        _meet(draft, introduction.known)
        meeting_again.call_unmet(draft, member, secret)
        return
    introducer = draft.peer(host)
    is_in = introducer.standing in (Standing.MEMBER, Standing.HOST)
    if introducer.role is not Role.FACILITATOR or not is_in:
        if meeting_again.may_be_late(draft, host, introduction):
            return
        raise MalformedFrame("an introduction by somebody who may not")
    _meet(draft, introduction.known)
    peer = draft.peer(member)
    if peer.calling or peer.listening or peer.continuity:
        return  # we know each other, or are about to
    if introduction.is_yours_to_call:
        calls.call(draft, member, purpose=calls.MEET, secret=secret)
    else:
        turn_prekeys(draft)
        listening = Listening(calls.MEET, secret, draft.cold.prekeys[-1].id)
        draft.change_peer(member, listening=listening)
        unheard = tuple(one for one in draft.cold.unheard if one != member)
        draft.set_cold(unheard=unheard)  # who is new has read nothing of us


def _meet(draft: Draft, known: Acquaintance) -> None:
    card = decode_card(known.card)
    member = card.keys.member_id
    if member == draft.our_id:
        raise MalformedFrame("an introduction to ourselves")
    if member not in draft.cold.peers:
        draft.set_peer(
            member,
            Peer(
                keys=card.keys,
                card=known.card,
                name=clean_name(known.name),
                standing=Standing.EXPECTED,
                role=Role.MEMBER,
                since=draft.wall_now,
            ),
        )
        carry_over(draft)
