"""Keeping and losing in the page: settings, a backup, erasing everything, and coming back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.browser.test_page_two_people import begin, say
from tests.support.browser import a_browser
from tests.support.page_program import SHORT_MINUTES, SLOW_BACKUP, a_program
from tests.support.pages import Page
from tests.support.processes import a_town
from tests.support.tour import Tour
from tests.support.tour_keeping import keep_and_lose, shown_words
from toheal_p2p.locale import LANGUAGES, Language

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.slow(20)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_backup_is_made_everything_erased_and_brought_back(
    tmp_path: Path, language: Language
) -> None:
    with (
        a_town(tmp_path) as town,
        a_program(tmp_path / "ours") as program,
        a_browser(tmp_path / "b") as browser,
    ):
        page = Page(browser)
        page.size(360, 740)
        tour = Tour(page, program, town, language)
        for _ in (*tour.begin(), *tour.make_circle()):
            pass
        tour.press("page_invite.done")
        page.wait("!!document.getElementById('text')")
        page.fill("text", "said before")
        tour.press("page_circle.send")
        page.see("said before")
        tour.press("page.my_circles")
        for name in keep_and_lose(tour, tmp_path):
            for dark in (False, True):
                page.size(360, 740, dark=dark)
                assert page.axe() == [], (name, dark)
            page.size(320)
            assert page.ask("document.documentElement.scrollWidth <= innerWidth"), name
            page.size(360, 740)
        page.click(tour.names[0])
        page.see("said before")


def test_a_backup_that_takes_longer_than_the_page_waits_tells_how_far_it_is_and_shows_its_words(
    tmp_path: Path,
) -> None:
    with (
        a_program(tmp_path / "ours", changed=SLOW_BACKUP) as program,
        a_browser(tmp_path / "b") as browser,
    ):
        page = Page(browser)
        begin(page, program, "Nawras")
        page.click("Settings")
        page.click("Backup")
        page.fill("path", str(tmp_path / "copy"))
        page.ask("void (htmx.config.defaultTimeout = 3000)")  # in the place of three minutes
        page.click("Make the backup")
        page.see("messages of 5 so far")
        page.ask("void (htmx.config.defaultTimeout = 180000)")
        assert len(shown_words(page)) == 24
        assert (tmp_path / "copy").exists()


def test_erasing_takes_less_than_a_second_and_leaves_no_file(tmp_path: Path) -> None:
    with a_program(tmp_path / "ours") as program, a_browser(tmp_path / "b") as browser:
        page = Page(browser)
        begin(page, program, "Nawras")
        page.click("Settings")
        page.click("Erase everything on this device")
        page.see("within a second")
        began = time.monotonic()
        page.click("Erase everything")
        while program.home.exists():
            assert time.monotonic() - began < 30
            time.sleep(0.005)
        took = time.monotonic() - began
        page.see("Everything is erased")
        assert not program.start_file.exists()
        assert took < 10, took  # what it takes is in docs/benchmarks.md: this is a test of no clock
        page.click("Go on")
        page.see("I am an adult")


@pytest.mark.slow(10)
def test_the_profile_locks_by_itself_and_the_page_shows_nothing_then(tmp_path: Path) -> None:
    with (
        a_program(tmp_path / "ours", changed=SHORT_MINUTES) as program,
        a_browser(tmp_path / "b") as browser,
    ):
        page = Page(browser)
        begin(page, program, "Nawras")
        page.click("Create a circle")
        page.fill("name", "Evening")
        page.click("Create the circle")
        page.click("Enter the circle")
        page.fill("text", "x")
        say(page, "a secret word")
        page.see("a secret word")
        page.click("Settings")
        page.wait("!!document.getElementById('s-auto-lock')")
        page.ask(
            "(e => {e.value = '5'; e.dispatchEvent(new Event('change', {bubbles: true}))})"
            "(document.getElementById('s-auto-lock'))"
        )
        page.see("Locked", within=60)


def test_a_neutral_look_says_nothing_while_it_is_locked(tmp_path: Path) -> None:
    with a_program(tmp_path / "ours") as program, a_browser(tmp_path / "b") as browser:
        page = Page(browser)
        begin(page, program, "Nawras")
        page.click("Settings")
        page.wait("!!document.getElementById('s-neutral')")
        page.ask(
            "(e => {e.value = 'on'; e.dispatchEvent(new Event('change', {bubbles: true}))})"
            "(document.getElementById('s-neutral'))"
        )
        page.see("No circle yet")
        page.click("Lock")
        page.see("Locked")
        page.wait("!document.querySelector('.foot')")
        program.program.stop()
        program.start()
        program.come_in(page)
        page.see("Locked")
        process = Path(f"/proc/{program.program.pid}/comm").read_text(encoding="ascii").strip()
        assert process == "th"
        names = [path.name for path in program.folder.rglob("*") if path.name != "run.out"]
        assert "keyring" in names
        titles = [str(page.ask("document.title")), program.start_file.name]
        shown = " ".join((page.text(), *titles, *names, process)).lower()
        for telling in ("circle", "help", "heal", "support", "calm", "crisis", "peer"):
            assert telling not in shown, telling
