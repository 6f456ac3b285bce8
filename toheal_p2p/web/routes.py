"""Every address of the page, and the application that answers them.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

import mimetypes
from importlib.resources import files
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from toheal_p2p.web.pages import (
    asks,
    attaching,
    beginning,
    boards,
    bundles,
    circles,
    doctor,
    doorstep,
    governing,
    help_now,
    joining,
    keeping,
    meeting,
    message,
    rules,
    searching,
    settings,
    sharing,
    shell,
    spoken,
    talk,
    talks,
    voices,
    ways,
)
from toheal_p2p.web.site import Endpoint, Site, answering

PARTS: Final = "toheal_p2p.web"

PAGES: Final = (
    *shell.PAGES,
    *beginning.PAGES,
    *help_now.PAGES,
    *circles.PAGES,
    *joining.PAGES,
    *governing.PAGES,
    *rules.PAGES,
    *voices.PAGES,
    *doorstep.PAGES,
    *boards.PAGES,
    *talks.PAGES,
    *spoken.PAGES,
    *meeting.PAGES,
    *ways.PAGES,
    *doctor.PAGES,
    *bundles.PAGES,
    *asks.PAGES,
    *talk.PAGES,
    *settings.PAGES,
    *keeping.PAGES,
    *message.PAGES,
    *searching.PAGES,
    *sharing.PAGES,
    *attaching.PAGES,
)
"""Method, path and endpoint of everything but the parts."""


def make_app(site: Site) -> Starlette:
    """Return the application that answers for one site. It is behind the `Gate`."""
    routes = [_route(site, method, path, endpoint) for method, path, endpoint in PAGES]
    return Starlette(routes=[*routes, *map(_part, _parts())])


def _route(site: Site, method: str, path: str, endpoint: Endpoint) -> Route:
    name = f"{method} {path}"
    return Route(path, answering(site, endpoint), methods=[method], name=name)


def _parts() -> list[tuple[str, bytes, str]]:
    """Read styles, scripts and the font once: a request never names a file on the disk."""
    folder = files(PARTS) / "static"
    found = [path for path in folder.iterdir() if path.is_file()]
    return [(path.name, path.read_bytes(), _kind(path.name)) for path in found]


def _kind(name: str) -> str:
    if name.endswith(".woff2"):  # not every system knows it
        return "font/woff2"
    return mimetypes.guess_type(name)[0] or "text/plain"


def _part(part: tuple[str, bytes, str]) -> Route:
    name, content, kind = part

    async def give(_request: Request) -> Response:
        return Response(content, media_type=kind)

    return Route(f"/parts/{name}", give, methods=["GET"], name=name)
