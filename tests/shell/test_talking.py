"""What members say to each other beyond a plain text, between whole applications."""

from __future__ import annotations

import pytest

from tests.shell.test_governance import agree, let_in
from tests.support.applications import a_village, circle_of_two, eventually
from toheal_p2p.app.application import Application
from toheal_p2p.app.interface import EntryView
from toheal_p2p.app.refusals import Refused

pytestmark = pytest.mark.trio


async def words(app: Application, circle: str) -> list[EntryView]:
    return [one for one in await app.read(circle, limit=100) if one.kind == "text"]


async def texts(app: Application, circle: str) -> list[str]:
    return [one.text for one in await words(app, circle)]


async def hears(app: Application, circle: str, text: str) -> None:
    async def has() -> bool:
        return text in await texts(app, circle)

    await eventually(has)


async def test_a_note_to_facilitators_is_read_by_them_and_its_author_only(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        third = await let_in(village, ours, circle, "Idris")
        names = {"نورس": "facilitator", "Salma": "member", "Idris": "member"}
        await agree(circle, [ours, theirs, third], names)
        mid = await theirs.say(circle, "only you", notes=(), to_facilitators=True)
        await theirs.say(circle, "all of you", notes=(), to_facilitators=False)
        await hears(ours, circle, "only you")
        await hears(third, circle, "all of you")
        for app in (ours, theirs):
            shown = [(one.text, one.audience) for one in await words(app, circle)]
            assert shown == [("only you", "facilitators"), ("all of you", "circle")]
        assert await texts(third, circle) == ["all of you"]
        assert not await third.search(circle, "only")
        sent_to = [one.member_name for one in await theirs.deliveries(circle, mid)]
        assert sent_to == ["نورس"]


async def test_a_note_that_nobody_would_read_is_refused(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        with pytest.raises(Refused, match="no_facilitator"):
            await ours.say(circle, "to myself", notes=(), to_facilitators=True)
        await ours.circle_role(circle, "Salma", "listener", reason="request", text="")
        await agree(circle, [ours, theirs], {"نورس": "facilitator", "Salma": "listener"})
        await theirs.say(circle, "help me", notes=(), to_facilitators=True)
        await hears(ours, circle, "help me")
