"""Sharing: asking an author whether words may be shown outside, and the author's yes, no and no more.

```
  who asks                       author
  ShareAsk       ->              asked
  granted       <- ShareAnswer   granted    with the receipt's signature
  withdrawn     <- ShareWithdrawn
```
Nobody else hears of any of it.

Spec: docs/protocol/consent.md.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import evolve

from toheal_protocol.crypto import Signature, VerifyKey
from toheal_protocol.errors import ForgedMessage, MalformedFrame
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import ShareAnswered, ShareRequested, Tell
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.shares import Share, ShareState
from toheal_protocol.machines.state import Cold, Stage, Standing
from toheal_protocol.messages.consent import (
    LONGEST_CONSENT,
    SERIAL_SIZE,
    Receipt,
    hash_excerpt,
    sign_receipt,
    verify_receipt,
)
from toheal_protocol.messages.share_notes import ShareAnswer, ShareAsk, ShareWithdrawn
from toheal_protocol.model import MemberId, WallTime

MAX_OF_ONE: Final = 16
"""Askings of one member that are kept; one more takes the place of the oldest that is settled."""


def ask(draft: Draft, wanted: ShareRequested) -> None:
    """Ask an author."""
    serial = draft.entropy.draw(SERIAL_SIZE)
    share = Share(
        serial=serial,
        mid=wanted.mid,
        other=wanted.author,
        is_ours=True,
        excerpt=wanted.excerpt,
        audience=wanted.audience,
        purpose=wanted.purpose,
        not_after=wanted.not_after,
    )
    if not _may_speak_with(draft, wanted.author) or not _keep(draft, share):
        return
    note = ShareAsk(
        serial, share.mid, share.not_after, share.audience, share.purpose, share.excerpt
    )
    owe_note(draft, wanted.author, note)


def take_ask(draft: Draft, member: MemberId, note: ShareAsk) -> None:
    """Take an asking; the person answers it, or not.

    Raises:
        MalformedFrame: asked by nobody who is in, a second time under one serial, for longer than
            a consent can last, or too many wait for an answer.
    """
    if not _may_speak_with(draft, member) or find_share(draft.cold, note.serial) is not None:
        raise MalformedFrame("an asking by nobody who is in, or a second one of one name")
    share = Share(
        serial=note.serial,
        mid=note.mid,
        other=member,
        is_ours=False,
        excerpt=note.excerpt,
        audience=note.audience,
        purpose=note.purpose,
        not_after=WallTime(min(note.not_after, draft.wall_now + LONGEST_CONSENT)),
    )
    if note.not_after > share.not_after or not _keep(draft, share):
        raise MalformedFrame("an asking for ever, or one too many")
    draft.ask(Tell("share_asked", member))


def answer(draft: Draft, answered: ShareAnswered) -> None:
    """Say yes or no to what somebody asked us. Only the first answer counts."""
    share = find_share(draft.cold, answered.serial)
    if share is None or share.is_ours or share.state is not ShareState.ASKED:
        return
    if not answered.is_granted:
        _change(draft, share, state=ShareState.REFUSED, excerpt="")
        owe_note(draft, share.other, ShareAnswer(share.serial, None))
        return
    persona = draft.cold.persona
    receipt = sign_receipt(receipt_of(draft.cold, share, persona.keys.verify), persona.signing)
    _change(draft, share, state=ShareState.GRANTED, signature=bytes(receipt.signature))
    owe_note(draft, share.other, ShareAnswer(share.serial, receipt.signature))


def take_answer(draft: Draft, member: MemberId, note: ShareAnswer) -> None:
    """Take an author's answer.

    Raises:
        MalformedFrame: to nothing we asked this member, or a second one.
        ForgedMessage: a yes without the author's signature.
    """
    share = find_share(draft.cold, note.serial)
    if share is None or not share.is_ours or share.other != member:
        raise MalformedFrame("an answer to nothing we asked")
    if share.state is not ShareState.ASKED:
        raise MalformedFrame("a second answer")
    if note.signature is None:
        _change(draft, share, state=ShareState.REFUSED, excerpt="")
    else:
        key = draft.peer(member).keys.verify
        receipt = evolve(receipt_of(draft.cold, share, key), signature=note.signature)
        verify_receipt(receipt, share.excerpt, wall_now=WallTime(0))
        _change(draft, share, state=ShareState.GRANTED, signature=bytes(note.signature))
    draft.ask(Tell("share_answered", member))


def withdraw(draft: Draft, serial: bytes) -> None:
    """Take a yes of ours back."""
    share = find_share(draft.cold, serial)
    if share is None or share.is_ours or share.state is not ShareState.GRANTED:
        return
    _change(draft, share, state=ShareState.WITHDRAWN, excerpt="", signature=b"")
    owe_note(draft, share.other, ShareWithdrawn(serial))


def take_withdrawn(draft: Draft, member: MemberId, note: ShareWithdrawn) -> None:
    """Take that a yes is over.

    Raises:
        MalformedFrame: of nothing we asked this member.
    """
    share = find_share(draft.cold, note.serial)
    if share is None or not share.is_ours or share.other != member:
        raise MalformedFrame("a withdrawal of nothing we asked")
    _change(draft, share, state=ShareState.WITHDRAWN, excerpt="", signature=b"")
    draft.ask(Tell("share_withdrawn", member))


def receipt_of(cold: Cold, share: Share, key: VerifyKey) -> Receipt:
    """Return the receipt an asking is about, with its signature if there is one."""
    return Receipt(
        circle=cold.id,
        mid=share.mid,
        key=key,
        excerpt_hash=hash_excerpt(share.excerpt),
        not_after=share.not_after,
        serial=share.serial,
        audience=share.audience,
        purpose=share.purpose,
        signature=Signature(share.signature),
    )


def standing_receipt(cold: Cold, share: Share, *, wall_now: WallTime) -> Receipt:
    """Return the receipt of a yes that stands now.

    Raises:
        ForgedMessage, MalformedFrame: there is none, or its time is over.
    """
    if not share.is_ours or share.state is not ShareState.GRANTED or share.other not in cold.peers:
        raise ForgedMessage("no consent that stands")
    receipt = receipt_of(cold, share, cold.peers[share.other].keys.verify)
    verify_receipt(receipt, share.excerpt, wall_now=wall_now)
    return receipt


def find_share(cold: Cold, serial: bytes) -> Share | None:
    """Return the asking of this name."""
    return next((one for one in cold.shares if one.serial == serial), None)


def _may_speak_with(draft: Draft, member: MemberId) -> bool:
    peer = draft.cold.peers.get(member)
    is_in = peer is not None and peer.standing is Standing.MEMBER
    return is_in and draft.cold.stage is Stage.ACTIVE


def _keep(draft: Draft, share: Share) -> bool:
    """Keep one more, in the place of the oldest settled one where there are many. False: no room."""
    shares = draft.cold.shares
    alike = [one for one in shares if (one.other, one.is_ours) == (share.other, share.is_ours)]
    if len(alike) >= MAX_OF_ONE:
        settled = [one for one in alike if _is_settled(draft, one)]
        if not settled:
            return False
        shares = tuple(one for one in shares if one is not settled[0])
    draft.set_cold(shares=(*shares, share))
    return True


def _is_settled(draft: Draft, share: Share) -> bool:
    is_open = share.state in (ShareState.ASKED, ShareState.GRANTED)
    return not is_open or share.not_after < draft.wall_now


def _change(draft: Draft, share: Share, **changes: Any) -> None:  # the class checks the names
    changed = evolve(share, **changes)
    shares = tuple(changed if one is share else one for one in draft.cold.shares)
    draft.set_cold(shares=shares)
