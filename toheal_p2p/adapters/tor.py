"""Looking whether a SOCKS proxy of Tor runs on this machine: a question to 127.0.0.1, and to nobody else.

Source: RFC 1928, section 3; the ports are those of Tor and of the Tor Browser.
"""

from __future__ import annotations

from typing import Final

import trio

PORTS: Final = (9050, 9150)

PATIENCE: Final = 0.3
"""Seconds for each port: it is on this machine, and somebody waits."""

_GREETING: Final = b"\x05\x01\x00"
_AGREED: Final = b"\x05\x00"


async def find_tor(ports: tuple[int, ...] = PORTS) -> str | None:
    """Return the address of a SOCKS proxy that answers, as the setting `proxy` takes it."""
    for port in ports:
        if await _answers(port):
            return f"socks5://127.0.0.1:{port}"
    return None


async def _answers(port: int) -> bool:
    with trio.move_on_after(PATIENCE):
        try:
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(_GREETING)
                return bytes(await stream.receive_some(2)) == _AGREED
        except (OSError, trio.BrokenResourceError):
            return False
    return False
