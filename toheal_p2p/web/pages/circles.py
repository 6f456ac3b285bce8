"""My circles, a new one, and who is in it.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.interface import CircleView
from toheal_p2p.app.refusals import Refused, refusal_in
from toheal_p2p.locale.charter import default_charter
from toheal_p2p.web.alike import alike
from toheal_p2p.web.site import Endpoint, Form, Site


async def circles(site: Site, _request: Request, _form: Form) -> Response:
    """Show the circles, those we are in first."""
    async with site.house.visit() as app:
        found = await app.circle_list()
    here = [one for one in found if one.state in ("active", "waiting_at_door")]
    past = [one for one in found if one not in here]
    return site.show("circles.html", here=here, past=past)


async def new_form(site: Site, _request: Request, _form: Form) -> Response:
    """Ask what a new circle is to be like."""
    charter = default_charter(site.words)
    return await _new(site, error="", name="", relay="", charter=charter)


async def create(site: Site, request: Request, form: Form) -> Response:
    """Begin a circle and show it."""
    try:
        made = await _create(site, form)
    except (Refused, ExceptionGroup) as error:
        refusal = refusal_in(error)
        if refusal is None:
            raise
        return await _new(
            site,
            error=site.sentence(refusal),
            name=form["name"],
            relay=form["relay"],
            charter=form["charter"],
        )
    return site.show("created.html", circle=made)


async def _create(site: Site, form: Form) -> CircleView:
    address = form["relay"].strip()
    async with site.house.visit() as app:
        made = await app.circle_create(
            form["name"],
            relays=[address] if address else [],
            direct=False,
            charter=form["charter"],
            nickname=None,
        )
        if address:  # the next circle is made without looking for it again
            await app.relay_add(address)
    return made


async def _new(site: Site, *, error: str, name: str, relay: str, charter: str) -> Response:
    async with site.house.visit() as app:
        relays = await app.relay_list()
    return site.show(
        "new_circle.html", error=error, name=name, relay=relay, charter=charter, relays=relays
    )


async def members(site: Site, request: Request, _form: Form) -> Response:
    """Show who is in a circle, and warn of names that look the same."""
    async with site.house.visit() as app:
        circle = await find_circle(site, request)
        found = await app.circle_members(circle.id)
    twins = alike([(one.id, one.name) for one in found])
    return site.show("members.html", circle=circle, members=found, twins=twins)


async def safety_words(site: Site, request: Request, _form: Form) -> Response:
    """Show the words two people compare aloud."""
    who = request.path_params["who"]
    async with site.house.visit() as app:
        circle = await find_circle(site, request)
        words = await app.safety_words(circle.id, who, language=site.words.language)
        member = next((one for one in await app.circle_members(circle.id) if one.id == who), None)
    if member is None:
        raise Refused("no_such_member", name=who[:12])
    return site.show("safety_words.html", circle=circle, member=member, words=words)


async def seen(site: Site, request: Request, form: Form) -> Response:
    """Note that the warnings about copies were seen."""
    async with site.house.visit() as app:
        await app.circle_seen(request.path_params["circle"])
    return await members(site, request, form)


async def leave_form(site: Site, request: Request, _form: Form) -> Response:
    """Ask once whether it is meant."""
    return site.show("leave.html", circle=await find_circle(site, request))


async def leave(site: Site, request: Request, form: Form) -> Response:
    """Leave. Nobody is asked why."""
    async with site.house.visit() as app:
        await app.circle_leave(request.path_params["circle"])
    return await circles(site, request, form)


async def find_circle(site: Site, request: Request) -> CircleView:
    """Return the circle of the address.

    Raises:
        Refused: no_such_circle.
    """
    wanted = request.path_params["circle"]
    async with site.house.visit() as app:
        for circle in await app.circle_list():
            if circle.id == wanted:
                return circle
    raise Refused("no_such_circle", name=wanted[:12])


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circles", circles),
    ("GET", "/circles/new", new_form),
    ("POST", "/circles/new", create),
    ("GET", "/circle/{circle}/members", members),
    ("POST", "/circle/{circle}/seen", seen),
    ("GET", "/circle/{circle}/words/{who}", safety_words),
    ("GET", "/circle/{circle}/leave", leave_form),
    ("POST", "/circle/{circle}/leave", leave),
)
