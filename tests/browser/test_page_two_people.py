"""Two people, two programs, two browsers: from the first start to a conversation, and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.browser import a_browser
from tests.support.page_program import PASSPHRASE, PageProgram, a_program
from tests.support.pages import Page
from tests.support.processes import PersonProcess, a_town

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def begin(page: Page, program: PageProgram, name: str) -> None:
    """Go from the language to an open profile."""
    page.size(360, 740)
    program.come_in(page)
    page.click("English")
    page.click("I am an adult. Continue")
    page.fill("nickname", name)
    page.fill("passphrase", PASSPHRASE)
    page.fill("again", PASSPHRASE)
    page.click("Continue")
    page.see("No circle yet")


def say(page: Page, text: str) -> None:
    page.fill("text", text)
    page.click("Send")


@pytest.mark.slow(15)
def test_two_people_from_the_first_start_to_a_conversation(tmp_path: Path) -> None:
    with (
        a_town(tmp_path) as town,
        a_program(tmp_path / "first", is_ordinary=True) as first,
        a_program(tmp_path / "second") as second,
        a_browser(tmp_path / "b1") as one,
        a_browser(tmp_path / "b2") as two,
    ):
        nawras, salma = Page(one), Page(two)
        begin(nawras, first, "Nawras")
        nawras.click("Create a circle")
        nawras.fill("name", "Evening")
        nawras.fill("relay", town.relay.address)
        nawras.click("Create the circle")
        nawras.click("Invite somebody")
        nawras.click("Make an invitation")
        nawras.see("Copy the link")
        link = nawras.ask("document.getElementById('link').value")
        assert nawras.ask("document.querySelector('.qr').naturalWidth") > 100
        nawras.click("To the circle")

        begin(salma, second, "Salma")
        salma.click("Join a circle")
        salma.fill("link", f" \u200e{link[:40]}\n{link[40:]} ")  # as a message brings it
        salma.click("Look at the invitation")
        salma.see("Nawras invites you to Evening")
        salma.see("What is said here stays here")
        salma.fill("nickname", "Gull")
        salma.click("I agree to the charter and ask to join")
        salma.see("Waiting at the door")

        nawras.see("At the door: Gull")  # the page noticed by itself
        nawras.click("To the door")
        nawras.click("Let in Gull")

        # from here to the first words: the page opens the circle by itself, text, send
        salma.wait("!!document.getElementById('text')")
        say(salma, "I am here.\nIt is quiet.")
        salma.see("It is quiet.")
        nawras.see("I am here.")
        say(nawras, "مرحبًا")
        salma.see("مرحبًا")
        nawras.see("Arrived with everybody.")
        assert nawras.ask("document.querySelectorAll('#entries .message').length") == 2

        # what a command takes back is gone from the pages that are open
        mine = nawras.ask("document.querySelectorAll('#entries .mine')[0].id.slice(2)")
        PersonProcess("Nawras", first.folder).cli("retract", "Evening", mine)
        salma.see("Taken back by its author")
        nawras.see("Taken back by its author")
        assert not salma.sees("مرحبًا")
        assert not nawras.sees("مرحبًا")

        salma.click("Lock")
        salma.see("Locked")
        assert not salma.sees("quiet")
        say(nawras, "Until later")
        salma.fill("passphrase", "something else")
        salma.click("Unlock")
        salma.see("does not open")
        salma.fill("passphrase", PASSPHRASE)
        salma.click("Unlock")
        salma.click("Evening")
        salma.see("Until later")
        nawras.see("Arrived with everybody.")

        nawras.click("Members")
        nawras.click("Safety words with Gull")
        nawras.wait("document.querySelectorAll('.words li').length === 8")
        words = nawras.ask("document.querySelector('.words').innerText")
        salma.click("Members")
        salma.click("Safety words with Nawras")
        salma.wait("document.querySelectorAll('.words li').length === 8")
        assert salma.ask("document.querySelector('.words').innerText") == words

        salma.click("Back")
        salma.wait("!document.querySelector('.words')")
        salma.click("Back")
        salma.click("Leave")
        salma.click("Leave the circle")
        salma.see("Circles of before")
        nawras.click("My circles")
        nawras.click("Evening")
        nawras.see("Left the circle: Gull")


def test_a_closed_tab_loses_nothing(tmp_path: Path) -> None:
    with a_program(tmp_path / "first") as program, a_browser(tmp_path / "b") as browser:
        page = Page(browser)
        begin(page, program, "Nawras")
        page.open(program.url)
        page.see("No circle yet")  # reloaded in the same tab
        browser.open_page(program.url)
        page.see("This page is closed")  # a second tab has no secret
        program.again()
        program.come_in(page)
        page.see("No circle yet")


def test_everything_can_be_done_with_the_keyboard_alone(tmp_path: Path) -> None:
    with a_program(tmp_path / "first") as program, a_browser(tmp_path / "b") as browser:
        page = Page(browser)
        program.come_in(page)

        def tab_to(words: str) -> None:
            for _ in range(40):
                page.press("Tab")
                if page.ask("document.activeElement.textContent.trim()") == words:
                    ring = page.ask("getComputedStyle(document.activeElement).outlineStyle")
                    assert ring == "solid"
                    return
            raise AssertionError(f"no way to {words} by keyboard")

        tab_to("English")
        page.press("Enter")
        page.see("I am an adult")
        tab_to("I am an adult. Continue")
        page.press("Enter")
        page.see("A name and a passphrase")
        assert page.ask("document.activeElement.tagName") == "H1"  # a screen reader begins here
        for field in ("nickname", "passphrase", "again"):
            while page.ask("document.activeElement.id") != field:
                page.press("Tab")
            browser.call("Input.insertText", text=PASSPHRASE)
        page.press("Enter")
        page.see("No circle yet")
        tab_to("Create a circle")
        page.press("Enter")
        page.see("A new circle")
        while page.ask("document.activeElement.id") != "name":
            page.press("Tab")
        browser.call("Input.insertText", text="Alone")
        page.press("Enter")
        page.see("The circle is here")
        tab_to("Enter the circle")
        page.press("Enter")
        page.wait("document.activeElement.id === 'text'")
        browser.call("Input.insertText", text="by hand")
        tab_to("Send")
        page.press("Enter")
        page.see("by hand")
        page.wait("document.activeElement.id === 'text' && document.activeElement.value === ''")
        for _ in range(3):
            page.press("Escape")
        page.wait("location.pathname === '/calendar'")
