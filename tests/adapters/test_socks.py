"""Reaching a relay through a real SOCKS5 proxy, and through proxies that mean no good."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.support.relays import running_relay
from tests.support.socks_server import SocksServer, a_proxy
from toheal_p2p.adapters import socks_codec as codec
from toheal_p2p.adapters.relay_tls import dial_through
from toheal_p2p.adapters.socks import (
    PROXY_ANSWERS,
    RELAY_ANSWERS,
    ProxyAddress,
    open_through,
    parse_proxy,
)
from toheal_p2p.ports.relays import Reason, RelayLost
from toheal_protocol.errors import LocalError, MalformedFrame
from toheal_protocol.wire.mailbox_answers import Hello, decode_answer
from toheal_protocol.wire.relay_address import RelayAddress

ME = b"drawn"


async def hello_through(proxy: ProxyAddress, address: RelayAddress, isolation: bytes = ME) -> Hello:
    channel = await dial_through(partial(open_through, proxy, isolation), address)
    try:
        first, *_ = await channel.receive()
        hello = decode_answer(first)
        assert isinstance(hello, Hello)
        return hello
    finally:
        await channel.aclose()


async def reason_of(server: SocksServer, proxy: ProxyAddress | None = None) -> Reason:
    """Return why nothing can be reached through a proxy like this."""
    async with a_proxy(server):
        proxy = proxy or ProxyAddress("127.0.0.1", server.port)
        with pytest.raises(RelayLost) as caught:
            await open_through(evolve(proxy, port=server.port), ME, "relay.example", 443)
    return caught.value.reason


@pytest.mark.real
@pytest.mark.trio
async def test_a_relay_answers_through_a_proxy_that_looks_its_name_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_relay(tmp_path) as relay:
        server = SocksServer(names={"relay.example": "127.0.0.1"})
        async with a_proxy(server):
            named = evolve(relay.address, host="relay.example")
            hello = await hello_through(ProxyAddress("localhost", server.port), named)
            assert hello.boot
            assert [(wish.host, wish.port) for wish in server.wishes] == [
                ("relay.example", relay.address.port)
            ]
            assert {(wish.user, wish.password) for wish in server.wishes} == {("drawn", "drawn")}


@pytest.mark.real
@pytest.mark.trio
async def test_the_key_of_the_relay_is_pinned_through_a_proxy_too(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as relay, a_proxy(SocksServer()) as server:
        other = evolve(relay.address, fingerprint=bytes(32))
        with pytest.raises(RelayLost) as caught:
            await hello_through(ProxyAddress("127.0.0.1", server.port), other)
        assert caught.value.reason == "wrong_fingerprint"


@pytest.mark.real
@pytest.mark.trio
async def test_a_user_of_the_url_is_used_in_place_of_a_drawn_one(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as relay:
        server = SocksServer(only=("salma", "a:b@c"))
        async with a_proxy(server):
            url = f"socks5://salma:a%3Ab%40c@127.0.0.1:{server.port}"
            assert await hello_through(parse_proxy(url), relay.address)
            assert server.wishes[0].user == "salma"


@pytest.mark.real
@pytest.mark.trio
async def test_a_proxy_without_logins_is_used_as_it_is(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as relay:
        async with a_proxy(SocksServer(takes_login=False)) as server:
            assert await hello_through(ProxyAddress("127.0.0.1", server.port), relay.address)
            assert server.wishes[0].user is None


@pytest.mark.real
@pytest.mark.trio
@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (SocksServer(only=("somebody", "else")), "proxy_refused"),
        (SocksServer(takes_login=False, takes_nobody=False), "proxy_refused"),
        (SocksServer(answers_with=2), "proxy_refused"),
        (SocksServer(answers_with=7), "proxy_refused"),
        (SocksServer(answers_with=1), "unreachable"),
        (SocksServer(answers_with=4), "unreachable"),
        (SocksServer(answers_with=200), "unreachable"),
        (SocksServer(says=b"HTTP/1.1 400 Bad Request\r\n\r\n"), "proxy_unreachable"),
        (SocksServer(says=b"\x04\x5a"), "proxy_unreachable"),
        (SocksServer(says=b""), "proxy_unreachable"),
        (SocksServer(says=b"\x05\x00\x05\x00\x01\x03\xff"), "unreachable"),
        (SocksServer(says=b"\x05\x00\x05\x00\x00\x09\xff"), "unreachable"),
    ],
)
async def test_every_way_a_proxy_fails_has_its_reason(server: SocksServer, reason: Reason) -> None:
    assert await reason_of(server) == reason


@pytest.mark.real
@pytest.mark.trio
async def test_a_proxy_that_is_not_there_is_named_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it
        proxy = ProxyAddress("localhost", taken.getsockname()[1])
        with pytest.raises(RelayLost) as caught:
            await open_through(proxy, ME, "relay.example", 443)
    assert caught.value.reason == "proxy_unreachable"


@pytest.mark.trio
@pytest.mark.parametrize(
    ("step", "reason", "longest"),
    [
        (0, "proxy_unreachable", 2 * PROXY_ANSWERS),
        (1, "proxy_unreachable", 2 * PROXY_ANSWERS),
        (2, "unreachable", PROXY_ANSWERS + RELAY_ANSWERS),
    ],
)
async def test_a_proxy_that_falls_silent_is_left_in_time(
    mock_clock: MockClock, step: int, reason: Reason, longest: float
) -> None:
    """Sockets are real here and time is not: it is moved on once everybody waits."""
    async with a_proxy(SocksServer(is_mute_after=step)) as server:
        proxy = ProxyAddress("127.0.0.1", server.port)

        async def hurry() -> None:
            while True:
                await trio.testing.wait_all_tasks_blocked(0.02)
                mock_clock.jump(1.0)

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hurry)
            with pytest.raises(RelayLost) as caught:
                await open_through(proxy, ME, "relay.example", 443)
            nursery.cancel_scope.cancel()
        assert caught.value.reason == reason
        assert trio.current_time() - began <= longest + 2


@pytest.mark.real
@pytest.mark.trio
async def test_a_cancelled_attempt_leaves_no_socket_open() -> None:
    async with a_proxy(SocksServer(is_mute_after=2)) as server:
        with trio.move_on_after(0.2):
            await open_through(ProxyAddress("127.0.0.1", server.port), ME, "relay.example", 443)
        # an unclosed socket would be a ResourceWarning, which is an error here


# ---- the codec and the URL


def test_a_reply_of_each_kind_of_address_has_its_size() -> None:
    assert codec.reply_size(b"\x05\x00\x00\x01\x7f") == 10
    assert codec.reply_size(b"\x05\x00\x00\x03\x05") == 12
    assert codec.reply_size(b"\x05\x00\x00\x03\xff") == 262
    assert codec.reply_size(b"\x05\x00\x00\x04\x00") == 22
    for reply in (b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00", b"\x05\x00\x00\x01", b""):
        with pytest.raises(MalformedFrame):
            codec.decode_reply(reply)


def test_a_wish_is_written_as_the_rfc_has_it() -> None:
    assert codec.encode_connect("192.0.2.1", 443) == b"\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb"
    assert codec.encode_connect("relay.example", 80) == b"\x05\x01\x00\x03\x0drelay.example\x00\x50"
    assert codec.encode_connect("2001:db8::1", 1)[:4] == b"\x05\x01\x00\x04"
    assert codec.encode_greeting((2, 0)) == b"\x05\x02\x02\x00"
    assert codec.encode_login(b"u", b"pw") == b"\x01\x01u\x02pw"
    for user in (b"", bytes(256)):
        with pytest.raises(LocalError):
            codec.encode_login(user, b"x")


@pytest.mark.parametrize(
    "url",
    [
        "socks5://127.0.0.1:9050",
        "socks5h://127.0.0.1:9050/",
        "socks5://localhost:9050",
        "socks5://[::1]:1080",
        "socks5://u:p@192.0.2.7:65535",
    ],
)
def test_a_url_of_a_proxy_is_read(url: str) -> None:
    proxy = parse_proxy(url)
    assert parse_proxy(proxy.shown.replace("***:***", "u:p")) == proxy
    assert "p@" not in proxy.shown
    assert b"p" not in repr(proxy).encode().split(b"port")[1]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "none",
        "http://127.0.0.1:8080",
        "socks4://127.0.0.1:9050",
        "socks5://127.0.0.1",
        "socks5://127.0.0.1:0",
        "socks5://127.0.0.1:70000",
        "socks5://proxy.example:1080",
        "socks5://127.1:1080",
        "socks5://[fe80::1%eth0]:1080",
        "socks5://user@127.0.0.1:1080",
        "socks5://:@127.0.0.1:1080",
        "socks5://u:" + "p" * 256 + "@127.0.0.1:1080",
        "socks5://127.0.0.1:9050 ",
    ],
)
def test_what_is_no_url_of_a_proxy_or_would_need_a_lookup_is_refused(url: str) -> None:
    with pytest.raises(MalformedFrame):
        parse_proxy(url)
