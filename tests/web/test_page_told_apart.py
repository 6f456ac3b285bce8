"""Who is who, what was decided when, and what is wrong, as the page says it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from attrs import define, evolve

from tests.support.fake_app import NOW, FakeApp, _id
from tests.support.fake_governance import DONE, WAITING
from tests.support.web_client import Web, a_page, until
from tests.web.test_around_circle import in_words
from toheal_p2p.app.interface import ActView, DeliveryView, MemberView, ShareView
from toheal_p2p.web import live
from toheal_p2p.web.alike import told_apart

pytestmark = [pytest.mark.real]

ONE, OTHER, THIRD = "1a" * 32, "2b" * 32, "3c" * 32


@define(eq=False)
class Twins(FakeApp):
    """Two who are called Sam and facilitate, and Salma."""

    acts: tuple[ActView, ...] = ()
    differing: str = ""
    copied: str = ""
    rows: tuple[DeliveryView, ...] = ()
    looked: int = 0

    async def circle_members(self, circle: str) -> Sequence[MemberView]:
        ours, theirs = await FakeApp.circle_members(self, circle)
        plain = evolve(theirs, role="facilitator", fork_seen=False, hidden=False, muted_until=None)
        members = [
            ours,
            evolve(plain, id=ONE, name="Sam"),
            evolve(plain, id=OTHER, name="Ѕam"),
            evolve(plain, id=THIRD, name="Salma", role="member"),
        ]
        return [
            evolve(one, stories_differ=one.id == self.differing, fork_seen=one.id == self.copied)
            for one in members
        ]

    async def deliveries(self, circle: str, message: str | None) -> Sequence[DeliveryView]:
        return self.rows

    async def share_list(self, circle: str) -> Sequence[ShareView]:
        self.looked += 1
        return ()

    async def circle_acts(self, circle: str) -> Sequence[ActView]:
        return self.acts


async def a_circle(web: Web) -> tuple[Twins, str]:
    """Open a profile with one circle; return the application and the way to the circle."""
    app = web.profile.app = Twins()
    await web.open()
    made = await app.circle_create("evening", relays=[], direct=False, charter="x", nickname=None)
    return app, f"/circle/{made.id}"


async def streamed_until_looked(web: Web, app: Twins, way: str) -> str:
    """Return what an open page of a circle is sent until it was looked at twice."""
    streamed: list[str] = []

    async def follow() -> None:
        streamed.append((await web.get(f"{way}/live")).text)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        await until(lambda: app.looked > 1)  # what was seen first is sent then
        await web.post("/lock")
    return streamed[0]


def test_twins_have_a_mark_and_nobody_else() -> None:
    called = told_apart([(ONE, "Sam"), (OTHER, "Ѕam"), (THIRD, "Salma")])
    assert called == {ONE: "Sam\u00a0(1a1a1a)", OTHER: "Ѕam\u00a0(2b2b2b)", THIRD: "Salma"}


@pytest.mark.trio
async def test_where_one_of_two_is_chosen_each_is_called_by_a_mark(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        app, way = await a_circle(web)
        app.add(way[8:], "good evening", author_name="Sam")
        app.entries[0] = evolve(app.entries[0], author=ONE)
        removal = evolve(DONE, kind="remove", author=OTHER, author_name="Ѕam", member=ONE)
        app.acts = (evolve(removal, member_name="Sam"),)
        pages = (way, "members", "talks", "talks/introduce", "acts")
        for path in pages:
            shown = in_words((await web.get(path if path == way else f"{way}/{path}")).text)
            assert "Sam (1a1a1a)" in shown, path
            assert path in (way, "acts") or "Ѕam (2b2b2b)" in shown, path
            assert "Salma (" not in shown, path
        for path in ("member", "role", "removal", "mute", "term", "direct", "file", "talks/ask"):
            shown = in_words((await web.get(f"{way}/{path}/{ONE}")).text)
            assert "Sam (1a1a1a)" in shown and "2b2b2b" not in shown, path
        composer = in_words((await web.get(way)).text).split("Only those who facilitate")[1]
        assert "Sam (1a1a1a)" in composer and "Ѕam (2b2b2b)" in composer


@pytest.mark.trio
async def test_where_a_message_is_is_said_of_each_of_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK", 0.01)
    async with a_page(tmp_path) as web:
        app, way = await a_circle(web)
        app.add(way[8:], "good evening")
        said = app.entries[0].id
        app.rows = (
            DeliveryView(said, ONE, "Sam", "delivered"),
            DeliveryView(said, OTHER, "Ѕam", "at_relay"),
        )
        shown = in_words((await web.get(f"{way}/message/{said}")).text)
        assert "Sam (1a1a1a)" in shown and "Ѕam (2b2b2b)" in shown
        streamed = await streamed_until_looked(web, app, way)
        assert "Ѕam (2b2b2b)" in in_words(streamed)


@pytest.mark.trio
async def test_only_whom_an_act_waits_for_is_asked_however_others_are_called(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        app, way = await a_circle(web)
        for asks_us in (True, False):
            app.acts = (evolve(WAITING, waiting_for=("نورس",), asks_us=asks_us),)
            assert (f"{way}/support/" in (await web.get(f"{way}/acts")).text) is asks_us
            assert ("was proposed" in (await web.get(f"{way}/asks")).text) is asks_us


@pytest.mark.trio
async def test_an_act_says_since_when_it_is_here_and_how_long_it_can_be_taken_back(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        app, way = await a_circle(web)
        removal = evolve(
            DONE, kind="remove", member=THIRD, member_name="Salma", seen_at=NOW, returns_until=None
        )
        for until_then in (None, NOW + 14 * 24 * 3600):
            app.acts = (evolve(removal, returns_until=until_then),)
            text = (await web.get(f"{way}/acts")).text
            shown = in_words(text)
            assert "On this device since 2027\u201101\u201115" in shown
            assert ("Taking back works until 2027\u201101\u201129" in shown) is bool(until_then)
            assert (f"{way}/readmit/{THIRD}" in text) is bool(until_then)
        app.acts = (DONE,)
        assert "On this device" not in in_words((await web.get(f"{way}/acts")).text)


@pytest.mark.trio
@pytest.mark.parametrize(
    ("differing", "copied", "said"),
    [
        ("", "", ""),
        (ONE, "", "Two different messages came under the name of Sam (1a1a1a)"),
        ("", THIRD, "Two copies of a member are at work: Salma"),
        ("", _id("me"), "Two copies of your own profile are at work"),
    ],
)
async def test_two_stories_and_copies_are_told_where_people_talk_until_they_were_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, differing: str, copied: str, said: str
) -> None:
    monkeypatch.setattr(live, "LOOK", 0.01)
    async with a_page(tmp_path) as web:
        app, way = await a_circle(web)
        app.differing, app.copied = differing, copied
        members = in_words((await web.get(f"{way}/members")).text)
        streamed = await streamed_until_looked(web, app, way)
        found = re.findall(r'id="told" hx-swap-oob="innerHTML">(.*?)</div>', streamed, re.S)
        shown = in_words(" ".join(found))
        assert said in shown and shown.count("Two ") == bool(said)
        assert ("I have seen this" in members) is bool(said)
        assert ("different messages came under this name" in members) is bool(differing)
