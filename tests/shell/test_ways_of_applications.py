"""Whole applications in virtual time: ways, consent, networks that change, adapters that fail."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from attrs import define

from tests.support.applications import Village, a_village, circle_of_two, eventually
from tests.support.channels import FakeChannels
from toheal_p2p.app.application import Application
from toheal_p2p.app.refusals import Refused
from toheal_p2p.ports.channels import Channel, PreparedChannel, RelayServer
from toheal_protocol.machines.events import LinkWay

pytestmark = pytest.mark.trio


async def link(app: Application, circle: str) -> str:
    return (await app.links(circle))[0].link


async def are(kind: str, circle: str, *people: Application) -> None:
    async def all_are() -> bool:
        return {await link(one, circle) for one in people} == {kind}

    await eventually(all_are)


async def talk(circle: str, *people: Application) -> None:
    """Each says something that the others read."""
    for number, one in enumerate(people):
        text = f"{number} at {trio.current_time()}"
        await one.say(circle, text, notes=(), to_facilitators=False)

        async def all_read(text: str = text) -> bool:
            read = [await other.read(circle, limit=1000) for other in people]
            return all(text in [entry.text for entry in entries] for entries in read)

        await eventually(all_read)


async def test_links_are_hidden_then_direct_by_consent_then_hidden_again(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await are("turn", circle, ours, theirs)
        assert LinkWay.DIRECT not in village.channels.asked
        said = await ours.direct(circle, "Salma", allow=True)
        assert (said.member_name, said.mine, said.theirs) == ("Salma", True, False)
        await talk(circle, ours, theirs)
        await are("turn", circle, ours, theirs)
        await theirs.direct(circle, "نورس", allow=True)
        await are("direct", circle, ours, theirs)
        assert (await ours.direct(circle, "Salma", allow=True)).theirs
        await talk(circle, ours, theirs)
        await theirs.direct(circle, "نورس", allow=False)
        assert await link(theirs, circle) == "relay"
        await talk(circle, ours, theirs)
        await are("turn", circle, ours, theirs)
        await talk(circle, ours, theirs)


async def test_consent_is_for_members_and_for_circles_we_are_in(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, _, circle = await circle_of_two(village, direct=False)
        for who in ("nobody", "نورس"):
            with pytest.raises(Refused) as refused:
                await ours.direct(circle, who, allow=True)
            assert refused.value.code == "no_such_member"
        await ours.circle_leave(circle)
        with pytest.raises(Refused) as refused:
            await ours.direct(circle, "Salma", allow=True)
        assert refused.value.code == "left_circle"


async def test_a_new_link_takes_over_when_the_network_changed_and_the_old_one_drains(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await are("turn", circle, ours, theirs)
        before = list(village.channels.open)
        await ours.network_changed()
        for _ in range(20):
            assert await link(ours, circle) == await link(theirs, circle) == "turn"
            await trio.sleep(0.1)
        await talk(circle, ours, theirs)
        await trio.sleep(10)
        assert all(channel.is_closed for channel in before)
        assert [one.is_closed for one in village.channels.open[len(before) :]] == [False, False]


async def test_a_link_that_the_network_took_along_is_replaced_within_seconds(
    autojump_clock: object,
) -> None:
    """The old one never says that it is dead: the new one opens beside it, whoever noticed."""
    for who in (0, 1):
        async with a_village() as village:
            *people, circle = await circle_of_two(village, direct=False)
            assert isinstance(people[who], Application)
            await are("turn", circle, people[0], people[1])
            village.channels.open[0].freeze()
            started = trio.current_time()
            await people[who].network_changed()
            await talk(circle, people[0], people[1])
            assert trio.current_time() - started < 5


@define(eq=False)
class Faulty:
    """Channels around those of the village, with a fault in the place it is told."""

    inner: FakeChannels
    fault: str = ""

    def fail_in(self, place: str) -> None:
        if self.fault == place:
            raise ZeroDivisionError("a fault of the adapter")

    async def prepare(
        self, *, controlling: bool, way: LinkWay, servers: Sequence[RelayServer]
    ) -> FaultyPrepared:
        self.fail_in("prepare")
        made = await self.inner.prepare(controlling=controlling, way=way, servers=servers)
        return FaultyPrepared(made, self)


@define(eq=False)
class FaultyPrepared:
    inner: PreparedChannel
    faulty: Faulty

    @property
    def blob(self) -> bytes:
        return self.inner.blob

    async def connect(self, their_blob: bytes) -> FaultyChannel:
        self.faulty.fail_in("connect")
        return FaultyChannel(await self.inner.connect(their_blob), self.faulty)

    async def aclose(self) -> None:
        await self.inner.aclose()


@define(eq=False)
class FaultyChannel:
    inner: Channel
    faulty: Faulty

    @property
    def exporter(self) -> bytes:
        return self.inner.exporter

    @property
    def is_relayed(self) -> bool:
        return self.inner.is_relayed

    @property
    def progress(self) -> int:
        return self.inner.progress

    def send_nowait(self, record: bytes) -> None:
        self.faulty.fail_in("send")
        self.inner.send_nowait(record)

    async def room(self) -> None:
        self.faulty.fail_in("room")
        await self.inner.room()

    async def receive(self) -> tuple[bytes, ...]:
        self.faulty.fail_in("receive")
        return await self.inner.receive()

    async def aclose(self) -> None:
        await self.inner.aclose()
        self.faulty.fail_in("close")


@pytest.mark.parametrize("fault", ["prepare", "connect", "send", "room", "receive", "close"])
async def test_a_fault_of_an_adapter_ends_one_attempt_and_nothing_else(
    autojump_clock: object, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    async with a_village() as village:
        faulty = Faulty(village.channels, fault)
        village.channels = faulty  # type: ignore[assignment]
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await talk(circle, ours, theirs)
        await trio.sleep(60)
        faulty.fault = ""
        await trio.sleep(600)
        await talk(circle, ours, theirs)
        await are("turn", circle, ours, theirs)
        faulty.fault = fault
        await talk(circle, ours, theirs)
    assert "of the adapter" not in caplog.text


async def a_quiet_village(village: Village) -> None:
    """Nothing is asked of the network for an hour when nothing changes."""
    asked = len(village.channels.asked)
    await trio.sleep(3600)
    assert len(village.channels.asked) == asked


async def test_a_link_that_works_is_left_alone(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await are("turn", circle, ours, theirs)
        await a_quiet_village(village)
