"""What is sent from the pages around a circle: it reaches the application as meant, or is said beside the form."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import pytest
from attrs import define, evolve, field

from tests.support.fake_app import FakeApp
from tests.support.fake_finding import FakeSpokenCodes
from tests.support.fake_governance import CHARTER
from tests.support.fake_values import CODE, LINK, NOW, RELAY, refuse
from tests.support.fake_values import made_up_id as _id
from tests.support.web_client import a_page
from tests.web.test_around_circle import SAM, a_circle, in_words
from toheal_p2p.app.circle_relays_interface import CircleRelayView
from toheal_p2p.app.interface import (
    ActView,
    CharterView,
    DirectView,
    DoorLineView,
    NoticeView,
    TalkView,
)
from toheal_p2p.app.refusals import RefusalCode
from toheal_p2p.app.spoken_interface import SpokenView
from toheal_p2p.app.vocabulary import ActReason, Role, SpokenState
from toheal_p2p.web.pages import bundles
from toheal_p2p.web.site import FILE_TYPE
from toheal_protocol.messages.bundle import MAX_BUNDLE_SIZE

pytestmark = [pytest.mark.real, pytest.mark.trio]


@define(eq=False)
class Code(FakeSpokenCodes):
    """A code that stands as it is told to, until it is forgotten."""

    states: list[SpokenState] = field(factory=list)

    async def follow(self, circle: str, code_id: str) -> AsyncGenerator[SpokenView, None]:
        if not self.states:
            raise refuse("no_such_invitation")
        yield SpokenView(code_id, CODE, NOW, self.tries_left, self.states[0])
        raise AssertionError("the page waits for nothing")


@define(eq=False)
class Noted(FakeApp):
    """Notes what it is asked for, and refuses what it is told to refuse."""

    refuses: RefusalCode | None = None
    code: Code = field(init=False)

    def __attrs_post_init__(self) -> None:
        FakeApp.__attrs_post_init__(self)
        self.code = Code(self._find)

    @property
    def spoken(self) -> FakeSpokenCodes:
        return self.code

    def note(self, *what: object) -> None:
        if self.refuses is not None:
            raise refuse(self.refuses)
        self.calls.append(" ".join(map(str, what)))

    async def circle_role(
        self, circle: str, who: str, role: Role, *, reason: ActReason, text: str, weeks: int = 4
    ) -> ActView:
        self.note("role", who, role, reason, text, weeks)
        return await FakeApp.circle_role(self, circle, who, role, reason=reason, text=text)

    async def circle_term(self, circle: str, who: str, *, weeks: int) -> ActView:
        self.note("term", who, weeks)
        return await FakeApp.circle_term(self, circle, who, weeks=weeks)

    async def circle_mute(
        self, circle: str, who: str, *, hours: int, reason: ActReason, text: str
    ) -> ActView:
        self.note("mute", who, hours, reason, text)
        return await FakeApp.circle_mute(self, circle, who, hours=hours, reason=reason, text=text)

    async def circle_unmute(self, circle: str, who: str) -> ActView:
        self.note("unmute", who)
        return await FakeApp.circle_unmute(self, circle, who)

    async def hide(self, circle: str, who: str, *, hidden: bool) -> None:
        self.note("hide", who, hidden)

    async def circle_remove(
        self, circle: str, who: str, *, reason: ActReason, text: str
    ) -> ActView:
        self.note("remove", who, reason, text)
        return await FakeApp.circle_remove(self, circle, who, reason=reason, text=text)

    async def circle_second(self, circle: str, act: str) -> ActView:
        self.note("second", act)
        return await FakeApp.circle_second(self, circle, act)

    async def circle_readmit(self, circle: str, who: str) -> None:
        self.note("readmit", who)

    async def circle_charter_set(self, circle: str, text: str) -> ActView:
        self.note("charter", text)
        return await FakeApp.circle_charter_set(self, circle, text)

    async def circle_accept(self, circle: str, charter: str) -> CharterView:
        self.note("accept", charter)
        return CHARTER

    async def circle_policy_set(self, circle: str, *, direct: bool) -> ActView:
        self.note("policy", direct)
        return await FakeApp.circle_policy_set(self, circle, direct=direct)

    async def circle_relay(
        self, circle: str, address: str, *, change: Literal["add", "remove", "allow"]
    ) -> Sequence[CircleRelayView]:
        self.note(change, address)
        return ()

    async def door_say(self, circle: str, who: str | None, text: str) -> None:
        self.note("door", who, text)

    async def door(self, circle: str, who: str | None) -> Sequence[DoorLineView]:
        if self.refuses == "nobody_waiting":
            raise refuse("nobody_waiting")
        return await FakeApp.door(self, circle, who)

    async def notice_open(
        self, circle: str, *, topic: str, text: str, name: str, expires_in: int
    ) -> NoticeView:
        self.note("notice", topic, name, expires_in, text)
        return (await self.notices(circle))[0]

    async def talk_ask(self, circle: str, who: str, *, card: str) -> TalkView:
        self.note("ask", who, card)
        return (await self.talks(circle))[0]

    async def talk_accept(self, circle: str, who: str, *, card: str) -> TalkView:
        self.note("yes", who, card)
        return (await self.talks(circle))[0]

    async def talk_decline(self, circle: str, who: str, *, for_good: bool) -> None:
        self.note("no", who, for_good)

    async def direct(self, circle: str, who: str, *, allow: bool) -> DirectView:
        self.note("direct", who, allow)
        return DirectView(who, "Sam", mine=allow, theirs=False)

    async def circle_seen(self, circle: str) -> None:
        self.note("seen", circle)


TALK_CARD = {"when": "evenings", "can": " ", "heavy": "a pause"}

ASKED: list[tuple[str, dict[str, str], str]] = [
    (f"role/{SAM}", {"role": "listener", "reason": "request"}, f"role {SAM} listener request  4"),
    (f"term/{SAM}", {"weeks": "8"}, f"term {SAM} 8"),
    (
        f"mute/{SAM}",
        {"hours": "1", "reason": "harm", "text": "since Tuesday"},
        f"mute {SAM} 1 harm since Tuesday",
    ),
    (f"mute/{SAM}", {"hours": "999"}, f"mute {SAM} 6 other "),
    (f"unmute/{SAM}", {}, f"unmute {SAM}"),
    (f"hide/{SAM}", {"hidden": "yes"}, f"hide {SAM} True"),
    (f"hide/{SAM}", {}, f"hide {SAM} False"),
    (
        f"removal/{SAM}",
        {"reason": "harm", "text": " since Tuesday "},
        f"remove {SAM} harm since Tuesday",
    ),
    (
        f"removal/{SAM}",
        {"reason": "whim", "text": "since Tuesday"},
        f"remove {SAM} other since Tuesday",
    ),
    ("support/abab", {}, "second abab"),
    (f"readmit/{SAM}", {}, f"readmit {SAM}"),
    ("charter/change", {"charter": "One.\nTwo."}, "charter One.\nTwo."),
    ("charter/yes", {"charter": "ee" * 32}, f"accept {'ee' * 32}"),
    ("policy", {"direct": "yes"}, "policy True"),
    ("policy", {"direct": "no"}, "policy False"),
    ("stays", {"stays": "never"}, "disappear 0"),
    ("stays", {"stays": "30d"}, f"disappear {30 * 24 * 3600}"),
    ("relays", {"change": "add", "address": f" {RELAY} "}, f"add {RELAY}"),
    ("relays", {"change": "allow", "address": RELAY}, f"allow {RELAY}"),
    (f"door/{_id('Guest')}", {"text": "hello"}, f"door {_id('Guest')} hello"),
    ("door/host", {"text": "hello"}, "door None hello"),
    (
        f"talks/ask/{SAM}",
        TALK_CARD,
        f"ask {SAM} When I have time\nevenings\nWhat we do if it gets too heavy\na pause",
    ),
    (f"talks/yes/{SAM}", {}, f"yes {SAM} "),
    (f"talks/no/{SAM}", {"for_good": "yes"}, f"no {SAM} True"),
    (f"talks/no/{SAM}", {}, f"no {SAM} False"),
    (f"direct/{SAM}", {"allow": "yes"}, f"direct {SAM} True"),
    (f"direct/{SAM}", {}, f"direct {SAM} False"),
]
"""Where something is sent, what, and what the application is asked for."""


async def test_what_is_sent_reaches_the_application_as_it_is_meant(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        app = Noted()
        here = await a_circle(web, app=app)
        for path, form, asked in ASKED:
            app.calls.clear()
            answer = await web.post(f"{here}/{path}", form)
            assert (answer.status, app.calls) == (200, [asked]), path
            assert 'role="alert"' not in answer.text
        assert web.faults == []


async def test_what_is_refused_is_said_beside_the_form_with_what_was_typed(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        app = Noted(refuses="act_not_ours")
        here = await a_circle(web, app=app)
        for path, form, _asked in ASKED:
            if path == "stays":
                continue
            text = (await web.post(f"{here}/{path}", form)).text
            assert "cannot be decided from here now" in text, path
            assert 'role="alert"' in text, path
            for typed in (form.get("text", ""), form.get("when", "")):
                assert typed.strip() in text, path
        assert app.calls == []
        app.refuses = "locked"
        assert "Unlock" in (await web.post(f"{here}/policy", {"direct": "yes"})).text
        assert web.faults == []


async def test_a_role_nobody_has_is_asked_for_again(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        app = Noted()
        here = await a_circle(web, app=app)
        assert "From now on" in (await web.post(f"{here}/role/{SAM}", {"role": "king"})).text
        assert "not in the circle" in (await web.get(f"{here}/role/{'00' * 32}")).text
        assert app.calls == []


async def test_taking_back_after_its_time_says_that_it_is_over(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        here = await a_circle(web, app=Noted(refuses="no_such_member"))
        assert "for 14 days" in (await web.post(f"{here}/readmit/{SAM}")).text


async def test_a_notice_says_what_it_is_and_names_nobody(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        app = Noted()
        here = await a_circle(web, app=app)
        await web.post(f"{here}/boards/new", {"topic": "Grief", "hours": "evenings", "name": " "})
        [asked] = app.calls
        assert asked.startswith(
            f"notice Grief The door {14 * 24 * 3600} This leads to the door only"
        )
        assert "evenings" in asked
        assert "نورس" not in asked


# ---- codes


async def test_a_code_is_asked_for_again_only_while_it_waits(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        app = Noted()
        here = await a_circle(web, app=app)
        app.code.states = ["waiting"]
        address = f"{here}/spoken/{_id('code')}"
        text = (await web.get(address)).text
        assert [word in text for word in CODE.split()] == [True] * 4
        [again] = re.findall(r'hx-get="([^"]*/state\?seen=[^"]*)"', text)
        assert (await web.get(again)).status == 204
        app.code.tries_left = 2
        changed = await web.get(again)
        assert "words that do not fit" in changed.text
        for ended, said in (
            ("handed_over", "has the invitation"),
            ("burned", "burned"),
            ("expired", "time is over"),
        ):
            app.code.states = [ended]  # type: ignore[list-item]
            shown = (await web.get(f"{address}/state")).text
            assert said in shown
            assert "hx-trigger" not in shown
        app.code.states = []
        assert "These words are over" in (await web.get(f"{address}/state")).text
        assert web.faults == []


async def test_words_said_aloud_lead_to_the_charter_and_leave_a_link(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        app = web.profile.app
        wrong = (await web.post("/join/look", {"link": "7421 a b zebra", "relay": RELAY})).text
        assert "words do not fit" in wrong
        assert "7421 a b zebra" in wrong
        assert RELAY.split("#")[0] in wrong
        right = (await web.post("/join/look", {"link": "lantern ٧٤٢١ giraffe marble"})).text
        assert "The code is used up now" in right
        assert in_words(right).count(LINK) == 1
        form = {"link": LINK, "by_code": "yes", "agreed": "yes", "nickname": "Gull"}
        await web.post("/join", form)
        assert app.calls == ["join as Gull"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("https://example.org/x", "damaged"),
        ("toheal:1:", "damaged"),
        ("", "damaged"),
        ("hello", "damaged"),
    ],
)
async def test_what_is_neither_a_link_nor_a_code_is_told_so(
    tmp_path: Path, given: str, said: str
) -> None:
    async with a_page(tmp_path) as web:
        await web.open()
        assert said in (await web.post("/join/look", {"link": given})).text
        assert web.faults == []


# ---- the door, the room


async def test_words_at_the_door_come_by_themselves_and_lead_in_when_it_opens(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        app = Noted()
        here = await a_circle(web, app=app)
        lines = f"{here}/door/{_id('Guest')}/lines"
        assert (await web.get(f"{lines}?seen=2")).status == 204
        assert "a neighbour" in (await web.get(f"{lines}?seen=1")).text
        app.refuses = "nobody_waiting"
        answer = await web.get(f"{lines}?seen=2")
        assert answer.headers["hx-retarget"] == "#page"
        assert "evening" in answer.text


async def test_the_room_is_opened_shown_and_closed(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        here = await a_circle(web)
        app = web.profile.app
        closed = (await web.get("/meet")).text
        assert "says nothing on the local network" in closed
        [again] = re.findall(r'hx-get="(/meet/state[^"]*)"', closed)
        assert (await web.get(again)).status == 204
        form = {"circle": here.removeprefix("/circle/"), "lasts": "8h", "room": "yes"}
        opened = in_words((await web.post("/meet", form)).text)
        assert app.meeting.opened == [form["circle"]]
        assert app.meeting.room_until == NOW + 8 * 3600
        assert "in the room: Sam, Ev]il" in opened
        assert "Newcomers with words can find this device" in opened
        assert "no other device can be heard" in opened
        assert (await web.get(again)).status == 200
        refused = (await web.post("/meet", {"interface": "none0"})).text
        assert "no network of this name" in refused
        await web.post("/meet/close")
        assert app.meeting.opened == []


# ---- files


async def test_a_file_for_a_member_goes_to_the_browser_and_from_the_disk(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        here = await a_circle(web)
        answer = await web.post(f"{here}/file/{SAM}")
        assert (answer.body, answer.headers["content-type"]) == (b"bundle", FILE_TYPE)
        said = unquote(answer.headers["x-said"])
        assert "Messages in it: 3." in said
        assert "did not fit: 2" in said
        refused = await web.post(f"{here}/file/zz")
        assert "x-said" not in refused.headers
        assert "No file can be made" in refused.text
        assert [one.name for one in web.house.home.iterdir()] == ["keyring"]


async def test_a_file_that_is_brought_is_taken_whole_or_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_page(tmp_path) as web:
        await a_circle(web)
        taken = await web.ask("POST", "/file", b"bundle", content_type=FILE_TYPE)
        assert "Taken: a file by Sam" in in_words(taken.text)
        assert "Some of it was damaged" in taken.text
        for wrong in (b"", b"\xff" * 300_000):
            answer = await web.ask("POST", "/file", wrong, content_type=FILE_TYPE)
            assert "was not made for this profile" in answer.text
        monkeypatch.setattr(bundles, "LARGEST", 1000)
        answer = await web.ask("POST", "/file", b"x" * 1001, content_type=FILE_TYPE)
        assert "above the limit" in answer.text
        assert [one.name for one in web.house.home.iterdir()] == ["keyring"]
        assert web.faults == []


async def test_the_largest_file_is_the_cores() -> None:
    assert bundles.LARGEST == MAX_BUNDLE_SIZE


# ---- what a circle asks of us


async def test_a_circle_asks_once_and_is_quiet_until_something_changes(tmp_path: Path) -> None:
    async with a_page(tmp_path) as web:
        app = Noted()
        here = await a_circle(web, app=app)
        app.circles[0] = evolve(app.circles[0], charter_accepted=False)
        text = (await web.get(f"{here}/asks")).text
        assert "another charter now" in text
        assert "Ev]il" in text
        [again] = re.findall(r'hx-get="([^"]*/asks\?seen=[^"]*)"', text)
        assert (await web.get(again)).status == 204
        app.circles[0] = evolve(app.circles[0], charter_accepted=True)
        assert "another charter now" not in (await web.get(again)).text
