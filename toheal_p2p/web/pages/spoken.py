"""A code that is said aloud: offered, shown large, and how it goes.

Docs: docs/page.md, section 4; docs/protocol/spoken.md.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Final, Literal

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.spoken_interface import SpokenView
from toheal_p2p.web.finding import find_circle
from toheal_p2p.web.pages.doorstep import LASTS
from toheal_p2p.web.seen import unchanged
from toheal_p2p.web.site import Endpoint, Form, Site
from toheal_p2p.web.trying import Trying


async def spoken_form(site: Site, request: Request, _form: Form) -> Response:
    """Say what a code is, and ask for its language."""
    return await _form_page(site, request)


async def offer(site: Site, request: Request, form: Form) -> Response:
    """Offer a seat by a code, and show the code."""
    language: Literal["ar", "en"] = "ar" if form["language"] == "ar" else "en"
    with Trying(site) as tried:
        async with site.house.visit() as app:
            circle = request.path_params["circle"]
            made = await app.spoken.offer(circle, expires_in=LASTS["2d"], language=language)
        return await _code_page(site, request, made)
    return await _form_page(site, request, error=tried.error, code=tried.code)


async def show_code(site: Site, request: Request, _form: Form) -> Response:
    """Show a code that waits."""
    found = await _now(site, request)
    if found is None:
        raise Refused("no_such_invitation", name=request.path_params["code"][:12])
    return await _code_page(site, request, found)


async def code_state(site: Site, request: Request, _form: Form) -> Response:
    """Show how a code stands, if that is not what the page has."""
    found = await _now(site, request)
    circle, stands = request.path_params["circle"], _stands(found)
    page = site.show("code_state.html", circle_id=circle, code=found, stands=stands)
    return unchanged(request, stands) or page


async def _now(site: Site, request: Request) -> SpokenView | None:
    """Return how the code stands; None: it is over, and forgotten."""
    with Trying(site):
        async with site.house.visit() as app:
            circle, code = request.path_params["circle"], request.path_params["code"]
            async with aclosing(app.spoken.follow(circle, code)) as views:
                async for view in views:
                    return view
    return None


def _stands(found: SpokenView | None) -> str:
    return "over" if found is None else f"{found.state}-{found.tries_left}"


async def _code_page(site: Site, request: Request, found: SpokenView) -> Response:
    circle = await find_circle(site, request)
    number, *words = found.code.split()
    return site.show(
        "spoken_code.html",
        circle=circle,
        circle_id=circle.id,
        code=found,
        number=number,
        code_words=words,
        code_language="en" if found.code.isascii() else "ar",
        stands=_stands(found),
    )


async def _form_page(
    site: Site, request: Request, *, error: str = "", code: str | None = None
) -> Response:
    circle = await find_circle(site, request)
    return site.show("spoken_new.html", circle=circle, error=error, code=code)


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circle/{circle}/spoken", spoken_form),
    ("POST", "/circle/{circle}/spoken", offer),
    ("GET", "/circle/{circle}/spoken/{code}", show_code),
    ("GET", "/circle/{circle}/spoken/{code}/state", code_state),
)
