"""The part of the walk that is about keeping and losing: settings, a backup, erasing, coming back.

`python -m tests.support.tour_keeping FOLDER` takes pictures of all of it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.browser import a_browser
from tests.support.page_program import PASSPHRASE, a_program
from tests.support.pages import SIZES, Page
from tests.support.processes import a_town
from tests.support.tour import Tour
from toheal_p2p.locale import LANGUAGES, Language

NEW_PASSPHRASE = "another lamp and river"


def keep_and_lose(tour: Any, folder: Path) -> Iterator[str]:
    """Go through settings to a backup, erase everything, and bring it back.

    Args:
        tour: a `Tour` that stands at the list of circles, with at least one circle.
        folder: where the backup lies.
    """
    page, file = tour.page, folder / "copy"
    tour.press("page_settings.title")
    tour.see("page_settings.keeping")
    yield "settings"
    page.click(tour.say("page_backup.title"))
    page.fill("path", str(file))
    yield "backup"
    tour.press("page_backup.make")
    words = shown_words(page)
    yield "backup-words"
    tour.press("page_backup.written")
    tour.see("page_backup.proof_title")
    prove(tour, words)
    yield "backup-proof"
    tour.press("page_backup.prove")
    tour.see("page_backup.done")
    yield "backup-done"
    tour.press("page_settings.title")
    page.click(tour.say("page_passphrase.title"))
    tour.see("page_passphrase.what")
    yield "passphrase"
    tour.press("page.back")
    page.click(tour.say("page_wipe.title"))
    tour.see("page_wipe.what")
    yield "wipe"
    tour.press("page_wipe.yes")
    tour.see("page_wipe.done")
    assert not tour.program.home.exists()
    yield "wiped"
    tour.press("page_settings.go_on")
    tour.see("page_first.welcome")
    tour.press("page_restore.title")
    page.fill("path", str(file))
    page.fill("words", "\n".join(words))
    page.fill("passphrase", NEW_PASSPHRASE)
    page.fill("again", NEW_PASSPHRASE)
    yield "restore"
    tour.press("page_restore.restore")
    page.see(tour.names[0])
    yield "restored"
    assert PASSPHRASE != NEW_PASSPHRASE


def shown_words(page: Any) -> list[str]:
    """Return the words that are shown, in their order."""
    page.wait("document.querySelectorAll('.four li').length === 24")
    found = page.ask(
        "[...document.querySelectorAll('.four li')].map(e => e.lastChild.textContent.trim())"
    )
    return [str(word) for word in found]


def prove(tour: Any, words: list[str]) -> None:
    """Type the words that are asked for."""
    asked = tour.page.wait(
        "[...document.querySelectorAll('input[id^=word]')].map(e => e.id).join(' ')"
    )
    for field in str(asked).split():
        tour.page.fill(field, words[int(field.removeprefix("word")) - 1])


def take_pictures(folder: Path, language: Language) -> None:
    """Write a picture of every screen of this part."""
    with tempfile.TemporaryDirectory() as place, a_town(Path(place)) as town:
        with a_program(Path(place) / "ours") as program, a_browser(Path(place) / "b") as browser:
            page = Page(browser)
            page.size(*SIZES[0])
            tour = Tour(page, program, town, language)
            for _ in (*tour.begin(), *tour.make_circle()):
                pass
            tour.press("page.my_circles")
            page.see(tour.names[0])
            for number, name in enumerate(keep_and_lose(tour, Path(place))):
                page.pictures(folder, f"{language}-{number:02}-{name}")


if __name__ == "__main__":
    for chosen in LANGUAGES:
        take_pictures(Path(sys.argv[1]), chosen)
