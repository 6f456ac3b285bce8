"""Two whole applications: real machines and services, an in-memory world, virtual time."""

from __future__ import annotations

import hashlib
from contextlib import aclosing

import pytest

from tests.support.applications import a_village, circle_of_two, eventually
from tests.support.channels import FakeChannels
from toheal_p2p.app.application import Application
from toheal_p2p.app.refusals import Refused
from toheal_p2p.ports.channels import Channel, PreparedChannel

pytestmark = pytest.mark.trio


async def texts(app: Application, circle: str) -> list[str]:
    return [entry.text for entry in await app.read(circle, limit=1000) if entry.kind == "text"]


async def say(app: Application, circle: str, text: str) -> str:
    return await app.say(circle, text, notes=(), to_facilitators=False)


async def is_read(app: Application, circle: str, wanted: list[str]) -> None:
    async def has_all() -> bool:
        return len(await texts(app, circle)) >= len(wanted)

    await eventually(has_all)
    assert await texts(app, circle) == wanted


async def is_delivered(app: Application, circle: str) -> None:
    async def nothing_is_owed() -> bool:
        return all(row.state == "delivered" for row in await app.deliveries(circle, None))

    await eventually(nothing_is_owed, within=600)


async def link(app: Application, circle: str) -> str:
    return (await app.links(circle))[0].link


async def test_two_people_talk_over_a_relay_and_then_directly(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        await say(ours, circle, "سلام")
        await is_read(theirs, circle, ["سلام"])

        async def is_direct() -> bool:
            return await link(ours, circle) == await link(theirs, circle) == "direct"

        await eventually(is_direct)
        await say(theirs, circle, "hello")
        await is_read(ours, circle, ["سلام", "hello"])
        await is_delivered(ours, circle)
        await is_delivered(theirs, circle)


async def test_a_link_that_breaks_loses_nothing(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)

        async def is_direct() -> bool:
            return await link(ours, circle) == "direct"

        await eventually(is_direct)
        wanted = []
        for number in range(60):
            wanted.append(f"رسالة {number}")
            await say(ours, circle, wanted[-1])
            if number % 20 == 10:
                for channel in list(village.channels.open):
                    channel.lose()
        await is_read(theirs, circle, wanted)
        await is_delivered(ours, circle)


async def test_a_link_whose_ends_do_not_prove_themselves_is_given_up_and_the_relay_carries(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        village.channels = SomebodyInTheMiddle()
        ours, theirs, circle = await circle_of_two(village)
        await say(ours, circle, "عبر المُرحِّل")
        await is_read(theirs, circle, ["عبر المُرحِّل"])
        assert await link(ours, circle) == "relay"
        await is_delivered(ours, circle)


async def test_a_network_without_channels_leaves_everything_to_the_relay(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        village.channels.is_down = True
        ours, theirs, circle = await circle_of_two(village)
        await say(ours, circle, "one")
        await is_read(theirs, circle, ["one"])
        await is_delivered(ours, circle)


async def test_words_wait_for_someone_who_is_away_and_for_a_relay_that_forgot(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, _theirs, circle = await circle_of_two(village, direct=False)
        village.stop("Salma")
        wanted = [f"رسالة {number}" for number in range(100)]
        for text in wanted:
            await say(ours, circle, text)
        village.stop("نورس")
        village.relay.restart()
        theirs = await village.start("Salma")
        assert await texts(theirs, circle) == []
        ours = await village.start("نورس")
        await is_read(theirs, circle, wanted)
        await is_delivered(ours, circle)


async def test_a_reader_who_follows_gets_each_entry_once(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        for text in ("one", "two"):
            await say(ours, circle, text)
        seen = []
        async with aclosing(theirs.follow(circle, after=0)) as entries:
            async for entry in entries:
                if entry.kind == "text":
                    seen.append(entry.text)
                if len(seen) == 2:
                    await say(ours, circle, "three")
                if len(seen) == 3:
                    break
        assert seen == ["one", "two", "three"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 10_000, "\u202e\u2066"])
async def test_unusable_names_are_refused(autojump_clock: object, name: str) -> None:
    async with a_village() as village:
        app = await village.start("نورس")
        with pytest.raises(Refused) as refused:
            await app.circle_create(
                name, relays=[str(village.relay.address)], direct=False, charter="c", nickname=None
            )
        assert refused.value.code in ("name_empty", "name_too_long", "name_unusable")


class SomebodyInTheMiddle(FakeChannels):
    """Ends two DTLS connections and passes on what they carry: the exporters differ."""

    async def prepare(self, **arguments: object) -> PreparedChannel:  # type: ignore[override]
        return TamperedPrepared(await super().prepare(**arguments))  # type: ignore[arg-type]


class TamperedPrepared:
    def __init__(self, prepared: PreparedChannel) -> None:
        self._prepared = prepared
        self.blob = prepared.blob

    async def connect(self, their_blob: bytes) -> Channel:
        channel = await self._prepared.connect(their_blob)
        channel.exporter = hashlib.sha256(self.blob).digest()  # type: ignore[misc]
        return channel

    async def aclose(self) -> None:
        await self._prepared.aclose()


@pytest.mark.parametrize("direct", [True, False])
async def test_an_invitation_says_whether_members_see_each_others_address(
    autojump_clock: object, direct: bool
) -> None:
    async with a_village() as village:
        ours, theirs = await village.start("نورس"), await village.start("Salma")
        circle = await ours.circle_create(
            "حلقة",
            relays=[str(village.relay.address)],
            direct=direct,
            charter="نصغي.",
            nickname=None,
        )
        invitation = await ours.invite(circle.id, expires_in=3600)
        assert (await theirs.look_at_invitation(invitation.link)).direct is direct
