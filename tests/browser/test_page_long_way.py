"""The long way of two people, by keyboard alone: the first start, a circle, words both ways, a backup,
everything erased, and back; in both languages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import define, field

from tests.support.browser import a_browser
from tests.support.page_program import PASSPHRASE, PageProgram, a_program
from tests.support.pages import Page
from tests.support.processes import a_town
from tests.support.tour_keeping import shown_words
from toheal_p2p.locale import LANGUAGES, Language, Words, load_words

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MOST_TABS = 60

_AT = "(e => e.getAttribute('aria-label') || e.textContent)(document.activeElement)"


@define(eq=False)
class Keyboard:
    """Somebody who has no mouse."""

    page: Page
    words: Words
    actions: int = field(default=0)
    """Buttons pressed and fields filled since it was set to 0."""

    def say(self, key: str, **facts: str) -> str:
        return _plain(self.words.text(key, **facts))

    def see(self, key: str, **facts: str) -> None:
        self.page.see(self.say(key, **facts))

    def press(self, key: str, **facts: str) -> None:
        """Go to a button by Tab and press Enter; the way there is visible."""
        wanted = self.say(key, **facts)
        self.page.wait(
            "[...document.querySelectorAll('button, summary')].some(e => e.checkVisibility()"
            f" && (e.getAttribute('aria-label') || e.textContent).replace(/[\\u2066-\\u2069]/g, '').trim().startsWith({json.dumps(wanted)}))"
        )
        self._tab_until(lambda: _plain(str(self.page.ask(_AT))).startswith(wanted), wanted)
        ring = self.page.ask("getComputedStyle(document.activeElement).outlineStyle")
        assert ring == "solid", wanted
        self.page.press("Enter")
        self.actions += 1

    def write(self, field_: str, text: str) -> None:
        """Go to a field by Tab and type."""
        self.page.wait(f"!!document.getElementById({json.dumps(field_)})")
        if self.page.ask("document.activeElement.id") != field_:
            self._tab_until(lambda: self.page.ask("document.activeElement.id") == field_, field_)
        self.page.ask("document.activeElement.select()")
        self.page.browser.call("Input.insertText", text=text)
        self.actions += 1

    def _tab_until(self, is_there: object, wanted: str) -> None:
        for _ in range(MOST_TABS):
            self.page.press("Tab")
            if is_there():  # type: ignore[operator]
                return
        raise AssertionError(f"no way to {wanted} by keyboard\n{self.page.text()}")


def _plain(text: str) -> str:
    return "".join(char for char in text if not "\u2066" <= char <= "\u2069").strip()


def _begin(keys: Keyboard, program: PageProgram, name: str) -> None:
    page = keys.page
    program.come_in(page)
    keys._tab_until(
        lambda: page.ask("document.activeElement.value") == keys.words.language, "the language"
    )
    page.press("Enter")
    keys.see("page_first.welcome")
    keys.press("page_first.adult")
    keys.write("nickname", name)
    keys.write("passphrase", PASSPHRASE)
    keys.write("again", PASSPHRASE)
    page.press("Enter")
    keys.see("page_circles.empty_title")


@pytest.mark.slow(30)
@pytest.mark.parametrize("language", LANGUAGES)
def test_two_people_go_the_long_way_by_keyboard(tmp_path: Path, language: Language) -> None:
    words = load_words(language)
    with (
        a_town(tmp_path) as town,
        a_program(tmp_path / "first") as first,
        a_program(tmp_path / "second") as second,
        a_browser(tmp_path / "b1") as one,
        a_browser(tmp_path / "b2") as two,
    ):
        nawras, salma = Keyboard(Page(one), words), Keyboard(Page(two), words)
        _begin(nawras, first, "Nawras")
        nawras.press("page_circles.create")
        nawras.write("name", "Evening")
        nawras.write("relay", town.relay.address)
        nawras.press("page_new.create")
        nawras.press("page_new.invite")
        nawras.press("page_invite.make")
        nawras.see("page_invite.copy")
        link = str(nawras.page.ask("document.getElementById('link').value"))
        nawras.press("page_invite.done")

        _begin(salma, second, "Salma")
        salma.press("page_circles.join")
        salma.write("link", link)
        salma.press("page_join.look")
        salma.see("page_join.charter")
        salma.press("page_join.agree")
        salma.see("page_circle.waiting_title")
        nawras.press("page_circle.open_door")
        nawras.press("page_door.admit_who", name="Salma")

        salma.page.wait("!!document.getElementById('text')")
        salma.actions = 0
        salma.write("text", "I am here")
        salma.press("page_circle.send")
        assert salma.actions <= 3
        nawras.page.see("I am here")
        nawras.write("text", "Good to hear")
        nawras.press("page_circle.send")
        salma.page.see("Good to hear")

        salma.press("page.lock")
        salma.write("passphrase", PASSPHRASE)
        salma.page.press("Enter")
        salma.see("page_circles.title")

        salma.press("page_settings.title")
        salma.press("page_backup.title")
        file = tmp_path / "copy"
        salma.write("path", str(file))
        salma.press("page_backup.make")
        drawn = shown_words(salma.page)
        salma.press("page_backup.written")
        salma.see("page_backup.proof_title")
        asked = salma.page.ask("[...document.querySelectorAll('input')].map(e => e.id).join(' ')")
        for field_ in str(asked).split():
            salma.write(field_, drawn[int(field_.removeprefix("word")) - 1])
        salma.page.press("Enter")
        salma.see("page_backup.done")
        salma.press("page_settings.title")
        salma.press("page_wipe.title")
        salma.see("page_wipe.what")
        salma.press("page_wipe.yes")
        salma.see("page_wipe.done")
        assert not second.home.exists()
        salma.press("page_settings.go_on")
        salma.press("page_restore.title")
        salma.write("path", str(file))
        salma.write("words", " ".join(drawn))
        salma.write("passphrase", PASSPHRASE)
        salma.write("again", PASSPHRASE)
        salma.press("page_restore.restore")
        salma.page.see("Evening")
        salma._tab_until(lambda: "Evening" in str(salma.page.ask(_AT)), "the circle")
        salma.page.press("Enter")
        salma.page.see("I am here")
        salma.page.see("Good to hear")
        nawras.write("text", "Welcome back")
        nawras.press("page_circle.send")
        salma.page.see("Welcome back")
        salma.write("text", "Back again")
        salma.press("page_circle.send")
        nawras.page.see("Back again")
