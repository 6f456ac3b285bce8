"""One non-blocking socket, with TLS or without, for trio.

`ssl.SSLSocket` does the TLS and the system calls in one step, where `trio.SSLStream` copies every
record through two memory buffers and keeps both. A prototype took 27 kB per idle connection this
way and 33 kB the other; benchmarks/bench_relay.py measures what it is now.
"""

from __future__ import annotations

import socket
import ssl
from typing import Final

import trio

RECORD: Final = 16 * 1024
"""Bytes of one TLS record, the most a read can give."""


_NOT_NOW: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class BrokenStream(Exception):
    """The other side is gone, or broke TLS. There is nothing more to say about it."""


class PlainStream:
    """One accepted connection.

    One task reads, one writes; `send_nowait` may be called by anybody while nobody else writes.
    """

    gives_all = True
    """Whether a read that gives less than 16 kB gives all there is; of TLS it gives one record."""

    def __init__(self, accepted: socket.socket) -> None:
        """Take over an accepted, non-blocking socket."""
        self._socket = accepted

    @property
    def socket(self) -> socket.socket:
        """The connection itself, for whoever waits for it in a way of their own."""
        return self._socket

    def receive_nowait(self) -> bytes | None:
        """Return what has come, at most 16 kB; None if nothing has, empty at the end.

        Raises:
            BrokenStream: the other side broke off.
        """
        try:
            return self._socket.recv(RECORD)
        except _NOT_NOW:
            return None
        except (OSError, ValueError):
            raise BrokenStream from None

    async def receive(self) -> bytes:
        """Wait for what comes next and return it, at most 16 kB; empty at the end.

        Raises:
            BrokenStream: the other side broke off, or the stream was closed here meanwhile.
        """
        while (part := self.receive_nowait()) is None:
            await self.wait_for_bytes()
        return part

    async def wait_for_bytes(self) -> None:
        """Wait until `receive_nowait` may have something.

        Raises:
            BrokenStream: the stream was closed here meanwhile.
        """
        try:
            await trio.lowlevel.wait_readable(self._socket)
        except (trio.ClosedResourceError, OSError, ValueError):  # ValueError: closed before
            raise BrokenStream from None

    def send_nowait(self, part: bytes) -> int:
        """Write what goes without waiting; return how many bytes went.

        After less than all the same bytes have to be offered again: TLS may have begun on them.

        Raises:
            BrokenStream: nobody is there.
        """
        try:
            return self._socket.send(part)
        except _NOT_NOW:
            return 0
        except (OSError, ValueError):
            raise BrokenStream from None

    async def wait_for_room(self) -> None:
        """Wait until `send_nowait` may get further.

        Raises:
            BrokenStream: the stream was closed here meanwhile.
        """
        try:
            await trio.lowlevel.wait_writable(self._socket)
        except (trio.ClosedResourceError, OSError, ValueError):  # ValueError: closed before
            raise BrokenStream from None

    def end_writing(self) -> None:
        """Say that nothing more will come, so that what was written still arrives."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        """Close at once; who waits for it is woken."""
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()


class TlsStream(PlainStream):
    """One accepted connection with TLS."""

    gives_all = False

    def __init__(self, accepted: socket.socket, context: ssl.SSLContext) -> None:
        """Take over an accepted, non-blocking socket.

        Raises:
            BrokenStream: whoever it was is gone already. The socket is closed.
        """
        try:
            accepted.getpeername()  # the wrapper would lose the socket of somebody who is gone
            wrapped = context.wrap_socket(
                accepted, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
            )
        except (OSError, ValueError):
            accepted.close()
            raise BrokenStream from None
        super().__init__(wrapped)
        self._tls = wrapped

    async def handshake(self) -> None:
        """Do the TLS handshake.

        Raises:
            BrokenStream: the other side would not.
        """
        while True:
            try:
                self._tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                await trio.lowlevel.wait_readable(self._tls)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(self._tls)
            except (OSError, ValueError):  # ValueError: the socket was closed meanwhile
                raise BrokenStream from None
