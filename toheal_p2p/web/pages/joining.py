"""Joining by a link: what the invitation says, a yes to the charter, a name.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.refusals import Refused, refusal_in
from toheal_p2p.web.pages.talk import circle_page
from toheal_p2p.web.site import Endpoint, Form, Site


async def link_form(site: Site, _request: Request, _form: Form) -> Response:
    """Ask for the link."""
    return site.show("join.html", error="", link="")


async def look(site: Site, _request: Request, form: Form) -> Response:
    """Fetch the invitation and show what it says. Nobody is told."""
    link = clean_link(form["link"])
    try:
        async with site.house.visit() as app:
            content = await app.look_at_invitation(link)
    except (Refused, ExceptionGroup) as error:
        return site.show("join.html", error=_said(site, error), link=form["link"])
    return site.show("charter.html", error="", link=link, content=content, nickname="")


async def join(site: Site, request: Request, form: Form) -> Response:
    """Say yes and knock."""
    if form["agreed"] != "yes":
        raise Refused("charter_not_accepted")
    link = clean_link(form["link"])
    async with site.house.visit() as app:
        try:
            joined = await app.join(link, nickname=form["nickname"])
        except (Refused, ExceptionGroup) as error:
            said = _said(site, error)
            content = await app.look_at_invitation(link)
            return site.show(
                "charter.html", error=said, link=link, content=content, nickname=form["nickname"]
            )
    return await circle_page(site, joined.id)


def clean_link(given: str) -> str:
    """Drop what copying a link out of a message brings along: spaces, line ends, direction marks."""
    return "".join(
        char for char in given if not char.isspace() and unicodedata.category(char) != "Cf"
    )


def _said(site: Site, error: Exception) -> str:
    refusal = refusal_in(error)
    if refusal is None:
        raise error
    return site.sentence(refusal)


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/join", link_form),
    ("POST", "/join/look", look),
    ("POST", "/join", join),
)
