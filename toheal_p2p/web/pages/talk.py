"""The circle itself: what was said, a place to write, and what changes meanwhile.

Docs: docs/page.md, sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import asdict
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from toheal_p2p.app.interface import AppInterface, CircleView, EntryView
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.vocabulary import CONTENT_NOTES
from toheal_p2p.locale.acts import act_sentence
from toheal_p2p.web.live import LiveCircle
from toheal_p2p.web.site import SAY, Endpoint, Form, Site

FIRST: Final = 50
"""Entries that are shown at first; the person asks for more."""

MOST: Final = 800
"""Entries on one page: making them takes a tenth of a second, in which nothing else is done."""


async def circle(site: Site, request: Request, _form: Form) -> Response:
    """Show a circle."""
    return await circle_page(site, request.path_params["circle"])


async def earlier(site: Site, request: Request, _form: Form) -> Response:
    """Show a circle with more of what was said before."""
    shown = request.path_params["shown"]
    return await circle_page(site, request.path_params["circle"], shown=min(shown * 4, MOST))


async def circle_page(site: Site, wanted: str, *, shown: int = FIRST) -> Response:
    """Return the page of one circle, whatever we are to it."""
    async with site.house.visit() as app:
        view = await _find(app, wanted)
        entries: Sequence[EntryView] = ()
        if view.state != "waiting_at_door":
            entries = await app.read(view.id, limit=shown, newest=True)
        role = await _my_role(app, view)
    return site.show(
        "circle.html",
        circle=view,
        entries=entries_as_html(site, entries),
        last=entries[-1].position if entries else 0,
        shown=shown,
        has_more=len(entries) == shown < MOST,
        can_write=view.state == "active" and role != "listener",
        facilitates=role == "facilitator",
        composer=composer(site, view.id),
    )


async def say(site: Site, request: Request, form: Form) -> Response:
    """Say something, and empty the box. What is refused stays in it: see `site.refusal_answer`."""
    wanted = request.path_params["circle"]
    notes = [note for note in CONTENT_NOTES if form[f"note-{note}"]]
    async with site.house.visit() as app:
        await app.say(wanted, form["text"], notes=notes, to_facilitators=False)
    return HTMLResponse(composer(site, wanted))


async def live(site: Site, request: Request, _form: Form) -> Response:
    """Stream what changes in a circle."""
    return LiveCircle(
        site,
        request.path_params["circle"],
        after=_position(request),
        entry_as_html=lambda entry: entries_as_html(site, [entry], is_live=True)[0],
    )


def composer(site: Site, wanted: str) -> str:
    """Return the place to write."""
    return site.fill("composer.html", circle_id=wanted, all_notes=CONTENT_NOTES)


def entries_as_html(
    site: Site, entries: Sequence[EntryView], *, is_live: bool = False
) -> list[str]:
    """Return each entry as a list item.

    Args:
        is_live: the page shows what came before: what an entry changes is sent once more with it.
    """
    made = []
    for entry in entries:
        act = None if entry.act is None else asdict(entry.act)
        what = "" if act is None else act_sentence(site.words, act)
        made.append(site.fill("entry.html", entry=entry, what=what, is_live=is_live))
    return made


def _position(request: Request) -> int:
    """Return after which entry to begin: what the page has, or had before the stream broke."""
    for given in (request.headers.get("last-event-id"), request.query_params.get("after")):
        if given is not None and given.isascii() and given.isdecimal() and len(given) < 19:
            return int(given)
    return 0


async def _find(app: AppInterface, wanted: str) -> CircleView:
    for view in await app.circle_list():
        if view.id == wanted:
            return view
    raise Refused("no_such_circle", name=wanted[:12])


async def _my_role(app: AppInterface, view: CircleView) -> str:
    if view.state != "active":
        return ""
    return next(one.role for one in await app.circle_members(view.id) if one.is_me)


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circle/{circle}", circle),
    ("GET", "/circle/{circle}/earlier/{shown:int}", earlier),
    ("POST", f"/circle/{{circle}}{SAY}", say),
    ("GET", "/circle/{circle}/live", live),
)
