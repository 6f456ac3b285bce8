"""Notices: a link that many can knock with, and by which nobody comes in.

Docs: docs/page.md, section 4; docs/decisions/0089-a-notice-is-a-circle-nobody-enters.md.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.refusals import Refused
from toheal_p2p.locale import Words
from toheal_p2p.web.finding import find_circle
from toheal_p2p.web.pages.doorstep import as_file, as_picture
from toheal_p2p.web.site import Endpoint, Fields, Form, Site
from toheal_p2p.web.trying import Trying

_DAY: Final = 24 * 3600
LASTS: Final = {"1d": _DAY, "7d": 7 * _DAY, "14d": 14 * _DAY}
"""How long a notice can last; fourteen days is the most an invitation lives."""


async def boards(site: Site, request: Request, _form: Form) -> Response:
    """Show the notices of this device for a circle."""
    return await _boards(site, request)


async def board_form(site: Site, request: Request, _form: Form) -> Response:
    """Ask what a stranger is to read."""
    return await _ask(site, request, Fields())


async def publish(site: Site, request: Request, form: Form) -> Response:
    """Publish a notice and show its link."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            made = await app.notice_open(
                request.path_params["circle"],
                topic=form["topic"],
                text=notice_text(site.words, speaks=form["speaks"], hours=form["hours"]),
                name=form["name"].strip() or site.words.text("notice.name"),
                expires_in=LASTS.get(form["lasts"], LASTS["14d"]),
            )
        return await _show(site, request, made.id)
    return await _ask(site, request, form, error=tried.error)


async def board(site: Site, request: Request, _form: Form) -> Response:
    """Show the link of a notice once more."""
    return await _show(site, request, request.path_params["notice"])


async def close(site: Site, request: Request, _form: Form) -> Response:
    """Take a notice back."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            await app.notice_close(request.path_params["circle"], request.path_params["notice"])
    return await _boards(site, request, error=tried.error)


def notice_text(words: Words, *, speaks: str, hours: str) -> str:
    """Return what a stranger reads: what this is, then what was filled in."""
    lines = [words.text("notice.only_the_door")]
    lines += [words.text("notice.speaks", languages=speaks)] if speaks.strip() else []
    lines += [words.text("notice.hours", hours=hours)] if hours.strip() else []
    return "\n".join([*lines, words.text("notice.not_emergency")])


async def _boards(site: Site, request: Request, *, error: str = "") -> Response:
    circle = await find_circle(site, request)
    async with site.house.visit() as app:
        found = await app.notices(circle.id)
    return site.show("boards.html", circle=circle, notices=found[::-1], error=error)


async def _ask(site: Site, request: Request, form: Form, *, error: str = "") -> Response:
    circle = await find_circle(site, request)
    return site.show("board_new.html", circle=circle, form=form, error=error)


async def _show(site: Site, request: Request, notice: str) -> Response:
    circle = await find_circle(site, request)
    async with site.house.visit() as app:
        found = [one for one in await app.notices(circle.id) if one.id == notice and one.link]
    if not found:
        raise Refused("no_such_notice", name=notice[:12])
    link = found[0].link
    return site.show(
        "board.html",
        circle=circle,
        notice=found[0],
        picture=as_picture(link),
        file=as_file(link),
    )


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circle/{circle}/boards", boards),
    ("GET", "/circle/{circle}/boards/new", board_form),
    ("POST", "/circle/{circle}/boards/new", publish),
    ("GET", "/circle/{circle}/boards/{notice}", board),
    ("POST", "/circle/{circle}/boards/{notice}/close", close),
)
