"""Inviting, and the door: seats on offer, who waits, letting in.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

import io
from base64 import b64encode
from typing import Final

import segno
from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.refusals import Refused, refusal_in
from toheal_p2p.web.alike import alike
from toheal_p2p.web.pages.circles import find_circle
from toheal_p2p.web.pages.talk import circle_page
from toheal_p2p.web.site import Endpoint, Form, Site

LASTS: Final = {"1h": 3600, "2d": 48 * 3600, "7d": 7 * 24 * 3600}
"""How long an invitation can last: now, as a rule, and for somebody who is slow to decide."""


async def invite_form(site: Site, request: Request, _form: Form) -> Response:
    """Show the seats on offer, and offer one more."""
    return await _seats(site, request, error="")


async def invite(site: Site, request: Request, form: Form) -> Response:
    """Offer a seat and show its link in every form."""
    circle = request.path_params["circle"]
    try:
        async with site.house.visit() as app:
            made = await app.invite(circle, expires_in=LASTS.get(form["lasts"], LASTS["2d"]))
    except (Refused, ExceptionGroup) as error:
        refusal = refusal_in(error)
        if refusal is None:
            raise
        return await _seats(site, request, error=site.sentence(refusal))
    return await _show_link(site, request, made.id)


async def show_link(site: Site, request: Request, _form: Form) -> Response:
    """Show the link of a seat once more."""
    return await _show_link(site, request, request.path_params["seat"])


async def withdraw(site: Site, request: Request, _form: Form) -> Response:
    """Take a seat back."""
    async with site.house.visit() as app:
        await app.withdraw_invitation(request.path_params["circle"], request.path_params["seat"])
    return await _seats(site, request, error="")


async def door(site: Site, request: Request, _form: Form) -> Response:
    """Show who waits."""
    async with site.house.visit() as app:
        circle = await find_circle(site, request)
        waiting = await app.waiting(circle.id)
        members = await app.circle_members(circle.id)
    everybody = [(one.id, one.name) for one in waiting]
    everybody += [(one.id, one.name) for one in members]
    return site.show("door.html", circle=circle, waiting=waiting, twins=alike(everybody))


async def admit(site: Site, request: Request, form: Form) -> Response:
    """Let somebody in."""
    async with site.house.visit() as app:
        circle = request.path_params["circle"]
        await app.admit(circle, request.path_params["who"])
        waiting = await app.waiting(circle)
    return await (door(site, request, form) if waiting else circle_page(site, circle))


async def decline(site: Site, request: Request, form: Form) -> Response:
    """Keep the door closed to somebody."""
    async with site.house.visit() as app:
        await app.decline(request.path_params["circle"], request.path_params["who"])
    return await door(site, request, form)


async def _seats(site: Site, request: Request, *, error: str) -> Response:
    async with site.house.visit() as app:
        circle = await find_circle(site, request)
        seats = await app.invitations(circle.id)
    return site.show("invite.html", circle=circle, seats=seats, error=error)


async def _show_link(site: Site, request: Request, seat: str) -> Response:
    async with site.house.visit() as app:
        circle = await find_circle(site, request)
        found = [one for one in await app.invitations(circle.id) if one.id == seat]
    if not found:
        raise Refused("no_such_invitation", name=seat[:12])
    link = found[0].link
    return site.show(
        "invitation.html",
        circle=circle,
        seat=found[0],
        picture=_as_data("image/svg+xml", draw_link(link)),
        file=_as_data("text/plain;charset=utf-8", f"{link}\n".encode()),
    )


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
    ("POST", "/circle/{circle}/withdraw/{seat}", withdraw),
    ("GET", "/circle/{circle}/door", door),
    ("POST", "/circle/{circle}/admit/{who}", admit),
    ("POST", "/circle/{circle}/decline/{who}", decline),
)
