"""Whole applications among relays and peers that mean harm: they stay up, and go on."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Request

from tests.support.applications import a_village, circle_of_two, eventually
from toheal_p2p.adapters.relay_tls import MOST_PARTS, TlsRelayChannel
from toheal_p2p.app.interface import InvitationView
from toheal_p2p.app.refusals import Refused
from toheal_p2p.ports.relays import RelayLost
from toheal_protocol.machines import events as machine

pytestmark = pytest.mark.trio


class Stopped:
    """A stream that has said all it says, and swallows what it hears."""

    def __init__(self, *said: bytes) -> None:
        self.said = list(said)

    async def receive_some(self, _most: int) -> bytes:
        await trio.lowlevel.checkpoint()
        return self.said.pop(0) if self.said else b""

    async def send_all(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()


def a_channel_to(stream: Stopped) -> tuple[TlsRelayChannel, WSConnection]:
    """An opened channel to a relay of which we write every byte."""
    client, relay = WSConnection(ConnectionType.CLIENT), WSConnection(ConnectionType.SERVER)
    relay.receive_data(client.send(Request(host="relay.example", target="/th1")))
    list(relay.events())
    client.receive_data(relay.send(AcceptConnection()))
    list(client.events())
    channel = TlsRelayChannel(stream, client)  # type: ignore[arg-type]  # what it uses of a stream
    channel._is_open = True
    return channel, relay


async def test_a_relay_that_asks_and_hangs_up_in_one_breath_is_only_lost() -> None:
    stream = Stopped()
    channel, relay = a_channel_to(stream)
    stream.said.append(relay.send(Ping()) + relay.send(CloseConnection(code=1000)))
    with pytest.raises(RelayLost):
        await channel.receive()


async def test_a_message_in_empty_parts_without_end_is_cut_off() -> None:
    stream = Stopped()
    channel, relay = a_channel_to(stream)
    part = partial(BytesMessage, data=b"", message_finished=False)
    stream.said.append(b"".join(relay.send(part()) for _ in range(MOST_PARTS + 1)))
    with pytest.raises(RelayLost):
        await channel.receive()
    assert len(channel._parts) <= MOST_PARTS


async def test_a_hundred_attempts_replaced_at_once_leave_one(autojump_clock: object) -> None:
    async with a_village() as village:
        village.channels.has_turn = False
        ours, _, circle = await circle_of_two(village, direct=False)
        service = ours._find(circle).service
        member = next(iter(service.circle.cold.peers))
        prepared = village.channels._prepared
        before = len(prepared)
        effects: list[machine.Effect] = []
        for number in range(100):
            attempt = number.to_bytes(16, "big")
            effects += [
                machine.PrepareLink(
                    member, attempt, is_controlling=False, way=machine.LinkWay.DIRECT
                ),
                machine.CloseLink(member, attempt),
            ]
        last = b"l" * 16
        effects.append(
            machine.PrepareLink(member, last, is_controlling=False, way=machine.LinkWay.DIRECT)
        )
        service._perform_all(effects)
        await trio.testing.wait_all_tasks_blocked()
        assert len(prepared) - before == 1
        assert last in service.links._held
        assert not any(bytes(15) == name[:15] for name in service.links._held)


async def test_seats_asked_for_at_once_are_each_somebody_elses(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, _, circle = await circle_of_two(village)
        made: list[InvitationView] = []

        async def invite() -> None:
            made.append(await ours.invite(circle, expires_in=3600))

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(invite)
        assert len({one.link for one in made}) == 4


async def test_who_knocks_twice_at_once_knocks_once(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs = await village.start("نورس"), await village.start("Salma")
        circle = await ours.circle_create(
            "حلقة", relays=[str(village.relay.address)], direct=True, charter="نصغي.", nickname=None
        )
        invitation = await ours.invite(circle.id, expires_in=3600)
        await theirs.look_at_invitation(invitation.link)
        refused: list[str] = []

        async def join() -> None:
            try:
                await theirs.join(invitation.link, nickname="Salma")
            except Refused as reason:
                refused.append(reason.code)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(join)
            nursery.start_soon(join)
        assert refused == ["already_a_member"]

        async def somebody_waits() -> bool:
            return bool(await ours.waiting(circle.id))

        await eventually(somebody_waits)
        assert len(await ours.waiting(circle.id)) == 1
