"""python-zeroconf on the loopback interface: what it sends, what of others is believed, and its end."""

from __future__ import annotations

import asyncio
import random
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.lowlevel
from zeroconf import DNSOutgoing, DNSQuestion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from tests.support.guest import guest_run
from tests.support.lan_packets import are_questions_to_the_group, facts_in, kinds_in
from toheal_p2p.adapters import lan_zeroconf
from toheal_p2p.adapters.bridge import aio
from toheal_p2p.adapters.lan_interfaces import find_segments
from toheal_p2p.adapters.lan_zeroconf import Announcement
from toheal_p2p.ports.lan import Appeared, Segment, Vanished
from toheal_protocol.machines.lan_names import Names, service_type

pytestmark = [pytest.mark.trio(run=guest_run), pytest.mark.real]

GROUP = "224.0.0.251"
LABEL = "abcdefghijklmn"
KIND = service_type(LABEL)
OURS = Names(LABEL, "o" * 16, "p" * 16, 50_011)
THEIRS = Names(LABEL, "t" * 16, "u" * 16, 50_012)


def loopback() -> Segment:
    found = find_segments(include_loopback=True)
    return next(one for one in found if one.host == "127.0.0.1")


@asynccontextmanager
async def announced(
    names: Names = OURS, *, heard: tuple[str, ...] = ()
) -> AsyncIterator[Announcement]:
    announcement = Announcement(loopback(), names.label, names, names.port, heard)
    await announcement.open()
    try:
        yield announcement
    finally:
        await announcement.aclose()


def in_the_group() -> trio.socket.SocketType:
    """Hear and speak to the group of mDNS on the loopback interface."""
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    plain.bind((GROUP, 5353))
    ours = socket.inet_aton("127.0.0.1")
    plain.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + ours)
    plain.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, ours)
    return trio.socket.from_stdlib_socket(plain)


async def packets_about(group: trio.socket.SocketType, seconds: float) -> list[bytes]:
    """Return what is said of our service within so many seconds."""
    heard = []
    with trio.move_on_after(seconds):
        while True:
            packet = await group.recv(9000)
            if LABEL.encode() in packet:
                heard.append(packet)
    return heard


async def register(
    zeroconf: AsyncZeroconf, names: Names, *, port: int, addresses: list[str], kind: str = KIND
) -> None:
    """Have a stranger announce something, with the library as it is."""
    info = AsyncServiceInfo(
        kind,
        f"{names.instance}.{kind}",
        port=port,
        properties=b"\0",
        server=f"{names.host}.local.",
        parsed_addresses=addresses,
    )
    await zeroconf.async_register_service(info, cooperating_responders=True)


@asynccontextmanager
async def a_stranger() -> AsyncIterator[AsyncZeroconf]:
    async def begin() -> AsyncZeroconf:
        return AsyncZeroconf(interfaces=["127.0.0.1"])

    stranger = await aio(begin)
    try:
        yield stranger
    finally:
        await aio(stranger.async_close)


async def news_within(announcement: Announcement, seconds: float) -> list[Appeared | Vanished]:
    """Return what is heard of others."""
    heard = []
    with trio.move_on_after(seconds):
        while True:
            news = await announcement.news.receive()
            if news.instance != OURS.instance:
                heard.append(news)
    return heard


async def test_all_that_is_sent_from_opening_to_the_end() -> None:
    """Names and a port that were drawn, the machine's address, and one question; goodbyes; then nothing."""
    with in_the_group() as group, trio.fail_after(20):
        async with announced():
            opened = await packets_about(group, 2.5)
        closed = await packets_about(group, 0.2)
        assert await packets_about(group, 3) == [], "closed, and yet something was said"
    assert len(opened) <= 12
    assert kinds_in(opened) == {"ptr", "srv", "txt", "a", "nsec"}
    assert facts_in(opened + closed) == {
        ("name", f"_{LABEL}"),
        ("name", OURS.instance),
        ("name", OURS.host),
        ("port", OURS.port),
        ("address", socket.inet_aton("127.0.0.1")),
        ("text", b"\0"),
        ("number", 0),
        ("priority", 0),
        ("weight", 0),
    }
    assert are_questions_to_the_group(opened)


async def test_who_lists_all_services_sees_the_service_of_the_day() -> None:
    """As in the specification: the library answers, and we do not prevent it."""
    with in_the_group() as group, trio.fail_after(20):
        async with announced():
            await packets_about(group, 1.5)
            question = DNSOutgoing(0)
            question.add_question(DNSQuestion("_services._dns-sd._udp.local.", 12, 1))
            await group.sendto(question.packets()[0], (GROUP, 5353))
            answers = await packets_about(group, 1.5)
    assert {value for kind, value in facts_in(answers) if kind == "name"} == {f"_{LABEL}"}


