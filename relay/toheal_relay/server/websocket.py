"""The relay's side of WebSocket: bytes in, whole messages out. Pure, around wsproto.

The client has its own, smaller one: it plays the other role, and a client must not need a relay
installed. What both keep to is in the specification: path `/th1`, binary messages, no extensions
(compression would tell how alike two sealed frames are).

Source: RFC 6455. Spec: docs/protocol/mailboxes.md, section 2.
"""

from __future__ import annotations

from typing import Final

from wsproto.connection import SERVER, Connection, ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
)
from wsproto.frame_protocol import CloseReason
from wsproto.handshake import H11Handshake
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from toheal_protocol.errors import MalformedFrame
from toheal_protocol.wire.mailbox import MAX_COMMAND_SIZE

PATH: Final = "/th1"

MAX_REQUEST_SIZE: Final = 8 * 1024
"""Bytes of the HTTP request that asks for a WebSocket: ours has 200."""


class WebSocketOpening:
    """The handshake, until the client's request was answered.

    Whoever asks for something else gets no answer at all: there is nothing else here.
    """

    def __init__(self) -> None:
        self._handshake = H11Handshake(SERVER)
        self._size = 0

    def receive(self, part: bytes) -> tuple[bytes, WebSocket] | None:
        """Take bytes; return the answer and the open WebSocket once the request is whole.

        Raises:
            MalformedFrame: it asks for anything but our WebSocket.
        """
        self._size += len(part)
        if self._size > MAX_REQUEST_SIZE:
            raise MalformedFrame("a request that is too long")
        try:
            self._handshake.receive_data(part)
            request = next(iter(self._handshake.events()), None)
            if request is None:
                return None
            if not isinstance(request, Request) or request.target != PATH:
                raise MalformedFrame("not a request for our WebSocket")
            answer = self._handshake.send(AcceptConnection())
        except (RemoteProtocolError, LocalProtocolError, ValueError):
            # ValueError: header values that are not ASCII or not a host name
            raise MalformedFrame("not a WebSocket request") from None
        connection = self._handshake.connection
        assert connection is not None
        return answer, WebSocket(connection)


class WebSocket:
    """An open WebSocket."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._parts: list[bytes] = []
        self._size = 0
        self.answers = b""
        """Control frames (pongs, the answer to a close) that want to be sent."""
        self.is_closed = False
        """Whether the client has closed it."""

    def receive(self, part: bytes) -> list[bytes]:
        """Take bytes; return the messages that are whole now.

        Raises:
            MalformedFrame: a message that is too long, or not binary, or not WebSocket.
        """
        self._connection.receive_data(part)
        messages = []
        for event in self._connection.events():
            if isinstance(event, BytesMessage):
                message = self._collect(event)
                if message is not None:
                    messages.append(message)
            else:
                self._control(event)
        return messages

    def send(self, message: bytes) -> bytes:
        """Return the bytes of one binary message."""
        return self._connection.send(BytesMessage(data=message))

    def ping(self) -> bytes:
        """Return the bytes of a ping."""
        return self._connection.send(Ping())

    def close(self, reason: CloseReason) -> bytes:
        """Return the bytes that close it; nothing if it is closed."""
        try:
            return self._connection.send(CloseConnection(code=reason))
        except LocalProtocolError:
            return b""

    def _collect(self, event: BytesMessage) -> bytes | None:
        self._size += len(event.data)
        if self._size > MAX_COMMAND_SIZE:
            raise MalformedFrame("a message longer than any command")
        if event.message_finished and not self._parts:
            self._size = 0
            return bytes(event.data)
        self._parts.append(bytes(event.data))
        if not event.message_finished:
            return None
        message = b"".join(self._parts)
        self._parts, self._size = [], 0
        return message

    def _control(self, event: Event) -> None:
        match event:
            case Ping():
                if len(self.answers) < 4096:  # who pings faster than we write gets fewer pongs
                    self.answers += self._connection.send(event.response())
            case Pong():
                pass
            case CloseConnection():
                if self._connection.state is ConnectionState.OPEN:  # wsproto's word for bad bytes
                    raise MalformedFrame("bytes that are not WebSocket")
                self.is_closed = True
                self.answers += self.close(CloseReason.NORMAL_CLOSURE)
            case _:
                raise MalformedFrame("a message that is not binary")
