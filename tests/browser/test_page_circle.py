"""Everything around a circle in a real browser: for everybody, by keyboard, with two people, with files."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.browser import a_browser
from tests.support.page_program import a_program
from tests.support.pages import Page
from tests.support.processes import PersonProcess, a_town, await_true
from tests.support.tour import Tour
from tests.support.tour_circle import AroundCircle
from toheal_p2p.locale import LANGUAGES, Language

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@contextmanager
def a_tour(folder: Path, language: Language) -> Iterator[tuple[Tour, PersonProcess]]:
    """A circle of two: the page is ours, and the other one is driven by the local channel."""
    with (
        a_town(folder) as town,
        a_program(folder / "ours") as program,
        a_browser(folder / "browser") as browser,
    ):
        page = Page(browser)
        page.watch_policy()
        page.size(360, 740)
        tour = Tour(page, program, town, language)
        for _ in (*tour.begin(), *tour.make_circle()):
            pass
        friend = tour.make_friend()
        for _ in tour.let_in(friend):
            pass
        await_true(lambda: friend.ask("circle_list")[0]["state"] == "active")
        yield tour, friend


@pytest.mark.slow(35)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_screen_around_a_circle_keeps_nobody_out(tmp_path: Path, language: Language) -> None:
    wrong: list[str] = []
    seen: list[str] = []
    with a_tour(tmp_path, language) as (tour, friend):
        page = tour.page
        for name in AroundCircle(tour, friend).walk():
            seen.append(name)
            for width, dark in ((320, False), (1280, True)):
                page.size(width, 800, dark=dark)
                wrong += [f"{name} {width} dark={dark}: {one}" for one in page.axe()]
                wide = page.ask("document.documentElement.scrollWidth - innerWidth")
                if wide > 0:
                    wrong.append(f"{name} {width}: {wide} pixels too wide")
            wrong += [f"{name}: the policy blocked {one}" for one in page.blocked()]
            page.size(360, 740)
    assert wrong == []
    assert len(seen) == 35


@pytest.mark.slow(15)
def test_a_file_leaves_by_the_page_and_comes_in_by_another(tmp_path: Path) -> None:
    """The words of one person reach another whom no network reaches."""
    with a_tour(tmp_path, "en") as (tour, friend):
        page = tour.page
        around = AroundCircle(tour, friend)
        around.go()
        friend.stop()
        page.fill("text", "carried by hand")
        tour.press("page_circle.send")
        page.see("carried by hand")
        around.go("page_circle.members")
        page.click(tour.say("page_members.more_of", name=friend.name))
        tour.press("page_bundle.title")
        page.ask(
            "window.kept = new Promise(done => { URL.createObjectURL = blob => {"
            " blob.arrayBuffer().then(made => done(btoa(String.fromCharCode("
            "...new Uint8Array(made))))); return 'data:,'; }; }), 1"
        )
        tour.press("page_bundle.make")
        page.see("Messages in it: 1.")
        carried = tmp_path / "carried"
        carried.write_bytes(base64.b64decode(page.ask("window.kept")))
        tour.town.relay.program.kill()
        friend.start()
        [taken] = friend.cli_json("bundle", "import", str(carried))
        assert taken["member_name"] == tour.names[2]
        assert friend.texts(around.circle) == ["carried by hand"]

        friend.say(around.circle, "and back")
        friend.cli("bundle", "export", around.circle, tour.names[2], str(tmp_path / "back"))
        tour.press("page.my_circles")
        tour.press("page_bundle.take_title")
        choose(page, "bundle-file", tmp_path / "back")
        page.see("back")
        tour.press("page_bundle.take")
        page.see("Taken: a file by Salma")
        tour.press("page_invite.done")
        page.see("and back")
        choose_wrong = tmp_path / "wrong"
        choose_wrong.write_bytes(b"\0" * 5000)
        tour.press("page.my_circles")
        tour.press("page_bundle.take_title")
        choose(page, "bundle-file", choose_wrong)
        tour.press("page_bundle.take")
        tour.see("refused.bundle_unknown")
        assert list(tour.program.home.glob("tmp*")) == []


def choose(page: Page, id_: str, path: Path) -> None:
    """Choose a file in a field, as by the browser's window for that."""
    page.wait(f"!!document.getElementById('{id_}')")
    browser = page.browser
    root = browser.call("DOM.getDocument")["root"]["nodeId"]
    node = browser.call("DOM.querySelector", nodeId=root, selector=f"#{id_}")["nodeId"]
    browser.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])


