"""Looking for a proxy of Tor on this machine: what answers as one is found, nothing else is asked."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from toheal_p2p.adapters.tor import PORTS, find_tor

pytestmark = [pytest.mark.real, pytest.mark.trio]


async def _listen(nursery: trio.Nursery, answer: bytes) -> int:
    async def attend(stream: trio.SocketStream) -> None:
        assert await stream.receive_some(16) == b"\x05\x01\x00"
        if answer:
            await stream.send_all(answer)
        else:
            await trio.sleep_forever()

    listeners = await nursery.start(partial(trio.serve_tcp, attend, 0, host="127.0.0.1"))
    return int(listeners[0].socket.getsockname()[1])


@pytest.mark.parametrize("other", [b"", b"HT", b"\x05\xff", b"\x05"])
async def test_the_first_port_that_speaks_socks_is_found(other: bytes) -> None:
    async with trio.open_nursery() as nursery:
        wrong, right = await _listen(nursery, other), await _listen(nursery, b"\x05\x00")
        assert await find_tor((wrong, right)) == f"socks5://127.0.0.1:{right}"
        assert await find_tor((wrong,)) is None
        nursery.cancel_scope.cancel()


async def test_where_nothing_listens_nothing_is_found() -> None:
    assert await find_tor((1,)) is None
    assert PORTS == (9050, 9150)
