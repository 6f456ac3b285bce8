"""The part of the walk that is about keeping and losing: settings, a backup, erasing, coming back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.page_program import PASSPHRASE

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
