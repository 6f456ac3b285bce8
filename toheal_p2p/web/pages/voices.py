"""Who facilitates until when, who may write, and whose words one wants to read.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.vocabulary import ACT_REASONS
from toheal_p2p.web.finding import look_around
from toheal_p2p.web.pages.circles import member_page
from toheal_p2p.web.pages.governing import WEEKS, acts_page, reason_in
from toheal_p2p.web.site import Endpoint, Fields, Form, Site
from toheal_p2p.web.trying import Trying

HOURS: Final = {"1": 1, "6": 6, "24": 24}
"""How long a pause for somebody's words can be; a day is the most."""


async def term_form(site: Site, request: Request, _form: Form) -> Response:
    """Ask for how long somebody is to facilitate."""
    return await _ask(site, request, "term.html", Fields())


async def term(site: Site, request: Request, form: Form) -> Response:
    """Sign that a facilitator goes on for so many weeks from now."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            circle, who = request.path_params["circle"], request.path_params["who"]
            done = await app.circle_term(circle, who, weeks=WEEKS.get(form["weeks"], WEEKS["4"]))
        return await acts_page(site, request, done=done)
    return await _ask(site, request, "term.html", form, error=tried.error)


async def mute_form(site: Site, request: Request, _form: Form) -> Response:
    """Say what a mute is, and ask for how long and why."""
    return await _ask(site, request, "mute.html", Fields())


async def mute(site: Site, request: Request, form: Form) -> Response:
    """Sign that somebody's words to the circle are not shown for a while."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            done = await app.circle_mute(
                request.path_params["circle"],
                request.path_params["who"],
                hours=HOURS.get(form["hours"], HOURS["6"]),
                reason=reason_in(form),
                text=form["text"].strip(),
            )
        return await acts_page(site, request, done=done)
    return await _ask(site, request, "mute.html", form, error=tried.error)


async def unmute(site: Site, request: Request, _form: Form) -> Response:
    """Sign that a mute is over."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            circle, who = request.path_params["circle"], request.path_params["who"]
            done = await app.circle_unmute(circle, who)
        return await acts_page(site, request, done=done)
    return await member_page(site, request, error=tried.error)


async def hide(site: Site, request: Request, form: Form) -> Response:
    """Show a member's words on this device no more, or again. Nobody is told."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            circle, who = request.path_params["circle"], request.path_params["who"]
            await app.hide(circle, who, hidden=form["hidden"] == "yes")
    return await member_page(site, request, error=tried.error)


async def _ask(
    site: Site, request: Request, template: str, form: Form, *, error: str = ""
) -> Response:
    around = await look_around(site, request)
    return site.show(
        template,
        circle=around.circle,
        member=around.member(request.path_params["who"]),
        reasons=ACT_REASONS,
        form=form,
        error=error,
    )


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circle/{circle}/term/{who}", term_form),
    ("POST", "/circle/{circle}/term/{who}", term),
    ("GET", "/circle/{circle}/mute/{who}", mute_form),
    ("POST", "/circle/{circle}/mute/{who}", mute),
    ("POST", "/circle/{circle}/unmute/{who}", unmute),
    ("POST", "/circle/{circle}/hide/{who}", hide),
)
