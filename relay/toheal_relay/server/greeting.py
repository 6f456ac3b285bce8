"""What does somebody want who has just come? Everything is on one port.

    first byte   16        TLS, and inside it G: WebSocket, 00 to 03: TURN
                 00 to 03  TURN over plain TCP
                 other     nothing we know

Source: RFC 8446, section 5.1 (a handshake record); RFC 8489, section 5 (two zero bits).
Spec: docs/protocol/turn.md, section 2.
"""

from __future__ import annotations

import socket
import ssl
from typing import Final

import trio
from attrs import field, frozen

from toheal_relay.server.stream import BrokenStream, PlainStream, TlsStream

_TLS: Final = 0x16
_LAST_STUN: Final = 0x03


@frozen
class TurnCaller:
    """Somebody who speaks TURN, and what they said first."""

    stream: PlainStream
    first: bytes = field(repr=False)


@frozen
class MailboxCaller:
    """Somebody who, it seems, wants a WebSocket, and what they said first."""

    stream: TlsStream
    first: bytes = field(repr=False)


async def greet(accepted: socket.socket, context: ssl.SSLContext) -> TurnCaller | MailboxCaller:
    """Find out what a connection is for; the TLS handshake is done then.

    The socket is closed if that ends in any error, cancellation included.

    Raises:
        BrokenStream: the other side would not say.
    """
    try:
        first = await _peek(accepted)
        if first <= _LAST_STUN:
            plain = PlainStream(accepted)
            return TurnCaller(plain, await plain.receive())
        if first != _TLS:
            raise BrokenStream
        stream = TlsStream(accepted, context)
    except BaseException:  # cancelled as well: whatever ends this, the socket is ours to close
        accepted.close()
        raise
    try:
        await stream.handshake()
        said = await stream.receive()
    except BaseException:  # cancelled as well: whatever ends this, the socket is ours to close
        stream.close()
        raise
    is_turn = said[:1] <= bytes([_LAST_STUN]) and said != b""
    return TurnCaller(stream, said) if is_turn else MailboxCaller(stream, said)


async def _peek(accepted: socket.socket) -> int:
    """Wait for the first byte and return it, leaving it where it is."""
    while True:
        try:
            first = accepted.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            await trio.lowlevel.wait_readable(accepted)
        except OSError:
            raise BrokenStream from None
        else:
            if not first:
                raise BrokenStream
            return first[0]
