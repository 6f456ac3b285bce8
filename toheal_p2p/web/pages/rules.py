"""What a circle lives by: its charter, how members connect, how long words stay.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.vocabulary import DISAPPEAR_TIMES
from toheal_p2p.web.finding import find_circle, look_around
from toheal_p2p.web.pages.governing import acts_page, waiting_acts
from toheal_p2p.web.pages.talk import circle_page
from toheal_p2p.web.site import Endpoint, Form, Site
from toheal_p2p.web.trying import Trying


async def charter(site: Site, request: Request, _form: Form) -> Response:
    """Show the charter in force, and who said yes to it."""
    return await _charter(site, request)


async def accept(site: Site, request: Request, form: Form) -> Response:
    """Say yes to the charter that was shown, and to no other."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            await app.circle_accept(request.path_params["circle"], form["charter"])
        return await circle_page(site, request.path_params["circle"])
    return await _charter(site, request, error=tried.error)


async def charter_form(site: Site, request: Request, _form: Form) -> Response:
    """Show the charter as a text to be changed."""
    async with site.house.visit() as app:
        text = (await app.circle_charter(request.path_params["circle"])).text
    return await _change(site, request, text=text)


async def propose(site: Site, request: Request, form: Form) -> Response:
    """Sign that the circle is to have another charter."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            done = await app.circle_charter_set(request.path_params["circle"], form["charter"])
        return await acts_page(site, request, done=done)
    return await _change(site, request, text=form["charter"], error=tried.error)


async def policy(site: Site, request: Request, _form: Form) -> Response:
    """Show how members connect, and what waits for a yes of everybody."""
    return await _policy(site, request)


async def change_policy(site: Site, request: Request, form: Form) -> Response:
    """Sign that members are to connect otherwise."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            circle, direct = request.path_params["circle"], form["direct"] == "yes"
            done = await app.circle_policy_set(circle, direct=direct)
        return await acts_page(site, request, done=done)
    return await _policy(site, request, error=tried.error)


async def stays(site: Site, request: Request, _form: Form) -> Response:
    """Show how long what we say stays with its readers."""
    return await _stays(site, request)


async def change_stays(site: Site, request: Request, form: Form) -> Response:
    """Choose for what we say from now on."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            seconds = DISAPPEAR_TIMES.get(form["stays"], -1)
            await app.circle_disappear(request.path_params["circle"], seconds)
        return await circle_page(site, request.path_params["circle"])
    return await _stays(site, request, error=tried.error)


async def _charter(site: Site, request: Request, *, error: str = "") -> Response:
    around = await look_around(site, request)
    async with site.house.visit() as app:
        found = await app.circle_charter(around.circle.id)
    waiting = await waiting_acts(site, around, "charter")
    return site.show(
        "circle_charter.html",
        circle=around.circle,
        charter=found,
        waiting=waiting,
        error=error,
    )


async def _change(site: Site, request: Request, *, text: str, error: str = "") -> Response:
    circle = await find_circle(site, request)
    return site.show("charter_change.html", circle=circle, text=text, error=error)


async def _policy(site: Site, request: Request, *, error: str = "") -> Response:
    around = await look_around(site, request)
    async with site.house.visit() as app:
        found = await app.circle_policy(around.circle.id)
    waiting = await waiting_acts(site, around, "policy")
    return site.show(
        "policy.html", circle=around.circle, policy=found, waiting=waiting, error=error
    )


async def _stays(site: Site, request: Request, *, error: str = "") -> Response:
    circle = await find_circle(site, request)
    return site.show("stays.html", circle=circle, times=DISAPPEAR_TIMES, error=error)


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circle/{circle}/charter", charter),
    ("POST", "/circle/{circle}/charter/yes", accept),
    ("GET", "/circle/{circle}/charter/change", charter_form),
    ("POST", "/circle/{circle}/charter/change", propose),
    ("GET", "/circle/{circle}/policy", policy),
    ("POST", "/circle/{circle}/policy", change_policy),
    ("GET", "/circle/{circle}/stays", stays),
    ("POST", "/circle/{circle}/stays", change_stays),
)
