"""Consent to show words outside the circle: asked for, given, taken back, and used.

Docs: docs/page.md, section 4; docs/protocol/consent.md.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.refusals import Refused, refusal_in
from toheal_p2p.web.finding import circle_of
from toheal_p2p.web.site import Endpoint, Form, Site

DAYS: Final = 30
"""How long a consent lasts unless somebody chooses."""


async def shares(site: Site, request: Request, _form: Form) -> Response:
    """Show what was asked, by us and of us."""
    async with site.house.visit() as app:
        view = await circle_of(app, request.path_params["circle"])
        found = await app.share_list(view.id)
    return site.show("shares.html", circle=view, shares=list(reversed(found)))


async def ask_form(site: Site, request: Request, _form: Form) -> Response:
    """Ask which words, who would see them, and what for."""
    return await _ask(site, request, {})


async def ask(site: Site, request: Request, form: Form) -> Response:
    """Ask the author; what is refused stays in its boxes."""
    wanted, which = request.path_params["circle"], request.path_params["message"]
    async with site.house.visit() as app:
        entry = await app.entry(wanted, which)
        # a browser ends lines as forms do; an author is asked about words as they wrote them
        excerpt = form["excerpt"].replace("\r\n", "\n")
        try:
            await app.share_ask(
                wanted,
                which,
                excerpt=None if excerpt.strip() == entry.text.strip() else excerpt,
                audience=form["audience"],
                purpose=form["purpose"],
                days=_days(form["days"]),
            )
        except (Refused, ExceptionGroup) as error:
            refusal = refusal_in(error)
            if refusal is None or refusal.code == "locked":
                raise
            return await _ask(site, request, form, error=site.sentence(refusal))
    return await shares(site, request, form)


async def answer(site: Site, request: Request, form: Form) -> Response:
    """Answer what we were asked. Nothing but a plain yes is one."""
    wanted, share = request.path_params["circle"], request.path_params["share"]
    async with site.house.visit() as app:
        await app.share_answer(wanted, share, yes=form["answer"] == "yes")
    return await shares(site, request, form)


async def withdraw(site: Site, request: Request, form: Form) -> Response:
    """Take a yes of ours back."""
    async with site.house.visit() as app:
        await app.share_withdraw(request.path_params["circle"], request.path_params["share"])
    return await shares(site, request, form)


async def export(site: Site, request: Request, _form: Form) -> Response:
    """Show what of a message may leave the circle, with the receipt of whoever agreed."""
    wanted, which = request.path_params["circle"], request.path_params["message"]
    async with site.house.visit() as app:
        view = await circle_of(app, wanted)
        found = await app.share_export(wanted, which)
    return site.show("export.html", circle=view, found=found)


async def _ask(site: Site, request: Request, form: Form, *, error: str = "") -> Response:
    wanted, which = request.path_params["circle"], request.path_params["message"]
    async with site.house.visit() as app:
        entry = await app.entry(wanted, which)
    return site.show(
        "share_ask.html",
        circle_id=wanted,
        entry=entry,
        error=error,
        excerpt=form.get("excerpt", entry.text),
        audience=form.get("audience", ""),
        purpose=form.get("purpose", ""),
        days=form.get("days", str(DAYS)),
    )


def _days(given: str) -> int:
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 5 else DAYS


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circle/{circle}/shares", shares),
    ("GET", "/circle/{circle}/share/{message}", ask_form),
    ("POST", "/circle/{circle}/share/{message}", ask),
    ("POST", "/circle/{circle}/shares/{share}/answer", answer),
    ("POST", "/circle/{circle}/shares/{share}/withdraw", withdraw),
    ("GET", "/circle/{circle}/export/{message}", export),
)
