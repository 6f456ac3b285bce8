"""Inviting, and the door: seats and what became of them, who waits, words at the door, letting in.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from typing import Final

import segno
from attrs import evolve
from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.interface import DoorLineView
from toheal_p2p.app.refusals import Refused
from toheal_p2p.web.alike import alike, told_apart
from toheal_p2p.web.finding import find_circle
from toheal_p2p.web.pages.talk import circle_page
from toheal_p2p.web.seen import unchanged
from toheal_p2p.web.site import Endpoint, Form, Site
from toheal_p2p.web.trying import Trying

LASTS: Final = {"1h": 3600, "2d": 48 * 3600, "7d": 7 * 24 * 3600}
"""How long an invitation can last: now, as a rule, and for somebody who is slow to decide."""

HOST: Final = "host"
"""Stands in an address for whom we wait for at a door: there is only one."""


async def invite_form(site: Site, request: Request, _form: Form) -> Response:
    """Ask what kind of invitation it is to be, and show the seats on offer."""
    return await _seats(site, request)


async def invite(site: Site, request: Request, form: Form) -> Response:
    """Offer a seat and show its link in every form."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            lasts = LASTS.get(form["lasts"], LASTS["2d"])
            made = await app.invite(request.path_params["circle"], expires_in=lasts)
        return await _show_link(site, request, made.id)
    return await _seats(site, request, error=tried.error)


async def show_link(site: Site, request: Request, _form: Form) -> Response:
    """Show the link of a seat once more."""
    return await _show_link(site, request, request.path_params["seat"])


async def withdraw(site: Site, request: Request, _form: Form) -> Response:
    """Take a seat back."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            circle, seat = request.path_params["circle"], request.path_params["seat"]
            await app.withdraw_invitation(circle, seat)
    return await _seats(site, request, error=tried.error)


async def every_seat(site: Site, request: Request, _form: Form) -> Response:
    """Show every seat this device ever offered, newest first, and what became of it."""
    circle = await find_circle(site, request)
    async with site.house.visit() as app:
        found = await app.seats(circle.id)
    return site.show("seats.html", circle=circle, seats=found[::-1])


async def door(site: Site, request: Request, _form: Form) -> Response:
    """Show who waits."""
    return await _door(site, request)


async def admit(site: Site, request: Request, form: Form) -> Response:
    """Let somebody in; who came by a notice is sent an invitation to the circle itself."""
    circle, who = request.path_params["circle"], request.path_params["who"]
    with Trying(site) as tried:
        async with site.house.visit() as app:
            by_notice = any(one.id == who and one.notice for one in await app.waiting(circle))
            await app.admit(circle, who)
            waiting = await app.waiting(circle)
        if not waiting:
            return await circle_page(site, circle)
        if by_notice:
            return await _words(site, request, said=site.words.text("page_door.invited"))
    return await _door(site, request, error=tried.error)


async def decline(site: Site, request: Request, form: Form) -> Response:
    """Keep the door closed to somebody."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            await app.decline(request.path_params["circle"], request.path_params["who"])
    return await _door(site, request, error=tried.error)


async def door_words(site: Site, request: Request, _form: Form) -> Response:
    """Show what was said through the door, and a place to say more."""
    return await _words(site, request)


async def door_lines(site: Site, request: Request, _form: Form) -> Response:
    """Show only what was said, if there is more of it than the page has."""
    with Trying(site) as tried:
        lines = await _lines(site, request)
    if tried.error:  # the door was opened, or they went away
        answer = await circle_page(site, request.path_params["circle"])
        answer.headers["HX-Retarget"] = "#page"
        answer.headers["HX-Reswap"] = "innerHTML"
        return answer
    circle, who = request.path_params["circle"], request.path_params["who"]
    page = site.show("door_lines.html", circle_id=circle, who=who, lines=lines)
    return unchanged(request, str(len(lines))) or page


