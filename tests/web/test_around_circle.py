"""Everything around a circle, with an application in memory: each page, each act, each refusal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from attrs import define, evolve

from tests.support.fake_app import FakeApp
from tests.support.fake_governance import CHARTER, EVERY_ACT, NOTICE, TALK
from tests.support.fake_values import NOW, RELAY
from tests.support.fake_values import made_up_id as _id
from tests.support.web_client import Web, a_page
from toheal_p2p.app.circle_relays_interface import CircleRelayView
from toheal_p2p.app.interface import (
    ActView,
    CharterView,
    CheckView,
    DoorLineView,
    LinkView,
    MemberView,
    NoticeView,
    SeatView,
    TalkView,
    WaitingView,
)
from toheal_p2p.app.vocabulary import CircleState
from toheal_p2p.locale import Language
from toheal_p2p.web.routes import PAGES

pytestmark = [pytest.mark.real, pytest.mark.trio]

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"'{{7*7}}\u202egnp.exe\u200b\x00\x1b[31m"
)
LONG = "ش" * 4000
ME, SAM = _id("me"), _id("Sam")


@define(eq=False)
class Crowd(FakeApp):
    """A circle of people and things whose names and words mean no good."""

    words: str = HOSTILE

    async def circle_members(self, circle: str) -> Sequence[MemberView]:
        ours, theirs = await FakeApp.circle_members(self, circle)
        return [ours, evolve(theirs, name=self.words, charter_accepted=False)]

    async def circle_acts(self, circle: str) -> Sequence[ActView]:
        names = (self.words, "نورس")
        return [
            evolve(
                act,
                author_name=self.words,
                member_name=act.member and self.words,
                text=self.words,
                supporters=names,
                waiting_for=names,
            )
            for act in EVERY_ACT
        ]

    async def circle_charter(self, circle: str) -> CharterView:
        return evolve(CHARTER, text=self.words, accepted=(self.words,), open=(self.words,))

    async def waiting(self, circle: str) -> Sequence[WaitingView]:
        return [WaitingView(_id("Guest"), self.words, NOW, self.words)]

    async def door(self, circle: str, who: str | None) -> Sequence[DoorLineView]:
        return [DoorLineView(False, self.words, self.words, NOW)]

    async def seats(self, circle: str) -> Sequence[SeatView]:
        return [SeatView(_id("seat"), "open", NOW, self.words, (self.words,))]

    async def notices(self, circle: str) -> Sequence[NoticeView]:
        return [evolve(NOTICE, topic=self.words)]

    async def talks(self, circle: str) -> Sequence[TalkView]:
        shown = evolve(TALK, partner_name=self.words, introducer_name=self.words, partner=SAM)
        return [shown, evolve(shown, state="introducing", other_name=self.words)]

    async def links(self, circle: str) -> Sequence[LinkView]:
        facts = {"name": self.words, "address": self.words}
        return [LinkView(SAM, self.words, "none", None, "relay_not_allowed", facts)]

    async def circle_relays(self, circle: str) -> Sequence[CircleRelayView]:
        return [CircleRelayView(self.words, "named", None, None, (self.words,))]

    async def doctor(self) -> Sequence[CheckView]:
        facts = {"circle": self.words, "name": self.words, "address": self.words}
        return [
            CheckView("fork", False, "fork_seen", facts),
            CheckView("u", True, "links_up", facts),
        ]


async def a_circle(web: Web, *, app: FakeApp | None = None, name: str = "evening") -> str:
    """Open a profile with one circle; return the beginning of its addresses."""
    if app is not None:
        web.profile.app = app
    await web.open()
    web.house.home.mkdir(exist_ok=True)
    (web.house.home / "keyring").touch()
    made = await web.profile.app.circle_create(
        name, relays=[RELAY], direct=False, charter="x", nickname="نورس"
    )
    return f"/circle/{made.id}"


def pages(here: str) -> list[str]:
    """Return the address of every page around a circle."""
    about_sam = ("member", "role", "removal", "direct", "file", "words", "term", "mute")
    return [
        *("/circles", "/circles/new", "/join", "/meet", "/meet/state", "/relays", "/file"),
        *("/doctor", "/doctor/findings", here, f"{here}/asks", f"{here}/about"),
        *(f"{here}/{one}" for one in ("members", "acts", "charter", "charter/change", "policy")),
        *(f"{here}/{one}" for one in ("stays", "invite", "seats", "door", "door/host", "boards")),
        *(f"{here}/door/{_id('Guest')}", f"{here}/door/{_id('Guest')}/lines"),
        *(f"{here}/boards/new", f"{here}/boards/{NOTICE.id}", f"{here}/talks"),
        *(f"{here}/talks/introduce", f"{here}/spoken", f"{here}/ways", f"{here}/ways/links"),
        *(f"{here}/relays", f"{here}/leave", f"{here}/invite/{_id('seat')}"),
        *(f"{here}/{one}/{SAM}" for one in (*about_sam, "talks/ask", "talks/yes")),
        *(f"{here}/member/{ME}", f"{here}/role/{ME}", f"{here}/spoken/{_id('code')}"),
        f"{here}/spoken/{_id('code')}/state",
    ]


def in_words(text: str) -> str:
    """Return what a person reads of a page, on one line and without marks of direction."""
    bare = re.sub(r"<[^>]*>", " ", text)
    return re.sub(r"\s+", " ", re.sub("[\u2066-\u2069]", "", bare))


# ---- every page


@pytest.mark.parametrize("language", ["ar", "en"])
async def test_every_page_is_there_whole_and_without_a_command(
    tmp_path: Path, language: Language
) -> None:
    async with a_page(tmp_path, language=language) as web:
        here = await a_circle(web)
        for path in pages(here):
            answer = await web.get(path)
            assert answer.status == 200, path
            said = in_words(answer.text)
            assert not re.search(r"page_\w+\.\w+|toheal [a-z]|--[a-z]|CIRCLE|…\W*$", said), path
            assert answer.text.count("<h1") <= 1, path
        assert web.faults == []


async def test_every_page_is_tried(tmp_path: Path) -> None:
    ours = ("asks", "boards", "bundles", "circles", "doctor", "doorstep", "governing")
    more = ("joining", "meeting", "rules", "spoken", "talks", "voices", "ways")
    tried = [re.compile(re.sub(r"{\w+}", "[^/]+", path) + "$") for path in pages("/circle/{c}")]
    for method, path, endpoint in PAGES:
        module = endpoint.__module__.rsplit(".", 1)[1]
        if method == "GET" and module in ours + more:
            as_asked = re.compile(re.sub(r"{\w+}", "[^/]+", path) + "$")
            assert any(as_asked.match(one) for one in pages("/circle/c")), path
    assert tried


@pytest.mark.parametrize("words", [HOSTILE, LONG, "\u2066\u2067\u2068\ufeff", "а\u0301dmin"])
async def test_what_others_wrote_is_shown_and_never_obeyed(tmp_path: Path, words: str) -> None:
    async with a_page(tmp_path) as web:
        here = await a_circle(web, app=Crowd(words=words), name=words)
        for path in pages(here):
            answer = await web.get(path)
            assert answer.status == 200, path
            assert "<script>alert" not in answer.text, path
            assert "<img src=x" not in answer.text, path
            assert not set(answer.text) & set("\u202e\u200b\ufeff\x00\x1b"), path
        assert web.faults == []


async def test_every_page_needs_the_cookie_the_secret_and_an_open_profile(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        here = await a_circle(web)
        for path in pages(here):
            assert (await web.get(path, x_page=None)).status == 403, path
        for path in ("role", "removal", "direct", "file"):
            address = f"{here}/{path}/{SAM}"
            assert (await web.post(address, {}, origin="http://evil.example")).status == 403
        assert web.profile.app.calls == []
        await web.post("/lock")
        for path in pages(here):
            assert "Unlock" in (await web.get(path)).text or path in (
                "/join",
                "/doctor",
                "/file",
            ), path


async def test_forms_from_nowhere_make_no_fault(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        here = await a_circle(web)
        posts = [
            path
            for method, path, _ in PAGES
            if method == "POST" and path not in ("/exit", "/lock", "/again", "/enter")
        ]
        for path in posts:
            address = re.sub(r"{circle}", here.removeprefix("/circle/"), path)
            address = re.sub(r"{\w+}", "zz", address)
            for form in (b"", b"\xff\xfe", b"a=1&" * 30, b"role=king&reason=%ff&change=x&lasts=9"):
                assert (await web.ask("POST", address, form)).status in (200, 204, 400, 403), (
                    address
                )
        assert web.faults == []


@pytest.mark.parametrize("state", ["left", "declined", "removed", "waiting_at_door"])
async def test_however_we_stand_to_a_circle_its_pages_are_there(
    tmp_path: Path, state: CircleState
) -> None:
    async with a_page(tmp_path) as web:
        here = await a_circle(web)
        app = web.profile.app
        app.circles[0] = evolve(app.circles[0], state=state)
        text = (await web.get(here)).text
        for path in ("about", "acts", "members", "charter", "asks", "door/host", "seats"):
            assert (await web.get(f"{here}/{path}")).status == 200, path
        for path in (f"role/{SAM}", f"removal/{SAM}"):
            assert "From now on" not in (await web.get(f"{here}/{path}")).text
        assert web.faults == []
        assert ("Any facilitator can take this back" in text) is (state == "removed")
        assert ("Words at the door" in text) is (state == "waiting_at_door")


async def test_in_a_conversation_of_two_nobody_decides_over_the_other(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        here = await a_circle(web)
        app = web.profile.app
        app.circles[0] = evolve(app.circles[0], is_talk=True)
        for path in ("about", f"member/{SAM}", "members"):
            shown = (await web.get(f"{here}/{path}")).text
            for way in ("removal", "role", "mute", "term", "invite", "door", "talks", "charter"):
                assert f"{here}/{way}" not in shown, (path, way)
        assert f"{here}/invite" not in (await web.get(here)).text
