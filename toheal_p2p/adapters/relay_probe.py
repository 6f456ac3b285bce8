"""Knocking at a relay for the doctor: TCP, TLS with its key, hello, and a datagram to its port.

Source: RFC 8489 (Binding). Spec: docs/protocol/mailboxes.md, sections 2 and 7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from toheal_p2p.adapters.relay_tls import OpenStream, dial_through
from toheal_p2p.ports.probes import RelayProbe, Udp
from toheal_p2p.ports.relays import Reason, RelayLost
from toheal_protocol.errors import RemoteError
from toheal_protocol.wire.mailbox_answers import Hello, decode_answer
from toheal_protocol.wire.relay_address import RelayAddress
from toheal_protocol.wire.stun import (
    BINDING_SUCCESS,
    MAX_STUN_SIZE,
    TRANSACTION_SIZE,
    XOR_MAPPED_ADDRESS,
    binding_request,
    decode_stun,
    decode_xor_address,
)

UDP_PAUSES: Final = (0.3, 0.7, 1.5)
"""Seconds waited for an answer to each datagram: a lost one is sent again, and after 2.5 s the way
counts as blocked."""

Draw = Callable[[int], bytes]
"""Gives fresh random bytes."""


async def probe_relay(
    address: RelayAddress, *, open_stream: OpenStream, patience: float, draw: Draw | None
) -> RelayProbe:
    """Look at a relay as a client would.

    Args:
        patience: seconds for TCP, TLS and hello together.
        draw: for the datagram; None: none is sent.
    """
    began, opened = trio.current_time(), trio.Event()

    async def open_and_note(host: str, port: int) -> trio.abc.Stream:
        stream = await open_stream(host, port)
        opened.set()
        return stream

    reason: Reason | None = "unreachable"
    with trio.move_on_after(patience):
        reason = await _hello(address, open_and_note)
    has_tcp, taken = opened.is_set(), _milliseconds_since(began)
    if reason is not None or draw is None:
        return RelayProbe(reason, has_tcp, taken)
    udp, udp_taken, is_behind_nat = await _ask_by_udp(address, draw)
    return RelayProbe(None, has_tcp, taken, udp, udp_taken, is_behind_nat)


async def _hello(address: RelayAddress, open_stream: OpenStream) -> Reason | None:
    try:
        channel = await dial_through(open_stream, address)
        try:
            first, *_ = await channel.receive()
            return None if isinstance(decode_answer(first), Hello) else "unreachable"
        finally:
            with trio.CancelScope(shield=True):
                await channel.aclose()
    except RelayLost as lost:
        return lost.reason
    except RemoteError:
        return "unreachable"


async def _ask_by_udp(address: RelayAddress, draw: Draw) -> tuple[Udp, int, bool | None]:
    """Send Binding requests to the relay's own port, and to nobody else."""
    began = trio.current_time()
    try:
        found = await trio.socket.getaddrinfo(
            address.host, address.port, type=trio.socket.SOCK_DGRAM
        )
        family, kind, protocol, _, place = found[0]
        with trio.socket.socket(family, kind, protocol) as socket:
            await socket.connect(place)
            for pause in UDP_PAUSES:
                transaction = draw(TRANSACTION_SIZE)
                await socket.send(binding_request(transaction))
                with trio.move_on_after(pause):
                    outer = await _outer_address(socket, transaction)
                    is_behind_nat = outer != socket.getsockname()[0]
                    return "works", _milliseconds_since(began), is_behind_nat
    except OSError:
        pass  # no way there, or a polite no: as good as silence
    return "blocked", 0, None


async def _outer_address(socket: trio.socket.SocketType, transaction: bytes) -> str:
    """Wait for the answer to a request and return the address it names."""
    while True:
        datagram = await socket.recv(MAX_STUN_SIZE)
        try:
            answer = decode_stun(datagram)
            value = answer.find(XOR_MAPPED_ADDRESS)
            is_ours = answer.type == BINDING_SUCCESS and answer.transaction == transaction
            if is_ours and value is not None:
                return decode_xor_address(value, transaction)[0]
        except RemoteError:
            continue


def _milliseconds_since(began: float) -> int:
    return round((trio.current_time() - began) * 1000)
