"""Renewals: a card in place of an answer, when a first flight was made for a prekey that is no more.

```
  caller, whose card of the other is old          the other, back after weeks
  F1 for a prekey that has died             ->    send_renewal: our present card
  take_renewal: the same call, with it      <-    in the caller's meeting mailbox of the secret
```
The card is signed by the peer's persona and must have the peer's keys, so nobody can slip in
another one; the mailbox is sealed with what both derive from the secret of the call.

Spec: docs/protocol/circle.md, section 9.1.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.errors import ForgedMessage, RemoteError, UnknownSession
from toheal_protocol.handshake import prekey_id_of, reset_psk
from toheal_protocol.identity import decode_card, encode_card, make_card
from toheal_protocol.machines import calls, placing, reset
from toheal_protocol.machines.cards import turn_prekeys
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.meetings import meeting_grants
from toheal_protocol.machines.state import Standing
from toheal_protocol.messages.frames import Renewal, encode_frame
from toheal_protocol.messages.grants import MAIL
from toheal_protocol.model import MemberId

RENEWAL_PAUSE: Final = 5.0
"""Seconds between two cards sent or taken this way: a relay that plays an old flight or card again
and again must not keep both sides busy."""


def is_for_dead_prekey(draft: Draft, flight: bytes) -> bool:
    """Say whether a first flight was made for a prekey we do not have (any more)."""
    try:
        wanted = prekey_id_of(flight)
    except RemoteError:
        return False
    living = (key for key in draft.cold.prekeys if key.not_after > draft.wall_now)
    return all(key.id != wanted for key in living)


def send_renewal(draft: Draft, member: MemberId) -> None:
    """Give a peer who called us our present card, where a call with our secret looks for it."""
    peer = draft.peer(member)
    if peer.listening is not None:
        secret = peer.listening.secret
    elif peer.continuity and peer.standing is Standing.MEMBER:
        secret = reset_psk(peer.continuity)
    else:
        return
    if not _may_renew(draft, member):
        return
    turn_prekeys(draft)
    card = Renewal(encode_card(make_card(draft.cold.persona, draft.cold.prekeys[-1])))
    if draft.courier(member).lan:
        placing.deposit(draft, member, encode_frame(card), kind=MAIL)
    for grant in meeting_grants(draft.cold, secret, caller=member):
        placing.deposit_at(draft, member, grant, encode_frame(card))


def take_renewal(draft: Draft, member: MemberId, encoded: bytes) -> None:
    """Call again with the card that came in place of an answer.

    Raises:
        UnknownSession: we are not calling them.
        ForgedMessage, MalformedFrame: not their card, or none.
    """
    peer = draft.peer(member)
    if peer.calling is None:
        raise UnknownSession("a card in place of no answer to us")
    card = decode_card(encoded)
    if card.keys != peer.keys:
        raise ForgedMessage("somebody else's card")
    is_called_with = card.prekey_id == prekey_id_of(peer.calling.opening)
    if is_called_with or not _may_renew(draft, member):
        return
    purpose, secret = peer.calling.purpose, peer.calling.secret
    draft.change_peer(member, card=encoded, calling=None)
    if purpose == calls.RESET:
        reset.ask_reset(draft, member)
    else:
        calls.call(draft, member, purpose=purpose, secret=secret)


def _may_renew(draft: Draft, member: MemberId) -> bool:
    before = draft.courier(member).renewed_at
    if before is not None and draft.now - before < RENEWAL_PAUSE:
        return False
    draft.change_courier(member, renewed_at=draft.now)
    return True