def test_roles_removal_and_the_way_back_by_keyboard_alone(tmp_path: Path) -> None:
    with a_tour(tmp_path, "en") as (tour, friend):
        page = tour.page
        AroundCircle(tour, friend).go()

        def by_keyboard(words: str, *, shown: str = "") -> None:
            page.see(shown or words)
            for _ in range(60):
                page.press("Tab")
                named = page.ask(
                    "(e => (e.getAttribute('aria-label') || e.textContent).replace(/[\\u2066-\\u2069]/g,"
                    " '').replace(/\\s+/g, ' ').trim())(document.activeElement)"
                )
                if named.startswith(words):
                    ring = page.ask("getComputedStyle(document.activeElement).outlineStyle")
                    assert ring == "solid"
                    page.press("Enter")
                    return
            raise AssertionError(f"no way to {words} by keyboard")

        by_keyboard("Members")
        page.wait("!!document.querySelector('[aria-label*=\"More about\"]')")
        page.ask(
            "document.querySelector('[aria-label*=\"More about\"][aria-label*=Salma]').focus()"
        )
        page.press("Enter")
        by_keyboard("Removal from the circle")
        while page.ask("document.activeElement.id") != "why":
            page.press("Tab")
        page.browser.call("Input.insertText", text="We agreed on this <b>together</b>.")
        by_keyboard("Sign the removal")
        page.see("This is done. Everybody sees it.")
        page.see("Nawras removes Salma from the circle")
        page.see("We agreed on this <b>together</b>.")
        [ours] = friend.ask("circle_list")
        await_true(lambda: friend.state_of(ours["id"]) == "removed")
        [why] = [
            one for one in friend.ask("circle_acts", circle=ours["id"]) if one["kind"] == "remove"
        ]
        assert why["text"] == "We agreed on this <b>together</b>."
        by_keyboard("Take back into the circle: Salma", shown="Take back into")
        await_true(lambda: friend.state_of(ours["id"]) == "active")
        page.see("The way back is open.")


@pytest.mark.slow(20)
def test_two_pages_go_from_words_said_aloud_to_a_conversation_of_two(tmp_path: Path) -> None:
    with (
        a_tour(tmp_path, "en") as (tour, _friend),
        a_program(tmp_path / "second") as second,
        a_browser(tmp_path / "b2") as other,
    ):
        one, two = tour.page, Page(other)
        two.size(360, 740)
        guest = Tour(two, second, tour.town, "en")
        for _ in guest.begin():
            pass
        tour.press("page_circle.invite")
        tour.press("page_spoken.instead")
        tour.press("page_spoken.make")
        one.wait("!!document.querySelector('.spoken')")
        said = [
            one.ask(f"document.querySelectorAll('.spoken li')[{n}].innerText") for n in range(4)
        ]
        code = " ".join(word.strip("\u2066\u2069 ") for word in said)
        guest.press("page_circles.join")
        two.fill("link", f"{code.rsplit(' ', 1)[0]} {'zebra' if said[3] != 'zebra' else 'tiger'}")
        guest.press("page_join.where")
        two.fill("join-relay", tour.town.relay.address)
        guest.press("page_join.look")
        guest.see("refused.spoken_words_wrong", tries="2")
        tour.see("page_spoken.wrong_once")
        two.fill("link", code)
        guest.press("page_join.look")
        guest.see("page_join.code_used")
        tour.see("page_spoken.handed_over")
        two.fill("nickname", "Siham")
        guest.press("page_join.agree")
        guest.press("page_door.words")
        two.fill("door-text", "It is me")
        guest.press("page_circle.send")
        two.see("It is me")
        tour.press("page_invite.done")
        tour.press("page_circle.open_door")
        one.click(tour.say("page_door.words_with", name="Siham"))
        one.see("It is me")
        tour.press("page.back")
        one.click(tour.say("page_door.admit_who", name="Siham"))
        two.wait("!!document.getElementById('text')")  # the door page went in by itself

        two.wait("!!document.querySelector('#asks[hx-trigger]')")
        one.wait("!!document.getElementById('text')")
        tour.press("page_circle.members")
        one.click(tour.say("page_members.more_of", name="Siham"))
        tour.press("page_member.talk_title")
        tour.press("page_talks.card")
        one.fill("card-when", "evenings")
        tour.press("page_talks.ask")
        tour.see("page_talks.asked")
        guest.see("page_talks.asks", names="Nawras")
        guest.press("page_talks.look")
        guest.press("page_talks.yes")
        guest.press("page_talks.yes_do")
        guest.see("page_talks.agreed")
        guest.press("page.my_circles")
        two.wait("document.querySelectorAll('.cards .card').length > 0")
        await_true(lambda: _has_two(two, guest))
        two.see("evenings")


def _has_two(page: Page, guest: Tour) -> bool:
    """Look among the circles whether the conversation is there, and go in."""
    guest.press("page.my_circles")
    page.wait("!!document.querySelector('.cards .card')")
    return bool(
        page.ask(
            "(cards => cards.length > 1 && (cards[1].click(), true))"
            "([...document.querySelectorAll('.cards .card')])"
        )
    )
