"""My circles, a new one, and who is in it.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.interface import CircleView
from toheal_p2p.app.vocabulary import DISAPPEAR_TIMES
from toheal_p2p.locale.charter import default_charter
from toheal_p2p.web.finding import find_circle, look_around
from toheal_p2p.web.site import Endpoint, Fields, Form, Site
from toheal_p2p.web.trying import Trying


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
    return await _new(site, error="", name="", relay="", charter=charter, chosen=Fields())


async def create(site: Site, request: Request, form: Form) -> Response:
    """Begin a circle and show it."""
    with Trying(site) as tried:
        return site.show("created.html", circle=await _create(site, form))
    return await _new(
        site,
        error=tried.error,
        name=form["name"],
        relay=form["relay"],
        charter=form["charter"],
        chosen=form,
    )


async def _create(site: Site, form: Form) -> CircleView:
    addresses = form["relay"].split()
    async with site.house.visit() as app:
        made = await app.circle_create(
            form["name"],
            relays=addresses,
            direct=form["direct"] == "yes",
            charter=form["charter"],
            nickname=form["nickname"].strip() or None,
            disappear=DISAPPEAR_TIMES.get(form["stays"], DISAPPEAR_TIMES["7d"]),
        )
        for address in addresses:  # the next circle is made without looking for it again
            await app.relay_add(address)
    return made


async def _new(
    site: Site, *, error: str, name: str, relay: str, charter: str, chosen: Form
) -> Response:
    async with site.house.visit() as app:
        relays = await app.relay_list()
    return site.show(
        "new_circle.html",
        error=error,
        name=name,
        relay=relay,
        charter=charter,
        relays=relays,
        chosen=chosen,
    )


async def about(site: Site, request: Request, _form: Form) -> Response:
    """Show what there is to see and to do around a circle."""
    return site.show("about.html", around=await look_around(site, request))


async def members(site: Site, request: Request, _form: Form) -> Response:
    """Show who is in a circle, and warn of names that look the same."""
    around = await look_around(site, request)
    return site.show("members.html", around=around, circle=around.circle)


async def member(site: Site, request: Request, _form: Form) -> Response:
    """Show one member, and what there is to do with them."""
    return await member_page(site, request)


async def member_page(site: Site, request: Request, *, error: str = "") -> Response:
    """Return the page of one member."""
    around = await look_around(site, request)
    return site.show(
        "member.html",
        around=around,
        circle=around.circle,
        member=around.member(request.path_params["who"]),
        error=error,
    )


async def safety_words(site: Site, request: Request, _form: Form) -> Response:
    """Show the words two people compare aloud."""
    around = await look_around(site, request)
    found = around.member(request.path_params["who"])
    async with site.house.visit() as app:
        words = await app.safety_words(around.circle.id, found.id, language=site.words.language)
    return site.show("safety_words.html", circle=around.circle, member=found, words=words)


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


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circles", circles),
    ("GET", "/circles/new", new_form),
    ("POST", "/circles/new", create),
    ("GET", "/circle/{circle}/about", about),
    ("GET", "/circle/{circle}/members", members),
    ("GET", "/circle/{circle}/member/{who}", member),
    ("POST", "/circle/{circle}/seen", seen),
    ("GET", "/circle/{circle}/words/{who}", safety_words),
    ("GET", "/circle/{circle}/leave", leave_form),
    ("POST", "/circle/{circle}/leave", leave),
)
