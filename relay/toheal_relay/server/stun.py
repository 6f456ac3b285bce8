"""STUN Binding on the relay's UDP port: where do I come from?

An answer (32 or 44 bytes) to a bare request (20 bytes) is at most 1.36 times as long on the wire,
and a request's source may be forged. So such answers are counted per source, and requests that are
as long as their answer (see `binding_request`) are preferred.

Spec: docs/protocol/mailboxes.md, section 7.
"""

from __future__ import annotations

import socket
from typing import Final

import trio

from toheal_protocol.errors import RemoteError
from toheal_protocol.model import Instant
from toheal_protocol.wire.stun import MAX_STUN_SIZE, answer_binding
from toheal_relay.admission import Admission

DRAIN: Final = 64
"""Datagrams read per wake-up: a wake-up costs as much as several of them."""


async def serve_stun(udp: socket.socket, admission: Admission) -> None:
    """Answer Binding requests until cancelled. `udp` is bound and non-blocking."""
    while True:
        await trio.lowlevel.wait_readable(udp)
        now = Instant(trio.current_time())
        for _ in range(DRAIN):
            try:
                datagram, sender = udp.recvfrom(MAX_STUN_SIZE + 1)
            except BlockingIOError:
                break
            except OSError:  # an ICMP error of an answer before this
                continue
            answer = _answer(datagram, sender[0], sender[1], admission, now=now)
            if answer is not None:
                _send(udp, answer, sender)


def _answer(
    datagram: bytes, host: str, port: int, admission: Admission, *, now: Instant
) -> bytes | None:
    host = host.partition("%")[0].removeprefix("::ffff:")
    try:
        answer = answer_binding(datagram, host, port)
    except RemoteError:
        return None
    if answer is None:
        return None
    source = admission.source_of(host, now=now)
    is_short = len(answer) > len(datagram)
    return answer if admission.may_answer_stun(source, is_short=is_short, now=now) else None


def _send(udp: socket.socket, answer: bytes, sender: tuple[object, ...]) -> None:
    try:
        udp.sendto(answer, sender)
    except OSError:  # no room, or no way back: STUN asks again
        pass
