"""How members are reached, and what can be done about it: direct connections, relays.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from attrs import evolve
from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.interface import LinkView
from toheal_p2p.app.refusals import Refused
from toheal_p2p.web.finding import find_circle, look_around, place_of
from toheal_p2p.web.seen import sum_of, unchanged
from toheal_p2p.web.site import Endpoint, Form, Site
from toheal_p2p.web.trying import Trying

_CHANGES: Final[tuple[Literal["add", "remove", "allow"], ...]] = ("add", "remove", "allow")


async def ways(site: Site, request: Request, _form: Form) -> Response:
    """Show how each member is reached now."""
    circle = await find_circle(site, request)
    found, digest = await _links(site, circle.id)
    return site.show("ways.html", circle=circle, circle_id=circle.id, links=found, digest=digest)


async def links(site: Site, request: Request, _form: Form) -> Response:
    """Show only how they are reached, if that is not what the page has."""
    circle = request.path_params["circle"]
    found, digest = await _links(site, circle)
    shown = site.show("links.html", circle_id=circle, links=found, digest=digest)
    return unchanged(request, digest) or shown


async def direct_form(site: Site, request: Request, _form: Form) -> Response:
    """Say what a direct connection shows, and ask."""
    return await _direct(site, request)


async def direct(site: Site, request: Request, form: Form) -> Response:
    """Say yes or no to a direct connection with one member."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            circle, who = request.path_params["circle"], request.path_params["who"]
            view = await app.direct(circle, who, allow=form["allow"] == "yes")
            key = "page_direct.both" if view.mine and view.theirs else "page_direct.mine"
            said = site.words.text(key if view.mine else "page_direct.none", name=view.member_name)
        return await _direct(site, request, said=said)
    return await _direct(site, request, error=tried.error)


async def relays(site: Site, request: Request, _form: Form) -> Response:
    """Show at which relays this device reads and writes in a circle."""
    return await _relays(site, request)


async def change_relay(site: Site, request: Request, form: Form) -> Response:
    """Read at one relay more or less, or write where others read."""
    change = form["change"]
    if change not in _CHANGES:
        raise Refused("internal")
    with Trying(site) as tried:
        async with site.house.visit() as app:
            circle, address = request.path_params["circle"], form["address"].strip()
            await app.circle_relay(circle, address, change=change)
    given = form["address"] if tried.error and change == "add" else ""
    return await _relays(site, request, error=tried.error, given=given)


async def own_relays(site: Site, request: Request, _form: Form) -> Response:
    """Show the profile's own relays: where circles that begin here live."""
    return await _own(site)


async def change_own(site: Site, _request: Request, form: Form) -> Response:
    """Know one relay more, or one less."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            change = app.relay_remove if form["change"] == "remove" else app.relay_add
            await change(form["address"].strip())
    given = form["address"] if tried.error and form["change"] != "remove" else ""
    return await _own(site, error=tried.error, given=given)


async def _links(site: Site, circle: str) -> tuple[Sequence[LinkView], str]:
    """Return how members are reached, and a short sum of what of it is shown."""
    async with site.house.visit() as app:
        found = [_shortened(one) for one in await app.links(circle)]
    shown = [(one.member, one.link, one.trying, dict(one.trying_facts)) for one in found]
    return found, sum_of(shown)


def _shortened(link: LinkView) -> LinkView:
    """Name a relay by its place alone."""
    facts = dict(link.trying_facts)
    if "address" in facts:
        facts["address"] = place_of(str(facts["address"]))
    return evolve(link, trying_facts=facts)


async def _direct(site: Site, request: Request, *, error: str = "", said: str = "") -> Response:
    around = await look_around(site, request)
    member = around.member(request.path_params["who"])
    async with site.house.visit() as app:
        is_general = (await app.circle_policy(around.circle.id)).direct
    return site.show(
        "direct.html",
        circle=around.circle,
        member=member,
        is_general=is_general,
        error=error,
        said=said,
    )


async def _relays(site: Site, request: Request, *, error: str = "", given: str = "") -> Response:
    circle = await find_circle(site, request)
    async with site.house.visit() as app:
        found = await app.circle_relays(circle.id)
    return site.show(
        "relays.html",
        circle=circle,
        relays=found,
        place_of=place_of,
        error=error,
        given=given,
    )


async def _own(site: Site, *, error: str = "", given: str = "") -> Response:
    async with site.house.visit() as app:
        found = await app.relay_list()
    return site.show("own_relays.html", relays=found, place_of=place_of, error=error, given=given)


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circle/{circle}/ways", ways),
    ("GET", "/circle/{circle}/ways/links", links),
    ("GET", "/circle/{circle}/direct/{who}", direct_form),
    ("POST", "/circle/{circle}/direct/{who}", direct),
    ("GET", "/circle/{circle}/relays", relays),
    ("POST", "/circle/{circle}/relays", change_relay),
    ("GET", "/relays", own_relays),
    ("POST", "/relays", change_own),
)
