"""Meeting in one room: on, off, for newcomers too, and how it goes.

Docs: docs/page.md, section 4; docs/protocol/lan.md.
"""

from __future__ import annotations

from typing import Final

from attrs import astuple, frozen
from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.interface import MeetingView
from toheal_p2p.web.seen import sum_of, unchanged
from toheal_p2p.web.site import Endpoint, Fields, Form, Site
from toheal_p2p.web.trying import Trying

LASTS: Final = {"30m": 1800, "2h": 7200, "8h": 8 * 3600}
"""How long it stays open: nobody has to remember to close it."""


@frozen
class Shown:
    """How meeting goes: the circles for which it is open, and until when newcomers find us."""

    opened: tuple[MeetingView, ...]
    room_until: int

    @property
    def digest(self) -> str:
        """Return a short sum by which a page can say that it has just this."""
        return sum_of(astuple(self))


async def meeting(site: Site, request: Request, _form: Form) -> Response:
    """Show how meeting in one room goes, and how to open it."""
    chosen = Fields()
    chosen["circle"] = request.query_params.get("circle", "")
    return await _meeting(site, chosen)


async def state(site: Site, request: Request, _form: Form) -> Response:
    """Show only how it goes, if that is not what the page has."""
    shown = await _shown(site)
    return unchanged(request, shown.digest) or site.show("meet_state.html", shown=shown)


async def open_(site: Site, _request: Request, form: Form) -> Response:
    """Let this device be found on the local network."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            await app.meeting.open(
                form["circle"] or None,
                seconds=LASTS.get(form["lasts"], LASTS["2h"]),
                interfaces=form["interface"].split(),
                room=form["room"] == "yes",
            )
    return await _meeting(site, form, error=tried.error)


async def close(site: Site, _request: Request, form: Form) -> Response:
    """Close it, for one circle or altogether."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            await app.meeting.close(form["circle"] or None)
    return await _meeting(site, Fields(), error=tried.error)


async def _meeting(site: Site, form: Form, *, error: str = "") -> Response:
    async with site.house.visit() as app:
        circles = [
            one for one in await app.circle_list() if one.state in ("active", "waiting_at_door")
        ]
    shown = await _shown(site)
    return site.show("meet.html", circles=circles, form=form, error=error, shown=shown)


async def _shown(site: Site) -> Shown:
    async with site.house.visit() as app:
        views = await app.meeting.views()
    opened = tuple(one for one in views if one.state != "closed")
    return Shown(opened, max((one.room_until for one in views), default=0))


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/meet", meeting),
    ("GET", "/meet/state", state),
    ("POST", "/meet", open_),
    ("POST", "/meet/close", close),
)
