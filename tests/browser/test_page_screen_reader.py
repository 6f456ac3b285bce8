"""The way of a screen reader: roles, names and live regions, as Chromium's accessibility tree has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import a_browser
from tests.support.page_program import PASSPHRASE, PageProgram, a_program
from tests.support.pages import Page
from toheal_p2p.locale import LANGUAGES, Language, load_words

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAMED = {
    "button",
    "textbox",
    "combobox",
    "checkbox",
    "heading",
    "DisclosureTriangle",
    "link",
    "img",
}
"""What has to have a name, or it is silence."""


class Heard:
    """What a screen reader has of a page."""

    def __init__(self, page: Page) -> None:
        page.browser.call("Accessibility.enable")
        nodes: list[dict[str, Any]] = page.browser.call("Accessibility.getFullAXTree")["nodes"]
        self.nodes = [node for node in nodes if not node.get("ignored")]

    def of(self, role: str) -> list[str]:
        return [_name(node) for node in self.nodes if _role(node) == role]

    @property
    def silent(self) -> list[str]:
        return [_role(node) for node in self.nodes if _role(node) in NAMED and not _name(node)]

    def properties(self, role: str, property_: str) -> set[object]:
        return {
            one["value"].get("value")
            for node in self.nodes
            if _role(node) == role
            for one in node.get("properties", ())
            if one["name"] == property_
        }


def _role(node: dict[str, Any]) -> str:
    return str(node.get("role", {}).get("value", ""))


def _name(node: dict[str, Any]) -> str:
    name = str(node.get("name", {}).get("value", ""))
    return "".join(char for char in name if not "\u2066" <= char <= "\u2069").strip()


def _walk(page: Page, program: PageProgram, language: Language) -> None:
    words = load_words(language)

    def t(key: str) -> str:
        return str(words.text(key))

    def here(heading: str) -> Heard:
        shown = json.dumps(heading)
        page.wait(f"document.querySelector('#page h1')?.innerText.trim() === {shown}")
        heard = Heard(page)
        assert heard.silent == [], heading
        assert heading in heard.of("heading"), heard.of("heading")
        assert len(heard.of("main")) == 1
        assert t("page.quick_exit") in heard.of("button")
        focused = page.ask("document.activeElement.tagName + ' ' + document.activeElement.id")
        assert focused.split()[0] in ("H1", "INPUT", "TEXTAREA", "BUTTON"), focused
        return heard

    program.come_in(page)
    page.click({"ar": "العربية", "en": "English"}[language])
    here(t("page_first.welcome"))
    page.click(t("page_first.adult"))
    heard = here(t("page_first.name_title"))
    for key in ("page_first.name", "page_first.passphrase", "page_first.again"):
        assert t(key) in heard.of("textbox"), key
    assert heard.properties("textbox", "required") == {True}
    assert heard.properties("status", "live") == {"polite"}
    page.fill("nickname", "Nawras")
    page.fill("passphrase", PASSPHRASE)
    page.fill("again", "another")
    page.click(t("page_first.create"))
    page.see(t("refused.passphrases_differ"))
    heard = Heard(page)
    assert heard.properties("alert", "live") == {"assertive"}, "what went wrong is said at once"
    page.fill("passphrase", PASSPHRASE)
    page.fill("again", PASSPHRASE)
    page.click(t("page_first.create"))
    here(t("page_circles.title"))
    page.click(t("page_circles.create"))
    heard = here(t("page_new.title"))
    assert t("page_new.name") in heard.of("textbox")
    page.fill("name", "Evening")
    page.click(t("page_new.create"))
    page.see(t("page_new.created"))
    page.click(t("page_new.enter"))
    page.wait("!!document.getElementById('text')")
    heard = Heard(page)
    assert heard.silent == []
    assert heard.properties("log", "live") == {"polite"}, "new words are read as they come"
    page.fill("text", "a few words")
    page.click(t("page_circle.send"))
    page.see("a few words")
    page.wait("document.activeElement.id === 'text'")
    page.click(t("page_settings.title"))
    heard = here(t("page_settings.title"))
    for name in ("language", "digits", "colours", "neutral", "auto-lock"):
        assert t(f"page_settings.{name}") in heard.of("combobox"), name
    page.click(t("page_backup.title"))
    heard = here(t("page_backup.title"))
    assert t("page_backup.where") in heard.of("textbox")
    page.click(t("page.back"))
    page.click(t("page_wipe.title"))
    heard = here(t("page_wipe.title"))
    assert {t("page_wipe.no"), t("page_wipe.yes")} <= set(heard.of("button"))
    page.click(t("page_wipe.no"))
    here(t("page_settings.title"))
    page.click(t("page.lock"))
    heard = here(t("page_first.unlock_title"))
    assert t("page_first.passphrase") in heard.of("textbox")


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_has_a_role_and_a_name_and_what_changes_is_said(
    tmp_path: Path, language: Language
) -> None:
    with a_program(tmp_path / "ours") as program, a_browser(tmp_path / "b") as browser:
        _walk(Page(browser), program, language)
