"""aiortc's DTLS with a handshake that does not wait a whole second for each lost packet.

OpenSSL repeats a flight after a second, then two, and offers no way to change that. Here the last
datagram of a handshake goes out again sooner, as it was: whoever has it already drops it as a
replay. The last flight of all, whose sender waits for nothing, is repeated once as well.

It overrides private methods: `aiortc==1.16.*` is pinned, and a test checks that the names exist.

Source: RFC 6347, section 4.2.4 and 4.1.2.6. Spec: docs/protocol/link.md, section 7.
"""

from __future__ import annotations

import asyncio
from typing import Final

from OpenSSL import SSL

from toheal_p2p.adapters.ortc import RTCDtlsTransport

FIRST_REPEAT: Final = 0.25
"""Seconds without an answer until a flight goes out again; doubles each time. Longer than most round
trips, and where it is not, a repeat costs one packet."""

_DATAGRAM: Final = 1500
"""Bytes OpenSSL gives out at once; its flights with our certificates have about a thousand."""


class QuickDtls(RTCDtlsTransport):
    """One DTLS association."""

    _flight: bytes = b""
    _repeat_after: float = FIRST_REPEAT
    _last_repeat: asyncio.Task[None] | None = None

    async def _recv_next(self) -> None:
        if self.encrypted:
            await super()._recv_next()
            self._flight = b""  # the peer has got it, or has asked for it
            return
        try:
            await asyncio.wait_for(super()._recv_next(), self._repeat_after)
        except TimeoutError:
            self._repeat_after *= 2
            if self._flight:
                await self.transport._send(self._flight)

    async def _do_handshake(self) -> None:
        await super()._do_handshake()
        if self.encrypted and self._flight:
            asyncio.get_running_loop().call_later(FIRST_REPEAT, self._repeat_last)

    async def _write_ssl(self) -> None:
        if self.encrypted:
            await super()._write_ssl()
            return
        try:
            data = self._ssl.bio_read(_DATAGRAM) if self._ssl else b""
        except SSL.Error:
            return
        if data:
            self._flight, self._repeat_after = data, FIRST_REPEAT
            await self.transport._send(data)

    def _repeat_last(self) -> None:
        """Repeat what ended the handshake, unless the peer has spoken since."""
        if self._flight and self.state == "connected":
            task = asyncio.get_running_loop().create_task(self._send_quietly(self._flight))
            self._last_repeat = task  # asyncio itself keeps no task alive

    async def _send_quietly(self, flight: bytes) -> None:
        try:
            await self.transport._send(flight)
        except ConnectionError:
            pass  # it is over
