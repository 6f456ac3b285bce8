"""Charters: whether our person has said yes to the one that holds, and which ones somebody may knock with.

Spec: docs/protocol/circle.md, section 6.4.
"""

from __future__ import annotations

from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.ledgers import ledger_of, membership_of
from toheal_protocol.machines.state import Cold, Stage
from toheal_protocol.messages.acts import CharterChange, Foundation


def is_asked(cold: Cold) -> bool:
    """Say whether our person owes the charter in force an answer before writing.

    Only where its text is here: nobody is asked for a yes to words they cannot read.
    """
    if cold.stage is not Stage.ACTIVE:
        return False
    now = membership_of(cold.id, cold.operations)
    ours = cold.persona.keys.member_id
    return ours not in now.accepted and now.charter_hash in cold.texts


def was_ever_ours(draft: Draft, charter: bytes) -> bool:
    """Say whether this hash names a charter of this circle: the one in force, or an earlier one.

    An invitation made before a change shows the charter of then; who comes in by it is asked anew.
    """
    said = (entry.act for entry in ledger_of(draft).entries)
    return any(
        act.charter_hash == charter for act in said if isinstance(act, Foundation | CharterChange)
    )
