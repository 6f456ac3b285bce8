"""Meetings: the mailboxes that two members find with a secret a facilitator or a session gave them.

Each secret gives one mailbox for calls, and one for each of the two to hear why a call got no
answer; each of them at every relay of the circle, so that no relay has to be there for two to
meet. An invitation's own mailbox for replies is at the one relay of its link (`seats.py`).

Spec: docs/protocol/circle.md, section 9.1.
"""

from __future__ import annotations

from toheal_protocol.crypto import SealKey, SigningSeed, prf
from toheal_protocol.machines.addressing import MAX_RELAYS, address_of
from toheal_protocol.machines.state import Cold
from toheal_protocol.messages.grants import MAIL, Grant
from toheal_protocol.messages.invitation import reply_mailbox
from toheal_protocol.model import DepositToken, MemberId
from toheal_protocol.wire.relay_address import RelayAddress

Mailbox = tuple[RelayAddress, SigningSeed, DepositToken, SealKey]
"""Where it is, its read seed, its deposit token and its seal key."""


def meeting_mailboxes(cold: Cold, secret: bytes, *, caller: MemberId | None) -> list[Mailbox]:
    """Derive the mailboxes of a secret, one at each relay.

    Args:
        caller: where this one hears why its call got no answer; None: where calls go.
    """
    found: list[Mailbox] = []
    for relay in (*cold.relays[:MAX_RELAYS], *cold.allowed):
        of = prf(secret, "th1/meeting", str(relay).encode(), caller or b"")
        read_seed, token, seal_key = reply_mailbox(of)
        found.append((relay, read_seed, token, SealKey(seal_key)))
    return found


def meeting_grants(cold: Cold, secret: bytes, *, caller: MemberId | None) -> tuple[Grant, ...]:
    """Return the same as grants, number 0: until real ones come."""
    return tuple(
        Grant(0, MAIL, relay, address_of(read_seed), token, seal_key)
        for relay, read_seed, token, seal_key in meeting_mailboxes(cold, secret, caller=caller)
    )