async def say_at_door(site: Site, request: Request, form: Form) -> Response:
    """Say something through the door. What is refused stays in its box."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            await app.door_say(request.path_params["circle"], _who(request), form["text"])
        return await _words(site, request)
    return await _words(site, request, error=tried.error, text=form["text"])


async def _door(site: Site, request: Request, *, error: str = "") -> Response:
    circle = await find_circle(site, request)
    async with site.house.visit() as app:
        waiting = await app.waiting(circle.id)
        everybody = [(one.id, one.name) for one in waiting]
        everybody += [(one.id, one.name) for one in await app.circle_members(circle.id)]
    called = told_apart(everybody)
    return site.show(
        "door.html",
        circle=circle,
        waiting=[evolve(one, name=called[one.id]) for one in waiting],
        twins=alike(everybody),
        error=error,
    )


async def _words(
    site: Site, request: Request, *, error: str = "", text: str = "", said: str = ""
) -> Response:
    circle = await find_circle(site, request)
    who = _who(request)
    async with site.house.visit() as app:
        waiting = [] if who is None else await app.waiting(circle.id)
    person = next((one for one in waiting if one.id == who), None)
    if who is not None and person is None:
        raise Refused("nobody_waiting", name=who[:12])
    return site.show(
        "door_words.html",
        circle=circle,
        circle_id=circle.id,
        person=person,
        who=request.path_params["who"],
        lines=await _lines(site, request),
        error=error,
        text=text,
        said=said,
    )


async def _lines(site: Site, request: Request) -> Sequence[DoorLineView]:
    async with site.house.visit() as app:
        return await app.door(request.path_params["circle"], _who(request))


def _who(request: Request) -> str | None:
    who: str = request.path_params["who"]
    return None if who == HOST else who


async def _seats(site: Site, request: Request, *, error: str = "") -> Response:
    circle = await find_circle(site, request)
    async with site.house.visit() as app:
        seats = await app.invitations(circle.id)
        codes = await app.spoken.codes(circle.id)
    return site.show("invite.html", circle=circle, seats=seats, codes=codes, error=error)


async def _show_link(site: Site, request: Request, seat: str) -> Response:
    circle = await find_circle(site, request)
    async with site.house.visit() as app:
        found = [one for one in await app.invitations(circle.id) if one.id == seat]
    if not found:
        raise Refused("no_such_invitation", name=seat[:12])
    link = found[0].link
    return site.show(
        "invitation.html",
        circle=circle,
        seat=found[0],
        picture=as_picture(link),
        file=as_file(link),
    )


def as_picture(link: str) -> str:
    """Return an address that holds the link as a QR code."""
    return _as_data("image/svg+xml", draw_link(link))


def as_file(link: str) -> str:
    """Return an address that holds the link as a text."""
    return _as_data("text/plain;charset=utf-8", f"{link}\n".encode())


def draw_link(link: str) -> bytes:
    """Return the link as a QR code, dark on light whatever the page's colours are."""
    image = io.BytesIO()
    segno.make_qr(link, error="m").save(image, kind="svg", scale=4, border=3, light="white")
    return image.getvalue()


def _as_data(kind: str, content: bytes) -> str:
    """Return a URL that holds its content: nothing has to be asked for, and nothing is kept."""
    return f"data:{kind};base64,{b64encode(content).decode()}"


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circle/{circle}/invite", invite_form),
    ("POST", "/circle/{circle}/invite", invite),
    ("GET", "/circle/{circle}/invite/{seat}", show_link),
    ("GET", "/circle/{circle}/seats", every_seat),
    ("POST", "/circle/{circle}/withdraw/{seat}", withdraw),
    ("GET", "/circle/{circle}/door", door),
    ("GET", "/circle/{circle}/door/{who}", door_words),
    ("GET", "/circle/{circle}/door/{who}/lines", door_lines),
    ("POST", "/circle/{circle}/door/{who}", say_at_door),
    ("POST", "/circle/{circle}/admit/{who}", admit),
    ("POST", "/circle/{circle}/decline/{who}", decline),
)
