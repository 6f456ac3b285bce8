"""Messages that are answered, changed or asked about: found by what a person typed.

Docs: docs/protocol/circle.md, section 7.2.
"""

from __future__ import annotations

from toheal_p2p.app.names import find_message
from toheal_p2p.app.refusals import Refused
from toheal_p2p.ports.vault import EntryRow, Vault
from toheal_protocol.model import Audience, CircleId, MessageId


async def said_in(vault: Vault, circle: CircleId, message: str) -> EntryRow:
    """Return something that was said and is not taken back.

    Raises:
        Refused: no_such_message, nothing_to_change.
    """
    mid = await find_message(vault, circle, message)
    row = (await vault.rows(circle, [mid])).get(mid)
    if row is None or row.kind not in ("text", "attachment", "retracted"):
        raise Refused("no_such_message", name=message)
    if row.kind == "retracted":
        raise Refused("nothing_to_change")
    return row


async def answered_in(
    vault: Vault, circle: CircleId, reply: str | None, audience: Audience
) -> MessageId | None:
    """Return the message that an answer to this audience is about; None: it is no answer.

    Raises:
        Refused: no_such_message, nothing_to_change; reply_narrower: more would read the answer.
    """
    if reply is None:
        return None
    row = await said_in(vault, circle, reply)
    if row.audience > audience:
        raise Refused("reply_narrower")
    return row.mid
