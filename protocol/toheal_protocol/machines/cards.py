"""Cards: our prekeys turn over, and everybody who may call us gets the card with the newest.

Spec: docs/protocol/circle.md, section 3; docs/protocol/identity.md.
"""

from __future__ import annotations

from toheal_protocol.crypto import Entropy
from toheal_protocol.errors import ForgedMessage
from toheal_protocol.identity import (
    PREKEY_LIFE,
    PREKEY_TURNOVER,
    PrekeySecrets,
    decode_card,
    draw_prekey,
    encode_card,
    make_card,
)
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.ledgers import members
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.state import Stage
from toheal_protocol.messages.notes import NewCard
from toheal_protocol.model import MemberId, WallTime


def renew_card(draft: Draft) -> None:
    """Draw a new prekey when it is time, and give every member the card to call us with."""
    before = draft.cold.prekeys
    turn_prekeys(draft)
    if draft.cold.prekeys is before or draft.cold.stage is not Stage.ACTIVE:
        return
    card = encode_card(make_card(draft.cold.persona, draft.cold.prekeys[-1]))
    for member in members(draft)[1:]:
        owe_note(draft, member, NewCard(card))


def take_new_card(draft: Draft, member: MemberId, encoded: bytes) -> None:
    """Keep a peer's newer card.

    Raises:
        MalformedFrame, ForgedMessage: it is none, or somebody else's.
    """
    card, peer = decode_card(encoded), draft.peer(member)
    if card.keys != peer.keys:
        raise ForgedMessage("somebody else's card")
    if card.not_after > decode_card(peer.card).not_after:
        draft.change_peer(member, card=encoded)


def turn_prekeys(draft: Draft) -> None:
    """Draw a new prekey when the newest was handed out long enough; forget the dead ones."""
    living = tuple(key for key in draft.cold.prekeys if key.not_after > draft.wall_now)
    newest = living[-1] if living else None
    if newest is None or newest.not_after - draft.wall_now < PREKEY_LIFE - PREKEY_TURNOVER:
        fresh = fresh_prekey(draft.cold.prekeys, draft.entropy, draft.wall_now)
        draft.set_cold(prekeys=(*living, fresh))


def fresh_prekey(
    known: tuple[PrekeySecrets, ...], entropy: Entropy, wall_now: WallTime
) -> PrekeySecrets:
    """Draw a prekey with the next id."""
    newest = max((key.id for key in known), default=0)
    return draw_prekey(entropy, id=newest + 1, not_after=WallTime(wall_now + PREKEY_LIFE))
