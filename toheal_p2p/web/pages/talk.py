"""The circle itself: what was said, a place to write, and what changes meanwhile.

Docs: docs/page.md, sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from toheal_p2p.app.interface import AppInterface, EntryView
from toheal_p2p.app.vocabulary import CONTENT_NOTES
from toheal_p2p.web.aiming import (
    Aim,
    aim_from,
    chosen_notes,
    members_of,
    my_role,
    require_audience,
    writing_in,
)
from toheal_p2p.web.entries import entries_as_html
from toheal_p2p.web.finding import circle_of
from toheal_p2p.web.live import LiveCircle
from toheal_p2p.web.site import LIVE, SAY, Endpoint, Fields, Form, Site

FIRST: Final = 50
"""Entries that are shown at first."""

MORE: Final = 100
"""Entries that are brought to them at a time, above or below."""

AROUND: Final = 20
"""Entries above the place that a page is opened at."""


async def circle(site: Site, request: Request, _form: Form) -> Response:
    """Show a circle: where it is new, otherwise its newest words."""
    return await circle_page(site, request.path_params["circle"])


async def at(site: Site, request: Request, _form: Form) -> Response:
    """Show a circle at the place of one message."""
    return await circle_page(
        site, request.path_params["circle"], message=request.path_params["message"]
    )


async def circle_page(site: Site, wanted: str, *, message: str = "") -> Response:
    """Return the page of one circle, whatever we are to it."""
    async with site.house.visit() as app:
        view = await circle_of(app, wanted)
        entries: list[EntryView] = []
        first_new, has_later, place = None, False, ""
        if view.state != "waiting_at_door":
            if message:
                found = await app.entry(view.id, message)
                place = found.id
                entries, has_later = await _around(app, view.id, found.position)
            else:
                first_new = await app.first_new(view.id)
                entries, has_later = await _newest(app, view.id, first_new)
        if entries and entries[0].position == first_new:
            first_new = None  # all of it is new: that says nothing
        writing = await writing_in(app, view)
        typed = Fields(site.drafts.back(app, view.id) or {})
        site.on_page.begin(view.id, entries, can_answer=writing is not None)
        return site.show(
            "circle.html",
            circle=view,
            entries=await entries_as_html(
                site, app, entries, can_answer=writing is not None, first_new=first_new
            ),
            last=entries[-1].position if entries else 0,
            earlier=await _earlier(app, view.id, entries),
            has_later=has_later,
            place=place,
            facilitates=my_role(await members_of(app, view)) == "facilitator",
            composer=(
                None
                if writing is None
                else composer(
                    site,
                    view.id,
                    await aim_from(app, view, typed, answer=typed["reply"]),
                    form=typed or None,
                    is_window=has_later,
                )
            ),
        )


async def before(site: Site, request: Request, _form: Form) -> Response:
    """Give what was said before, to be put above what the page shows."""
    wanted, position = request.path_params["circle"], request.path_params["position"]
    async with site.house.visit() as app:
        entries = await app.read(wanted, before=position, limit=MORE, newest=True)
        earlier = await _earlier(app, wanted, entries)
        return await _more(site, app, wanted, entries, earlier=earlier)


async def after(site: Site, request: Request, _form: Form) -> Response:
    """Give what was said after, to be put below what a page of the past shows."""
    wanted, position = request.path_params["circle"], request.path_params["position"]
    async with site.house.visit() as app:
        entries = await app.read(wanted, after=position, limit=MORE)
        later = entries[-1].position if len(entries) == MORE else 0
        return await _more(site, app, wanted, entries, later=later)


async def _more(
    site: Site,
    app: AppInterface,
    wanted: str,
    entries: Sequence[EntryView],
    **facts: int,
) -> Response:
    site.on_page.add(wanted, entries)
    made = await entries_as_html(site, app, entries, can_answer=site.on_page.can_answer)
    return site.show("more.html", circle_id=wanted, entries=made, facts=facts)


async def say(site: Site, request: Request, form: Form) -> Response:
    """Say something, and empty the box. What is refused stays in it: see `site.refusal_answer`."""
    wanted = request.path_params["circle"]
    async with site.house.visit() as app:
        await app.say(
            wanted,
            form["text"],
            notes=chosen_notes(form),
            to_facilitators=require_audience(form),
            reply=form["reply"] or None,
        )
        site.drafts.forget(wanted)
        if form["window"]:  # what was said is not on that page
            page = await circle_page(site, wanted)
            page.headers["HX-Retarget"] = "#page"
            page.headers["HX-Reswap"] = "innerHTML"
            return page
        aim = await aim_from(app, await circle_of(app, wanted), form, answer="")
    return HTMLResponse(composer(site, wanted, aim, form=Fields()))


async def draft(site: Site, request: Request, form: Form) -> Response:
    """Keep what is typed just now, until it is said or given up."""
    async with site.house.visit() as app:
        view = await circle_of(app, request.path_params["circle"])
        await site.drafts.keep(app, view.id, form)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def compose(site: Site, request: Request, form: Form) -> Response:
    """Show the place to write as an answer to a message, or to none; what was typed stays."""
    wanted = request.path_params["circle"]
    async with site.house.visit() as app:
        aim = await aim_from(app, await circle_of(app, wanted), form, answer=form["answer"])
    return HTMLResponse(composer(site, wanted, aim, form=form))


async def live(site: Site, request: Request, _form: Form) -> Response:
    """Stream what changes in a circle."""
    return LiveCircle(
        site,
        request.path_params["circle"],
        after=_position(request),
        is_window="window" in request.query_params,
    )


def composer(
    site: Site, wanted: str, aim: Aim, *, form: Form | None = None, is_window: bool = False
) -> str:
    """Return the place to write.

    Args:
        form: what was typed and chosen so far; None: the page was opened just now.
        is_window: the page shows a part of the past.
    """
    given = form or {}
    return site.fill(
        "composer.html",
        circle_id=wanted,
        all_notes=CONTENT_NOTES,
        notes_given=chosen_notes(given),
        text=given.get("text", ""),
        window=is_window or given.get("window", ""),
        is_sent=form is not None and "text" not in form,
        aim=aim,
    )


async def _around(app: AppInterface, wanted: str, position: int) -> tuple[list[EntryView], bool]:
    above = await app.read(wanted, before=position, limit=AROUND, newest=True)
    below = await app.read(wanted, after=position - 1, limit=MORE)
    return [*above, *below], len(below) == MORE


async def _newest(
    app: AppInterface, wanted: str, first_new: int | None
) -> tuple[list[EntryView], bool]:
    newest = await app.read(wanted, after=(first_new or 1) - 1, limit=FIRST, newest=not first_new)
    if first_new is None:
        return list(newest), False
    above = await app.read(wanted, before=first_new, limit=AROUND, newest=True)
    return [*above, *newest], len(newest) == FIRST


async def _earlier(app: AppInterface, wanted: str, entries: Sequence[EntryView]) -> int:
    """Return the position above which there is more; 0: there is none."""
    if not entries:
        return 0
    first = entries[0].position
    return first if await app.read(wanted, before=first, limit=1, newest=True) else 0


def _position(request: Request) -> int:
    """Return after which entry to begin: what the page has, or had before the stream broke."""
    for given in (request.headers.get("last-event-id"), request.query_params.get("after")):
        if given is not None and given.isascii() and given.isdecimal() and len(given) < 19:
            return int(given)
    return 0


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circle/{circle}", circle),
    ("GET", "/circle/{circle}/at/{message}", at),
    ("GET", "/circle/{circle}/before/{position:int}", before),
    ("GET", "/circle/{circle}/after/{position:int}", after),
    ("POST", "/circle/{circle}/compose", compose),
    ("POST", "/circle/{circle}/draft", draft),
    ("POST", f"/circle/{{circle}}{SAY}", say),
    ("GET", f"/circle/{{circle}}{LIVE}", live),
)
