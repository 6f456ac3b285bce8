"""Pages without content: the start, the shell that everything is put into, and the way out.

Docs: docs/page.md, section 2.
"""

from __future__ import annotations

import calendar
import secrets
import time
from http import HTTPStatus
from typing import Final

import trio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from toheal_p2p.web.site import Endpoint, Form, Site

AGAIN_HEADER: Final = "x-again"


async def shell(site: Site, _request: Request, _form: Form) -> Response:
    """Show the frame that our scripts fill; there is nothing in it."""
    return site.show("shell.html")


async def start(site: Site, _request: Request, _form: Form) -> Response:
    """Show the page that turns the token into keys."""
    return site.show("start.html")


async def enter(site: Site, request: Request, form: Form) -> Response:
    """Give the keys for a token: the cookie to the browser, the secret to the page."""
    found = site.keys.redeem(form["token"], trio.current_time())
    if found is None:
        return Response(status_code=HTTPStatus.FORBIDDEN)
    cookie, secret = found
    answer = JSONResponse({"secret": secret})
    answer.set_cookie(site.keys.cookie_name, cookie, httponly=True, samesite="strict", path="/")
    return answer


async def again(site: Site, request: Request, _form: Form) -> Response:
    """Write a new start file for whoever can read what we left beside the profile."""
    given = request.headers.get(AGAIN_HEADER, "")
    if not secrets.compare_digest(given.encode(), site.again.encode()):
        return Response(status_code=HTTPStatus.FORBIDDEN)
    path = site.write_start()
    return JSONResponse({"url": f"http://{site.authority}/", "start": str(path)})


async def calendar_page(site: Site, _request: Request, _form: Form) -> Response:
    """Show this month: where quick exit leads, for whoever looks over a shoulder."""
    today = time.localtime()
    first = calendar.SATURDAY if site.words.language == "ar" else calendar.MONDAY
    weeks = calendar.Calendar(first).monthdayscalendar(today.tm_year, today.tm_mon)
    days = [(first + day) % 7 for day in range(7)]
    return site.show("calendar.html", today=today, weeks=weeks, days=days)


async def leave(site: Site, _request: Request, _form: Form) -> Response:
    """Quick exit: no key opens anything any more, and the profile is locked."""
    site.keys.revoke()
    site.drafts.clear()
    await site.house.lock(at_once=True)
    answer = Response(status_code=HTTPStatus.NO_CONTENT)
    answer.delete_cookie(site.keys.cookie_name, httponly=True, samesite="strict")
    return answer


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/", shell),
    ("GET", "/start", start),
    ("GET", "/calendar", calendar_page),
    ("POST", "/enter", enter),
    ("POST", "/again", again),
    ("POST", "/exit", leave),
)
