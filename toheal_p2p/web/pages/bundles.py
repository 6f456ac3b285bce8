"""Messages in a file: for a member whom no network reaches, and taking such a file.

A file passes through a folder of its own in the profile's, and is gone from there when the page has
it. It is sealed: whoever finds a remainder can read nothing of it.

Docs: docs/page.md, section 4; docs/protocol/sync.md, section 7.
"""

from __future__ import annotations

from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote

import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from toheal_p2p.app.interface import BundleView, ProgressView
from toheal_p2p.app.passing import passing_folder
from toheal_p2p.app.refusals import Refused
from toheal_p2p.web.finding import look_around
from toheal_p2p.web.site import FILE_TYPE, Endpoint, Form, Site
from toheal_p2p.web.trying import Trying

LARGEST: Final = 256 * 1024 * 1024
"""Bytes of a file (a test compares with the core's)."""

_PIECE: Final = 256 * 1024


async def member_file(site: Site, request: Request, _form: Form) -> Response:
    """Say what a file for a member is, and offer to make one."""
    around = await look_around(site, request)
    found = around.member(request.path_params["who"])
    return site.show("bundle.html", circle=around.circle, member=found)


async def make(site: Site, request: Request, _form: Form) -> Response:
    """Make a file for a member and give it to the browser."""
    circle, who = request.path_params["circle"], request.path_params["who"]
    with ExitStack() as until_sent:
        path = until_sent.enter_context(passing_folder(site.house.home)) / "file"
        async with site.house.visit() as app:
            made = await app.bundles.make(circle, who, str(path), report=_silent)
        file = until_sent.enter_context(path.open("rb"))
        return _Sealed(file, _said(site, made), until_sent.pop_all())


async def file_form(site: Site, _request: Request, _form: Form) -> Response:
    """Ask for a file that somebody made for us."""
    return site.show("bundle_take.html", error="", taken=None)


async def take(site: Site, request: Request, _form: Form) -> Response:
    """Take a file that a member made for us."""
    taken = None
    if request.headers.get("content-type") != FILE_TYPE:
        return await file_form(site, request, _form)
    with Trying(site) as tried, passing_folder(site.house.home) as folder:
        path = folder / "file"
        await _keep(request, path)
        async with site.house.visit() as app:
            taken = await app.bundles.take(str(path), report=_silent)
    return site.show("bundle_take.html", error=tried.error, taken=taken)


async def _keep(request: Request, path: Path) -> None:
    """Write what is sent to a file, piece by piece."""
    size = 0
    async with await trio.open_file(path, "wb") as file, aclosing(request.stream()) as pieces:
        async for piece in pieces:
            size += len(piece)
            if size > LARGEST:
                raise Refused("bundle_too_large", limit=LARGEST)
            await file.write(piece)


def _said(site: Site, made: BundleView) -> str:
    words = site.words
    if not made.messages:
        return words.text("page_bundle.nothing_owed")
    said = words.text("page_bundle.made", count=made.messages)
    return said if not made.left else f"{said} {words.text('page_bundle.left', count=made.left)}"


async def _silent(_progress: ProgressView) -> None:
    """The page says that it takes a while; a bar would only hurry."""


class _Sealed(Response):
    """A file that is gone once it was sent, or could not be. `x-said` is the sentence to it."""

    def __init__(self, file: BinaryIO, said: str, until_sent: ExitStack) -> None:
        super().__init__(media_type="application/octet-stream")
        self._file = file
        self._until_sent = until_sent
        self.headers["x-said"] = quote(said)
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it piece by piece."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        with self._until_sent:
            await send(start)
            while piece := await trio.to_thread.run_sync(self._file.read, _PIECE):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circle/{circle}/file/{who}", member_file),
    ("POST", "/circle/{circle}/file/{who}", make),
    ("GET", "/file", file_form),
    ("POST", "/file", take),
)
