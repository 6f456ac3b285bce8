"""One message: where it is and how long it stays, and what can be done with it.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.interface import AppInterface, EntryView
from toheal_p2p.app.refusals import Refused, refusal_in
from toheal_p2p.web.entries import ANSWERABLE, entries_as_html
from toheal_p2p.web.finding import called_apart, circle_of, rows_apart
from toheal_p2p.web.pages.talk import circle_page
from toheal_p2p.web.site import Endpoint, Form, Site


async def message(site: Site, request: Request, _form: Form) -> Response:
    """Show one message, and what can be done with it."""
    async with site.house.visit() as app:
        view = await circle_of(app, request.path_params["circle"])
        entry = await app.entry(view.id, request.path_params["message"])
        deliveries = await app.deliveries(view.id, entry.id) if entry.mine else ()
        deliveries = rows_apart(deliveries, await app.circle_members(view.id))
        [html] = await entries_as_html(site, app, [entry])
    return site.show(
        "message.html",
        circle=view,
        entry=html,
        one=entry,
        deliveries=deliveries,
        is_said=entry.kind in ANSWERABLE and view.state == "active",
    )


async def edit_form(site: Site, request: Request, _form: Form) -> Response:
    """Show the words of a message, to be said differently."""
    async with site.house.visit() as app:
        entry = await app.entry(request.path_params["circle"], request.path_params["message"])
    return _ask(site, request, "edit.html", entry, text=entry.text)


async def edit(site: Site, request: Request, form: Form) -> Response:
    """Say it differently; what is refused stays in its box."""
    wanted, which = request.path_params["circle"], request.path_params["message"]
    async with site.house.visit() as app:
        entry = await app.entry(wanted, which)
        try:
            await app.edit(wanted, which, form["text"])
        except (Refused, ExceptionGroup) as error:
            said = _sentence(site, error)
            return _ask(site, request, "edit.html", entry, text=form["text"], error=said)
    return await circle_page(site, wanted, message=which)


async def retract_form(site: Site, request: Request, _form: Form) -> Response:
    """Ask once whether it is meant."""
    async with site.house.visit() as app:
        entry = await app.entry(request.path_params["circle"], request.path_params["message"])
    return _ask(site, request, "retract.html", entry)


async def retract(site: Site, request: Request, _form: Form) -> Response:
    """Take it back, and say who may have read it."""
    wanted, which = request.path_params["circle"], request.path_params["message"]
    async with site.house.visit() as app:
        done = await app.retract(wanted, which)
    return site.show("retracted.html", circle_id=wanted, message=which, done=done)


async def request_form(site: Site, request: Request, _form: Form) -> Response:
    """Say who would read it, and ask for words."""
    return await _request(site, request, text="", error="")


async def ask_facilitators(site: Site, request: Request, form: Form) -> Response:
    """Ask the facilitators to look at a message; what is refused stays in its box."""
    wanted, which = request.path_params["circle"], request.path_params["message"]
    async with site.house.visit() as app:
        try:
            await app.request(wanted, which, text=form["text"])
        except (Refused, ExceptionGroup) as error:
            return await _request(site, request, text=form["text"], error=_sentence(site, error))
    return await circle_page(site, wanted)


async def _request(site: Site, request: Request, *, text: str, error: str) -> Response:
    wanted = request.path_params["circle"]
    async with site.house.visit() as app:
        entry = await app.entry(wanted, request.path_params["message"])
        names = await _others_who_facilitate(app, wanted, entry)
    return _ask(site, request, "request.html", entry, text=text, error=error, facilitators=names)


async def _others_who_facilitate(
    app: AppInterface, wanted: str, entry: EntryView
) -> tuple[str, ...]:
    """Return who would be asked: everybody who facilitates but us and the author."""
    return tuple(
        one.name
        for one in called_apart(await app.circle_members(wanted))
        if one.role == "facilitator" and not one.is_me and one.id != entry.author
    )


def _ask(
    site: Site, request: Request, template: str, entry: EntryView, **facts: object
) -> Response:
    wanted = request.path_params["circle"]
    return site.show(template, **{"error": "", "circle_id": wanted, "entry": entry, **facts})


def _sentence(site: Site, error: Exception) -> str:
    refusal = refusal_in(error)
    if refusal is None or refusal.code == "locked":
        raise error
    return site.sentence(refusal)


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circle/{circle}/message/{message}", message),
    ("GET", "/circle/{circle}/edit/{message}", edit_form),
    ("POST", "/circle/{circle}/edit/{message}", edit),
    ("GET", "/circle/{circle}/retract/{message}", retract_form),
    ("POST", "/circle/{circle}/retract/{message}", retract),
    ("GET", "/circle/{circle}/request/{message}", request_form),
    ("POST", "/circle/{circle}/request/{message}", ask_facilitators),
)
