"""Restoring: what a circle out of a backup does first, and how it goes on counting.

```
  restored                                        each member
  begin_again: new prekeys, reset with each  ->   answers, and says how far it has read us
  nobody is unheard any more: counts on      <-   YourHead
```
Who writes before everybody was heard leaps: the next number is one that the lost device cannot
have used.

Spec: docs/protocol/backup.md, section 6.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.crypto import Entropy
from toheal_protocol.identity import PREKEY_LIFE, draw_prekey, encode_card, make_card
from toheal_protocol.machines import calls, reset
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.holes import open_gap
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.state import Cold, Move, Peer, Stage, Standing, Stream
from toheal_protocol.machines.streams import LEAP
from toheal_protocol.messages.notes import DirectChoice, NewCard
from toheal_protocol.model import Audience, MemberId, MessageId, WallTime

SERIAL_LEAP: Final = 1 << 16
"""How far serials of our choices go on: further than a person ever chose."""

LONGEST_LEAP: Final = 1024
"""Multiples of `LEAP` in the longest leap: drawn, so that one backup restored twice rarely leaps to
one number twice, and few enough that a person can be restored for a lifetime."""

_HIGHEST_SERIAL: Final = (1 << 32) - 1


def begin_again(draft: Draft) -> None:
    """Begin anew with every member of a circle that came out of a backup. Again is harmless."""
    if draft.cold.stage is not Stage.ACTIVE:
        return
    before = draft.cold
    fresh = draw_prekey(
        draft.entropy,
        id=_unused_id(draft.entropy),
        not_after=WallTime(draft.wall_now + PREKEY_LIFE),
    )
    members = _members(before)
    draft.set_cold(prekeys=(fresh,), unheard=members, met=members, leaps={})
    card = encode_card(make_card(draft.cold.persona, fresh))
    for member, peer in before.peers.items():
        draft.set_peer(member, _with_later_serials(peer))
        if peer.calling is not None and peer.calling.purpose == calls.MEET:
            calls.call(draft, member, purpose=calls.MEET, secret=peer.calling.secret)
    for member in members:
        owe_note(draft, member, NewCard(card))
        reset.ask_reset(draft, member)


def has_heard_nobody(cold: Cold) -> bool:
    """Say whether a restored circle has members and none of them has told us anything yet."""
    members = _members(cold)
    return bool(members) and set(members) <= set(cold.unheard)


def next_number(draft: Draft, audience: Audience) -> tuple[int, MessageId | None]:
    """Return the number of our next message to an audience, and our message before it.

    Where somebody of a restored circle was not heard, the numbers that the lost device may have
    used are left out, in every stream, and are asked for from now on. What somebody else says was
    ours is not named: whoever names a message stands by it.
    """
    is_unheard = any(_may_have_read(draft.cold, member) for member in draft.cold.unheard)
    if is_unheard and not draft.cold.leaps:
        _leap(draft)
    at = draft.cold.leaps.get(audience, 0)
    stream = Stream(draft.our_id, audience)
    head = draft.log.heads.get(stream)
    if head is None or head.seq < at:
        return at + 1, None
    return head.seq + 1, None if stream in draft.log.unsure else head.mid


def _may_have_read(cold: Cold, member: MemberId) -> bool:
    peer = cold.peers.get(member)  # None: came in since, and their card is not here yet
    return peer is None or peer.standing in (Standing.MEMBER, Standing.EXPECTED)


def _leap(draft: Draft) -> None:
    leaps: dict[Audience, int] = {}
    steps = 1 + int.from_bytes(draft.entropy.draw(2), "big") % LONGEST_LEAP
    for audience in Audience:
        stream = Stream(draft.our_id, audience)
        head = draft.log.heads.get(stream)
        at = head.seq if head is not None else 0
        leaps[audience] = (at // LEAP + steps) * LEAP
        open_gap(draft, stream, at + 1, leaps[audience])
    draft.set_cold(leaps=leaps)


def _members(cold: Cold) -> tuple[MemberId, ...]:
    return tuple(m for m, peer in cold.peers.items() if peer.standing is Standing.MEMBER)


def _unused_id(entropy: Entropy) -> int:
    return 1 << 31 | int.from_bytes(entropy.draw(4), "big") >> 2


def _with_later_serials(peer: Peer) -> Peer:
    direct, move = peer.our_direct, peer.our_move
    if direct is not None:
        direct = DirectChoice(direct.is_allowed, _later(direct.serial))
    if move is not None:
        move = Move(_later(move.serial), move.relays, move.is_followed)
    return evolve(peer, our_direct=direct, our_move=move)


def _later(serial: int) -> int:
    return min(serial + SERIAL_LEAP, _HIGHEST_SERIAL)
