"""From the first start to an open profile: language, what this can do, a name, a passphrase.

Docs: docs/page.md, section 3.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.refusals import Refused, refusal_in
from toheal_p2p.web.pages.circles import circles
from toheal_p2p.web.site import Endpoint, Form, Site


async def now(site: Site, request: Request, form: Form) -> Response:
    """Show where the person stands: the one page that is asked for without knowing."""
    state = site.house.state
    if state == "open":
        return await circles(site, request, form)
    if state != "empty":
        return site.show("unlock.html", error=_trouble(site))
    if site.language is None:
        return site.show("language.html")
    return site.show("welcome.html")


async def choose_language(site: Site, _request: Request, form: Form) -> Response:
    """Take the language, keep it with an open profile, and begin the page anew in it."""
    site.take_language(form["language"])
    if site.house.state == "open":
        async with site.house.visit() as app:
            await app.settings.set("language", site.words.language)
    return Response(headers={"HX-Refresh": "true"})


async def offer_language(site: Site, _request: Request, _form: Form) -> Response:
    """Show the languages."""
    return site.show("language.html")


async def name_form(site: Site, _request: Request, _form: Form) -> Response:
    """Ask for a name and a passphrase."""
    return site.show("name.html", error="", nickname="")


async def begin(site: Site, request: Request, form: Form) -> Response:
    """Make the profile and open it."""
    try:
        if form["passphrase"] != form["again"]:
            raise Refused("passphrases_differ")
        await site.house.begin(nickname=form["nickname"], passphrase=form["passphrase"])
    except (Refused, ExceptionGroup) as error:
        return site.show("name.html", error=_said(site, error), nickname=form["nickname"])
    async with site.house.visit() as app:
        if site.language is not None:
            await app.settings.set("language", site.language)
        offered = await app.settings.offered_proxy()
    if offered is not None:
        return site.show("proxy_offer.html", offered=offered)
    return await circles(site, request, form)


async def unlock(site: Site, request: Request, form: Form) -> Response:
    """Open the profile."""
    try:
        await site.house.open(form["passphrase"])
    except (Refused, ExceptionGroup) as error:
        return site.show("unlock.html", error=_said(site, error))
    return await circles(site, request, form)


async def lock(site: Site, _request: Request, _form: Form) -> Response:
    """Close the profile; the page stays."""
    await site.house.lock()
    return site.show("unlock.html", error="")


def _trouble(site: Site) -> str:
    return "" if site.house.trouble is None else site.sentence(site.house.trouble)


def _said(site: Site, error: Exception) -> str:
    refusal = refusal_in(error)
    if refusal is None:
        raise error
    return site.sentence(refusal)


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/now", now),
    ("GET", "/language", offer_language),
    ("POST", "/language", choose_language),
    ("GET", "/begin", name_form),
    ("POST", "/begin", begin),
    ("POST", "/unlock", unlock),
    ("POST", "/lock", lock),
)
