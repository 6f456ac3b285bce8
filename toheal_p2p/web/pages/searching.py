"""Looking for words in a circle.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.web.entries import entries_as_html
from toheal_p2p.web.finding import circle_of
from toheal_p2p.web.site import Endpoint, Form, Site

SHOWN: Final = 50
"""Findings on one page, newest first: whoever has more of them takes more words."""


async def search_form(site: Site, request: Request, form: Form) -> Response:
    """Ask what to look for."""
    return await search(site, request, form)


async def search(site: Site, request: Request, form: Form) -> Response:
    """Show what was found; each finding leads to its place.

    The words are posted, so that they stand in no address.
    """
    async with site.house.visit() as app:
        view = await circle_of(app, request.path_params["circle"])
        found = list(await app.search(view.id, form["query"])) if form["query"].strip() else []
        shown = await entries_as_html(site, app, found[:SHOWN])
    return site.show(
        "search.html",
        circle=view,
        query=form["query"],
        found=[(one.id, html) for one, html in zip(found, shown, strict=False)],
        is_asked=bool(form["query"].strip()),
        has_more=len(found) > SHOWN,
    )


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circle/{circle}/search", search_form),
    ("POST", "/circle/{circle}/search", search),
)
