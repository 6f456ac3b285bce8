"""Keeping and losing: a backup and its words, bringing one back, erasing everything.

The words are shown once. Until three of them were typed, the backup can be deleted again.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import trio
from attrs import evolve
from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.house import Told
from toheal_p2p.app.interface import AppInterface, Report
from toheal_p2p.app.progress_view import ProgressView
from toheal_p2p.app.refusals import Refused
from toheal_p2p.web.events import Doing, Working
from toheal_p2p.web.site import Endpoint, Form, MadeBackup, Site
from toheal_protocol.identity import is_same_word

PROVED: Final = 3
"""Words that are asked for: enough to notice that nothing was written down."""

LOOK: Final = 0.5
"""Seconds between two looks at how far a restore is."""

TRIES: Final = 3
"""After so many the backup is deleted: words that nobody has open nothing."""


async def backup_form(site: Site, request: Request, form: Form) -> Response:
    """Say what a backup is, and ask where it shall lie; one whose words wait comes first."""
    if site.made is not None:
        return await words(site, request, form)
    return site.show("backup.html", path=_somewhere())


async def make_backup(site: Site, _request: Request, form: Form) -> Response:
    """Write it, tell how far it is, and lead to its words."""
    path = _whole(form["path"].strip() or _somewhere())

    async def work(app: AppInterface, report: Report) -> str:
        made = await app.backups.make(path, language=site.words.language, report=report)
        site.made = MadeBackup(path, tuple(made.words), _some_places(len(made.words)))
        return site.fill("then.html", address="/backup/words")

    return Doing(site, work)


async def words(site: Site, _request: Request, _form: Form) -> Response:
    """Show the words of the backup that was just made, until three of them were asked for."""
    return site.show("backup_words.html", words_of=_made(site).words)


async def proof_form(site: Site, _request: Request, _form: Form) -> Response:
    """Ask for a few of the words."""
    return site.show("backup_proof.html", places=_made(site).places, error="")


async def prove(site: Site, _request: Request, form: Form) -> Response:
    """Look whether they are right; after too many wrong ones nothing is left of the backup."""
    made = _made(site)
    if all(is_same_word(form[f"word{place}"], made.words[place - 1]) for place in made.places):
        site.made = None
        return site.show("backup_done.html", path=made.path)
    if made.tries + 1 >= TRIES:
        site.made = None
        with suppress(OSError):
            await trio.Path(made.path).unlink()
        raise Refused("recovery_words_unproven")
    site.made = evolve(made, tries=made.tries + 1, places=_some_places(len(made.words)))
    error = site.words.text("note.backup_other_word")
    return site.show("backup_proof.html", places=site.made.places, error=error)


async def restore_form(site: Site, _request: Request, _form: Form) -> Response:
    """Ask for the file, its words and a new passphrase."""
    return site.show("restore.html", path=str(Path.home()) + os.sep)


async def restore(site: Site, _request: Request, form: Form) -> Response:
    """Bring the profile back, tell how far it is, and open it."""
    path = _whole(form["path"].strip())

    async def work(report: Report) -> str:
        if form["passphrase"] != form["again"]:
            raise Refused("passphrases_differ")
        async with _told_as_it_goes(report) as told:
            await site.house.restore(
                path, words=form["words"], passphrase=form["passphrase"], told=told
            )
        return site.fill("then.html", address="/circles")

    return Working(site, work)


@asynccontextmanager
async def _told_as_it_goes(report: Report) -> AsyncIterator[Told]:
    """Report, now and then, what a thread tells of how far it is."""
    so_far: list[tuple[int, int]] = []

    async def look() -> None:
        while True:
            await trio.sleep(LOOK)
            if so_far:
                done, all_ = so_far.pop()
                so_far.clear()
                await report(ProgressView("restoring", {"count": done, "all": all_}))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        yield lambda done, all_: so_far.append((done, all_))
        nursery.cancel_scope.cancel()


async def wipe_form(site: Site, _request: Request, _form: Form) -> Response:
    """Ask once, clearly."""
    return site.show("wipe.html")


async def wipe(site: Site, _request: Request, _form: Form) -> Response:
    """Erase the profile. The program goes on and knows nobody."""
    site.drafts.clear()
    await site.house.wipe()
    site.forget_start()
    return site.show("finished.html", title="page_wipe.done", words="page_wipe.done_hint")


def _somewhere() -> str:
    """Return a name that says nothing, in the person's own folder."""
    return str(Path.home() / time.strftime("copy-%Y-%m-%d-%H%M"))


def _whole(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _some_places(count: int) -> tuple[int, ...]:
    return tuple(sorted(secrets.SystemRandom().sample(range(1, count + 1), PROVED)))


def _made(site: Site) -> MadeBackup:
    if site.house.state != "open":
        raise Refused("locked")
    if site.made is None:
        raise Refused("recovery_words_unproven")
    return site.made


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/backup", backup_form),
    ("POST", "/backup", make_backup),
    ("GET", "/backup/words", words),
    ("GET", "/backup/proof", proof_form),
    ("POST", "/backup/proof", prove),
    ("GET", "/restore", restore_form),
    ("POST", "/restore", restore),
    ("GET", "/wipe", wipe_form),
    ("POST", "/wipe", wipe),
)
