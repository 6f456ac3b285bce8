"""Doubts: is the link to a member alive, and are the relays that may carry it?

Both are asked together, so that both are known at the same time: what does not get through then goes
to a relay that works.

Spec: docs/protocol/circle.md, section 8.1; docs/protocol/link.md, section 5.3.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import HailRelay, ProbeLink
from toheal_protocol.model import MemberId

LINK_DOUBT: Final = 1.0
"""Seconds without an acknowledgement over a data channel until it is looked after: a round trip and a
repeat of a bad line. Looking costs a ping and a hail; what is dead is known 2.5 seconds later."""


def look_after(draft: Draft, member: MemberId) -> None:
    """Find out whether the link is alive, if there is one, and whether the relays are."""
    link = draft.courier(member).link
    if link is not None:
        draft.ask(ProbeLink(member, link.attempt))
        for relay in draft.live.boots:
            draft.ask(HailRelay(relay))
