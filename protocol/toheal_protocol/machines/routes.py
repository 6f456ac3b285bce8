"""Routes: which relays answer, and what is done for each peer when one of them fails.

```
  answers --RelaySilent--> silent --RelayHeard--> answers
     |                        |
     +------- RelayDown ------+---> gone --RelayUp--> answers
```
A silent relay is used only where no other is there. Whoever was written to through a relay that
fails is written to through another one at once: all that is not acknowledged, for nobody knows
what the first one passed on. Receivers accept repeats.

Spec: docs/protocol/circle.md, section 8.1.
"""

from __future__ import annotations

from attrs import evolve

from toheal_protocol.machines import courier, greeting, linking
from toheal_protocol.machines.addressing import choose_grant, fails_now
from toheal_protocol.machines.calls import repeat_call, repeat_unconfirmed
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.pair import ack_if_untold, ack_soon
from toheal_protocol.machines.state import Courier
from toheal_protocol.messages.grants import MAIL, SIGNAL
from toheal_protocol.model import MemberId
from toheal_protocol.wire.relay_address import RelayAddress


def find_relay(draft: Draft, relay: RelayAddress, boot: bytes) -> None:
    """Learn that a relay answers: what it did before counts no more."""
    boots = {**draft.live.boots, relay: boot}
    couriers = {
        member: _without_refusal(present, relay) for member, present in draft.live.couriers.items()
    }
    silent = draft.live.silent - {relay}
    draft.set_live(boots=boots, silent=silent, couriers=couriers, up_at=draft.now)


def lose_relay(draft: Draft, relay: RelayAddress) -> None:
    """Learn that a relay is out of reach."""
    users = _users_of(draft, relay)
    boot = draft.live.boots.get(relay, b"")
    boots = {at: known for at, known in draft.live.boots.items() if at != relay}
    draft.set_live(boots=boots, silent=draft.live.silent - {relay})
    _doubt_links(draft)
    for member in users:
        _go_on_elsewhere(draft, member, boot)


def doubt_relay(draft: Draft, relay: RelayAddress) -> None:
    """Learn that a relay owes an answer for long: use another one where there is one."""
    boot = draft.live.boots.get(relay)
    if boot is None or relay in draft.live.silent:
        return
    users = _users_of(draft, relay)
    draft.set_live(silent=draft.live.silent | {relay})
    _doubt_links(draft)
    for member in users:
        _go_on_elsewhere(draft, member, boot)


def trust_relay(draft: Draft, relay: RelayAddress) -> None:
    """Learn that a relay was only slow."""
    draft.set_live(silent=draft.live.silent - {relay})
    for member in draft.cold.peers:
        courier.copy_again(draft, member)


def is_used(draft: Draft, member: MemberId, relay: RelayAddress) -> bool:
    """Say whether what we write to a peer goes through this relay just now."""
    grant = choose_grant(draft, member, MAIL)
    return grant is not None and grant.relay == relay


def _users_of(draft: Draft, relay: RelayAddress) -> list[MemberId]:
    return [member for member in draft.cold.peers if is_used(draft, member, relay)]


def _doubt_links(draft: Draft) -> None:
    """Have every open link looked after: the relay that fails may have carried it."""
    for member in draft.cold.peers:
        linking.doubt_link(draft, member)


def _go_on_elsewhere(draft: Draft, member: MemberId, boot: bytes) -> None:
    """Hand over again, at another relay, what a relay in this run was given and may have lost.

    Without another relay nothing is done: the connection tells of every deposit, sooner or later.
    """
    grant = choose_grant(draft, member, MAIL)
    if grant is None or fails_now(draft, member, grant.relay):
        return
    repeat_call(draft, member)
    repeat_unconfirmed(draft, member)
    if not draft.courier(member).has_link:
        _hand_over_again(draft, member, boot)
    linking.relay_is_up(draft, member)  # last: what starts over forgets its deposits


def _hand_over_again(draft: Draft, member: MemberId, boot: bytes) -> None:
    lost = {
        ticket.kind
        for ticket in draft.live.tickets.values()
        if ticket.member == member and ticket.boot == boot and not ticket.seq
    }
    courier.start_over(draft, member)
    if MAIL in lost:
        ack_soon(draft, member, over_link=True)  # ours may be what was lost
    else:
        ack_if_untold(draft, member)
    if SIGNAL in lost:
        greeting.say_here(draft, member, is_reply=False)


def _without_refusal(present: Courier, relay: RelayAddress) -> Courier:
    if relay not in present.refused:
        return present
    kept = {at: until for at, until in present.refused.items() if at != relay}
    return evolve(present, refused=kept)
