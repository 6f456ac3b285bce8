"""Every screen in both languages: nobody is kept out, nothing is loaded that should not be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.browser import a_browser
from tests.support.page_program import a_program
from tests.support.pages import Page
from tests.support.processes import a_town
from tests.support.tour import Tour
from toheal_p2p.locale import LANGUAGES, Language

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDTHS = (320, 1280)


@pytest.mark.slow(25)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_screen_keeps_nobody_out_and_loads_nothing_foreign(
    tmp_path: Path, language: Language
) -> None:
    wrong: list[str] = []
    seen: list[str] = []
    with (
        a_town(tmp_path) as town,
        a_program(tmp_path / "ours") as program,
        a_browser(tmp_path / "browser") as browser,
    ):
        page = Page(browser)
        page.watch_policy()
        page.size(360, 740)
        for name in Tour(page, program, town, language).walk():
            seen.append(name)
            for width in WIDTHS:
                for dark in (False, True):
                    page.size(width, 800, dark=dark)
                    wrong += [f"{name} {width} dark={dark}: {one}" for one in page.axe()]
                wide = page.ask("document.documentElement.scrollWidth - innerWidth")
                if wide > 0:
                    wrong.append(f"{name} {width}: {wide} pixels too wide")
            wrong += [f"{name}: the policy blocked {one}" for one in page.blocked()]
            wrong += [f"{name}: asked {one}" for one in foreign_requests(page, program.url)]
            if page.ask("document.title") in ("", "toheal"):
                wrong.append(f"{name}: the title says something")
            page.size(360, 740)
    assert wrong == []
    assert len(seen) == len(set(seen)) >= 35
    assert seen[-1] == "calendar"


def foreign_requests(page: Page, url: str) -> list[str]:
    """Return what the page asked anybody else for."""
    asked = page.ask("JSON.stringify(performance.getEntriesByType('resource').map(e => e.name))")
    return [one for one in json.loads(asked) if not one.startswith((url, "data:"))]
