"""Seats: one for one person, and what became of each is told to whoever offered it."""

from __future__ import annotations

import pytest
import trio

from tests.support.applications import a_village, circle_of_two, eventually
from toheal_p2p.app.application import Application

pytestmark = pytest.mark.trio


async def states(app: Application, circle: str) -> list[tuple[str, str | None, tuple[str, ...]]]:
    return [(one.state, one.used_by, one.at_door) for one in await app.seats(circle)]


async def test_a_seat_says_what_became_of_it_and_to_nobody_else(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        open_one = await ours.invite(circle, expires_in=7200)
        other = await ours.invite(circle, expires_in=7200)
        await ours.invite(circle, expires_in=600)
        guest = await village.start("Idris")
        await guest.join(open_one.link, nickname="Idris")

        async def waits() -> bool:
            return bool(await ours.waiting(circle))

        await eventually(waits)
        await ours.withdraw_invitation(circle, other.id)
        await trio.sleep(700)
        assert await states(ours, circle) == [
            ("used", "Salma", ()),
            ("open", None, ("Idris",)),
            ("withdrawn", None, ()),
            ("expired", None, ()),
        ]
        await ours.admit(circle, "Idris")
        assert (await states(ours, circle))[1] == ("used", "Idris", ())
        assert [one.id for one in await ours.invitations(circle)] == []
        assert await theirs.seats(circle) == []
        assert await guest.seats(circle) == []
