"""Leave to use a relay's TURN: asked when it is needed, shared, renewed in time, and never elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from tests.support.applications import a_village
from tests.support.entropy import SeededEntropy
from tests.support.memory_relay import MemoryRelay
from toheal_p2p.adapters.socks import parse_proxy
from toheal_p2p.ports.channels import RelayServer, ServerKind
from toheal_p2p.services.relay_connection import RelayConnection, RelayUp
from toheal_p2p.services.turn_leave import ASK_LONGEST, REFUSED_FOR, TurnLeave
from toheal_protocol.model import WallTime
from toheal_protocol.wire.turn_grant import TurnServer, TurnTransport
from toheal_relay.desk import Desk
from toheal_relay.turn.credentials import LIFE, Credentials

pytestmark = pytest.mark.trio

ASK_TURN = 0x07


class RelayWithTurn(MemoryRelay):
    """A relay that hands out credentials for its own TURN, and for somebody else's."""

    def _new_desk(self) -> Desk:
        servers = (
            *(TurnServer(kind, "", self.address.port) for kind in TurnTransport),
            TurnServer(TurnTransport.UDP, "elsewhere.example", 3478),
        )
        turn = Credentials(
            b"s" * 16, servers, SeededEntropy(5).draw, lambda: WallTime(int(trio.current_time()))
        )
        return Desk(
            self._limits, fingerprint=self.address.fingerprint, draw=self._entropy.draw, turn=turn
        )


@asynccontextmanager
async def connected(relay: MemoryRelay) -> AsyncIterator[RelayConnection]:
    connection = RelayConnection(relay.address, dial=relay.dial, jitter=lambda: 0.5)

    async def listen() -> None:
        async for event in connection.events:
            if isinstance(event, RelayUp):
                up.set()

    up = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.run)
        nursery.start_soon(listen)
        await up.wait()
        yield connection
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("autojump_clock")
async def test_it_is_asked_ahead_where_there_is_somebody_and_no_proxy() -> None:
    async with a_village() as village:
        asked: list[str] = []
        for name, is_proxied in (("alone", False), ("pair", False), ("proxied", True)):
            app = await village.start(name)
            made = await app.circle_create(
                name, relays=[str(village.relay.address)], direct=False, charter="x", nickname=None
            )
            await trio.sleep(5)
            [pair] = app._running[next(iter(app._running))].relays.values()
            assert not pair.turn.has_asked, "nobody is there to link with"
            if name == "alone":
                continue
            if is_proxied:
                village.policies[name].use_proxy(parse_proxy("socks5://127.0.0.1:9050"))
            other = await village.start(f"other {name}")
            link = (await app.invite(made.id, expires_in=3600)).link
            await other.join(link, nickname="Salma")
            await trio.sleep(20)
            asked += [name] * pair.turn.has_asked
        assert asked == ["pair"]


def times_asked(relay: MemoryRelay) -> int:
    return sum(message[0] == ASK_TURN for message in relay.heard)


def turn(servers: tuple[RelayServer, ...]) -> list[RelayServer]:
    return [server for server in servers if server.transport != ServerKind.STUN]


async def test_a_relay_gives_its_own_services_and_sends_nobody_elsewhere(
    autojump_clock: object,
) -> None:
    relay = RelayWithTurn()
    async with connected(relay) as connection:
        stun, *rest = await TurnLeave(connection).servers()
    assert stun == RelayServer("relay.example", 3478, ServerKind.STUN)
    assert {one.host for one in rest} == {"relay.example"}
    assert [one.transport for one in rest] == [ServerKind.UDP, ServerKind.TCP, ServerKind.TLS]
    assert [one.fingerprint for one in rest] == [b"", b"", relay.address.fingerprint]
    assert all(one.username and one.password for one in rest)
    assert all(one.password not in repr(one) for one in rest)


async def test_credentials_are_shared_and_asked_for_anew_at_half_of_their_life(
    autojump_clock: object,
) -> None:
    relay = RelayWithTurn()
    async with connected(relay) as connection:
        leave = TurnLeave(connection)
        async with trio.open_nursery() as nursery:
            for _ in range(14):
                nursery.start_soon(leave.servers)
        first = turn(await leave.servers())
        assert times_asked(relay) == 1
        await trio.sleep(LIFE / 2 + 1)
        second = turn(await leave.servers())
    assert times_asked(relay) == 2
    assert first[0].username != second[0].username
    assert first[0].until - LIFE / 2 < second[0].until - LIFE / 2


async def test_a_relay_without_turn_is_asked_once_a_minute(autojump_clock: object) -> None:
    relay = MemoryRelay()
    async with connected(relay) as connection:
        leave = TurnLeave(connection)
        for _ in range(10):
            assert turn(await leave.servers()) == []
        assert times_asked(relay) == 1
        await trio.sleep(REFUSED_FOR + 1)
        assert turn(await leave.servers()) == []
    assert times_asked(relay) == 2


async def test_a_relay_that_says_nothing_costs_three_seconds(autojump_clock: object) -> None:
    relay = RelayWithTurn()
    async with connected(relay) as connection:
        relay.is_mute = True
        started = trio.current_time()
        assert turn(await TurnLeave(connection).servers()) == []
        assert trio.current_time() - started <= ASK_LONGEST


async def test_without_a_connection_there_is_no_leave_and_no_wait(autojump_clock: object) -> None:
    connection = RelayConnection(MemoryRelay().address, dial=MemoryRelay().dial)
    assert turn(await TurnLeave(connection).servers()) == []
    assert trio.current_time() < 1


async def test_a_line_that_died_unseen_is_dialled_anew_soon_after_the_network_changed(
    autojump_clock: object,
) -> None:
    relay = RelayWithTurn()
    async with connected(relay) as connection:
        await trio.sleep(30)
        dials = relay.dials
        await connection.make_sure()
        assert relay.dials == dials, "a line that lives is kept"
        relay.is_mute = True
        await connection.make_sure()
        relay.is_mute = False
        await trio.sleep(1)
        assert relay.dials == dials + 1
        assert connection.is_connected


async def test_a_relay_we_wait_to_dial_is_dialled_at_once_when_the_network_changed(
    autojump_clock: object,
) -> None:
    relay = RelayWithTurn()
    async with connected(relay) as connection:
        relay.stop()
        await trio.sleep(120)
        relay.start()
        await connection.make_sure()
        await trio.sleep(0.1)
        assert connection.is_connected
