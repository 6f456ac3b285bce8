"""Binding: where do I come from? And how often strangers are answered at all.

An answer must be no weapon: over UDP a request's source may be forged. So answers that are longer
than what asked for them are counted per source, and the others too, more generously.

Spec: docs/protocol/mailboxes.md, section 7; docs/protocol/turn.md, section 3.
"""

from __future__ import annotations

from toheal_protocol.model import Instant
from toheal_protocol.wire.stun import answer_binding
from toheal_relay.admission import Admission
from toheal_relay.turn.allocation import Client, Outgoing


class Strangers:
    """Answers those of whom nothing is known."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def receive(self, client: Client, message: bytes, *, now: Instant) -> Outgoing | None:
        """Answer a Binding request; None for everything else that is STUN.

        Raises:
            MalformedFrame: it is not STUN.
        """
        answer = answer_binding(message, client.host, client.port)
        if answer is None or not self.may_answer(client, len(message), len(answer), now=now):
            return None
        return client.send, answer, len(answer), client.to

    def may_answer(self, client: Client, asked: int, answer: int, *, now: Instant) -> bool:
        """Say whether an answer of so many bytes may go out. A stream proves where it comes from."""
        if client.is_stream:
            return True
        source = self._admission.source_of(client.host, now=now)
        return self._admission.may_answer_stun(source, is_short=answer > asked, now=now)
