"""A circle on the LAN: a member in the same room is reached over a wire, before every other way.

```
            recognised                        the wire ends, the room is left
  LanMet ----------------> [cursor back to what is acknowledged] <---------------- LanParted
```
The wire is a link that needed no offer: two who recognised each other have proved who they are. It
also carries handshake flights, so two who were introduced in the room begin their session there.

```
  LanKnocked -- first flight --> NameLan: the wire leads to somebody at the door, like any other
```
A newcomer with nothing but the link of an invitation is recognised by that. Until the first flight
said who they are, nothing else is taken from them.

Spec: docs/protocol/lan.md, sections 6 and 8.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.errors import RemoteError
from toheal_protocol.machines import calls, courier, greeting, linking, spreading
from toheal_protocol.machines.arrivals import take_knocking_frame, take_lan_frame
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import CloseLan
from toheal_protocol.machines.pair import ack_if_untold, ack_soon, offer_keys
from toheal_protocol.machines.state import Stage, Standing
from toheal_protocol.model import Instant, MemberId


def take_met(draft: Draft, member: MemberId, wire: int) -> None:
    """A member is in the same room: what is owed goes over the wire."""
    if not _may_meet(draft, member):
        draft.ask(CloseLan(member, wire))
        return
    draft.change_courier(member, lan=wire, is_here=True, is_present=True, leave_at=None)
    calls.repeat_call(draft, member)
    calls.repeat_unconfirmed(draft, member)
    offer_keys(draft, member)
    ack_soon(draft, member, over_link=True)
    courier.start_over(draft, member)
    greeting.say_here(draft, member, is_reply=True)


def take_frames(draft: Draft, member: MemberId, frames: tuple[bytes, ...]) -> None:
    """Take the frames of one record of a wire."""
    for frame in frames:
        try:
            with draft.attempt():
                take_lan_frame(draft, member, frame)
        except RemoteError:
            continue  # the wire's own seal held, the frame's did not: drop it and go on


def take_knocked(draft: Draft, invitation: bytes, wire: int, frames: tuple[bytes, ...]) -> None:
    """Take what somebody with the link of an invitation says before we know who they are."""
    if draft.cold.stage is not Stage.ACTIVE:
        return
    for frame in frames:
        try:
            with draft.attempt():
                take_knocking_frame(draft, invitation, wire, frame)
        except RemoteError:
            continue  # whoever holds the link may say anything: it changes nothing


def take_parted(draft: Draft, member: MemberId, wire: int) -> None:
    """The wire is over: back to the data channel, or to the relay.

    Who was in the room a moment ago is likely to be there still: what is not acknowledged goes out
    again, for an acknowledgement may have been lost with the wire.
    """
    present = draft.courier(member)
    if present.lan != wire or member not in draft.cold.peers:
        return
    away_at = Instant(draft.now + spreading.AWAY_AFTER)
    draft.change_courier(member, lan=0, resend_wait=0.0, is_present=True, away_at=away_at)
    courier.start_over(draft, member)
    if not present.is_linked:
        greeting.say_here(draft, member, is_reply=False)
        ack_if_untold(draft, member)


def close_if_over(draft: Draft, member: MemberId) -> None:
    """Close the wire to somebody we share no circle with any more."""
    present = draft.courier(member)
    if present.lan and not _may_meet(draft, member) and linking.has_parted(draft, member):
        draft.ask(CloseLan(member, present.lan))


def _may_meet(draft: Draft, member: MemberId) -> bool:
    """Members meet; who stands at a door meets the one who invited, and is met by that one only."""
    peer, stage = draft.cold.peers.get(member), draft.cold.stage
    if peer is None:
        return False
    if stage is Stage.KNOCKING:
        return peer.standing is Standing.HOST
    if peer.standing is Standing.DECLINED and linking.has_parted(draft, member):
        return False
    return stage is Stage.ACTIVE and peer.standing in _MET


_MET: Final = (Standing.MEMBER, Standing.AT_DOOR, Standing.WAITING, Standing.DECLINED)
"""Whom we let have a wire. Who was declined hears that, and no more."""