@pytest.mark.parametrize("name", [KIND, "_services._dns-sd._udp.local."])
@pytest.mark.parametrize("where", [GROUP, "127.0.0.1"])
@pytest.mark.parametrize("wants_unicast", [True, False])
async def test_no_single_machine_gets_an_answer(
    name: str, where: str, *, wants_unicast: bool
) -> None:
    """Whoever asks from another port, or wants the answer for itself: from outside, it could be anybody."""
    question = DNSOutgoing(0)
    asked = DNSQuestion(name, 12, 1)
    asked.unicast = wants_unicast
    question.add_question(asked)
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker, trio.fail_after(20):
        asker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        await asker.bind(("127.0.0.1", 0))
        async with announced():
            await trio.sleep(0.6)
            for _ in range(3):
                await asker.sendto(question.packets()[0], (where, 5353))
                await trio.sleep(0.2)
            with trio.move_on_after(0.5):
                answer = await asker.recv(9000)
                pytest.fail(f"answered: {answer.hex()}")


async def test_a_stranger_cannot_point_us_at_another_network_or_at_a_system_port() -> None:
    async with announced() as ours, a_stranger() as stranger:
        for number, (port, address) in enumerate(
            [(50_013, "8.8.8.8"), (50_013, "192.0.2.7"), (50_013, "fe80::7"), (22, "127.0.0.1")]
        ):
            letter = chr(ord("a") + number)
            names = Names(LABEL, letter * 16, letter * 15 + "2", 0)
            await aio(
                lambda n=names, p=port, a=address: register(stranger, n, port=p, addresses=[a])
            )
        await aio(
            lambda: register(stranger, THEIRS, port=50_014, addresses=["8.8.8.8", "127.0.0.9"])
        )
        heard = await news_within(ours, 2)
    assert set(heard) == {Appeared(THEIRS.instance, "127.0.0.9", 50_014)}


async def test_other_services_and_odd_names_are_nobody() -> None:
    other = service_type("b" * 14)
    async with announced() as ours, a_stranger() as stranger:
        await aio(
            lambda: register(stranger, THEIRS, port=50_015, addresses=["127.0.0.9"], kind=other)
        )
        odd = Names(LABEL, "A name", "s" * 16, 0)
        await aio(lambda: register(stranger, odd, port=50_015, addresses=["127.0.0.9"]))
        assert await news_within(ours, 1.5) == []
        assert ours.has_heard_others, "127.0.0.9 is no address of this machine's"


async def test_packets_that_are_no_packets_end_nothing() -> None:
    """Mauled announcements of our service, by the hundred; then a member is heard as ever."""
    chance = random.Random(7)
    with in_the_group() as group, trio.fail_after(30):
        async with announced() as ours:
            seeds = await packets_about(group, 1.5)
            for _ in range(600):
                packet = bytearray(chance.choice(seeds))
                for _ in range(chance.randint(1, 6)):
                    packet[chance.randrange(len(packet))] = chance.randrange(256)
                await group.sendto(bytes(packet[: chance.randint(0, 400)]), (GROUP, 5353))
                await trio.lowlevel.checkpoint()
            await news_within(ours, 0.5)
            async with announced(THEIRS):
                assert Appeared(THEIRS.instance, "127.0.0.1", THEIRS.port) in await news_within(
                    ours, 2
                )


async def test_it_is_asked_again_and_what_is_known_is_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lan_zeroconf, "ASK_EVERY", 0.5)
    async with announced(THEIRS), announced() as ours:
        heard = await news_within(ours, 2.2)
    assert heard.count(Appeared(THEIRS.instance, "127.0.0.1", THEIRS.port)) >= 3


async def test_who_says_an_earlier_label_is_heard_and_not_a_word_of_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They were there first, so only what they say again each minute can be heard."""
    monkeypatch.setattr(lan_zeroconf, "ASK_EVERY", 0.6)
    newer = Names("nopqrstuvwxyza", "q" * 16, "r" * 16, 50_013)
    async with announced(THEIRS):
        await trio.sleep(1)
        with in_the_group() as group:
            async with announced(newer, heard=(LABEL,)) as ours, trio.open_nursery() as nursery:
                packets: list[bytes] = []

                async def listen() -> None:
                    packets.extend(await packets_about(group, 2.0))

                nursery.start_soon(listen)
                heard = await news_within(ours, 2.0)
    assert Appeared(THEIRS.instance, "127.0.0.1", THEIRS.port) in heard
    names = {fact for kind, fact in facts_in(packets) if kind == "name"}
    assert names <= {f"_{LABEL}", THEIRS.instance, THEIRS.host}, "all of it said by them"
    assert packets


async def test_nothing_runs_after_the_end() -> None:
    before = len(asyncio.all_tasks())
    for _ in range(3):
        async with announced():
            await trio.sleep(0.05)
    await trio.sleep(0.1)
    assert len(asyncio.all_tasks()) == before


async def test_cancelling_the_opening_leaves_nothing() -> None:
    before = len(asyncio.all_tasks())
    announcement = Announcement(loopback(), OURS.label, OURS, 50_017)
    with trio.CancelScope() as scope:
        scope.cancel()
        await announcement.open()
    with trio.CancelScope(shield=True):
        await announcement.aclose()
    await trio.sleep(0.1)
    assert len(asyncio.all_tasks()) == before


async def test_the_library_is_not_there_until_somebody_meets() -> None:
    look = "import sys, toheal_p2p.app.start; sys.exit('zeroconf' in sys.modules)"
    done = await trio.run_process([sys.executable, "-W", "error", "-c", look], check=False)
    assert done.returncode == 0
