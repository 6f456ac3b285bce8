"""Joining by a link or a spoken code: what the invitation says, a yes to the charter, a name.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.interface import InvitationContentView
from toheal_p2p.app.refusals import Refused
from toheal_p2p.web.pages.talk import circle_page
from toheal_p2p.web.site import Endpoint, Form, Site
from toheal_p2p.web.trying import Trying


async def link_form(site: Site, _request: Request, _form: Form) -> Response:
    """Ask for the link or the code."""
    return site.show("join.html", error="", code=None, link="", relay="")


async def look(site: Site, _request: Request, form: Form) -> Response:
    """Fetch the invitation and show what it says. Nobody is told, unless a code was used up."""
    given = form["link"]
    is_code = is_spoken(given)
    with Trying(site) as tried:
        async with site.house.visit() as app:
            link = clean_link(given)
            if is_code:
                link = (await app.spoken.look_up(given, relays=form["relay"].split())).link
                given = (
                    link  # the code is used up: whatever fails from here on, this is what is left
                )
            content = await app.look_at_invitation(link)
        return _charter(site, link=link, content=content, by_code=is_code)
    return site.show(
        "join.html", error=tried.error, code=tried.code, link=given, relay=form["relay"]
    )


async def join(site: Site, request: Request, form: Form) -> Response:
    """Say yes and knock."""
    if form["agreed"] != "yes":
        raise Refused("charter_not_accepted")
    link, by_code = clean_link(form["link"]), form["by_code"] == "yes"
    async with site.house.visit() as app:
        with Trying(site) as tried:
            joined = await app.join(link, nickname=form["nickname"])
            return await circle_page(site, joined.id)
        content = await app.look_at_invitation(link)
    return _charter(
        site,
        link=link,
        content=content,
        by_code=by_code,
        error=tried.error,
        nickname=form["nickname"],
    )


def _charter(
    site: Site,
    *,
    link: str,
    content: InvitationContentView,
    by_code: bool,
    error: str = "",
    nickname: str = "",
) -> Response:
    return site.show(
        "charter.html", error=error, link=link, content=content, by_code=by_code, nickname=nickname
    )


def clean_link(given: str) -> str:
    """Drop what copying a link out of a message brings along: spaces, line ends, direction marks."""
    return "".join(
        char for char in given if not char.isspace() and unicodedata.category(char) != "Cf"
    )


def is_spoken(given: str) -> bool:
    """Say whether this is meant as a code: a number and words, and nothing of an address."""
    return not set(given) & set(":/#") and any(char.isdecimal() for char in given)


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/join", link_form),
    ("POST", "/join/look", look),
    ("POST", "/join", join),
)
