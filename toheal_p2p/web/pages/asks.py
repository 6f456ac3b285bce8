"""What a circle asks of us just now, shown on its page: a charter to read, a question, an act.

Docs: docs/page.md, section 5.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.web.finding import find_circle
from toheal_p2p.web.seen import sum_of, unchanged
from toheal_p2p.web.site import Endpoint, Form, Site


async def asks(site: Site, request: Request, _form: Form) -> Response:
    """Show what waits for us, if that is not what the page has."""
    circle = await find_circle(site, request)
    waits, offered = False, []
    async with site.house.visit() as app:
        if circle.state == "active":
            waits = any(one.asks_us for one in await app.circle_acts(circle.id))
            offered = [one for one in await app.talks(circle.id) if one.state == "offered"]
    shown = (
        site.words.language,
        circle.charter_accepted,
        circle.muted_until,
        waits,
        [one.id for one in offered],
    )
    digest = sum_of(shown)
    page = site.show("asks.html", circle=circle, waits=waits, offered=offered, digest=digest)
    return unchanged(request, digest) or page


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (("GET", "/circle/{circle}/asks", asks),)
