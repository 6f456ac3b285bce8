"""Settings: language, digits, colours, when to lock, what leads through a proxy.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from attrs import evolve
from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.settings_interface import UNSET, SettingView
from toheal_p2p.app.vocabulary import SETTING_NAMES
from toheal_p2p.web.pages.circles import circles
from toheal_p2p.web.site import Endpoint, Form, Site
from toheal_p2p.web.trying import Trying

LOOKS: Final = ("language", "digits", "colours", "neutral")
"""Settings that the frame around every page shows: it is made anew."""


async def settings(site: Site, _request: Request, _form: Form) -> Response:
    """Show every setting that can be chosen from a few, and the proxy."""
    return await _show(site)


async def _show(site: Site, *, error: str = "", refused_proxy: str | None = None) -> Response:
    """Show the settings; a proxy that was refused is still in its box, and the reason stands above."""
    async with site.house.visit() as app:
        found = [_sorted(site, one) for one in await app.settings.list()]
        offered = await app.settings.offered_proxy()
    return site.show(
        "settings.html", found=found, offered=offered, error=error, refused_proxy=refused_proxy
    )


def _sorted(site: Site, setting: SettingView) -> SettingView:
    """Return a setting with its countries in the order of the person's language."""
    if setting.name != "country":
        return setting
    known = [code for code in setting.choices if code != UNSET]
    known.sort(key=lambda code: site.words.word("country", code))
    return evolve(setting, choices=(UNSET, *known))


async def choose(site: Site, request: Request, form: Form) -> Response:
    """Keep a choice; it is in effect on return."""
    name = request.path_params["name"]
    if name not in SETTING_NAMES:
        raise Refused("no_such_setting", name=name[:200])
    with Trying(site) as tried:
        async with site.house.visit() as app:
            await app.settings.set(name, form["value"] or UNSET)
    if tried.error:
        typed = form["value"] if name == "proxy" else None
        return await _show(site, error=tried.error, refused_proxy=typed)
    if name == "language":
        site.take_language(form["value"])
    if name in LOOKS:
        return Response(headers={"HX-Refresh": "true"})
    return await settings(site, request, form)


async def use_offered_proxy(site: Site, request: Request, form: Form) -> Response:
    """Take the proxy that was found on this machine, or go on without."""
    if form["answer"] == "yes":
        async with site.house.visit() as app:
            offered = await app.settings.offered_proxy()
            if offered is not None:
                await app.settings.set("proxy", offered)
    return await circles(site, request, form)


async def passphrase_form(site: Site, _request: Request, _form: Form) -> Response:
    """Ask for the old and the new passphrase."""
    return site.show("passphrase.html", error="")


async def change_passphrase(site: Site, _request: Request, form: Form) -> Response:
    """Move everything under a new passphrase."""
    try:
        if form["passphrase"] != form["again"]:
            raise Refused("passphrases_differ")
        async with site.house.visit() as app:
            await app.change_passphrase(form["old"], form["passphrase"])
    except Refused as refused:
        if refused.code == "locked":
            raise
        return site.show("passphrase.html", error=site.sentence(refused))
    return site.show(
        "finished.html", title="page_passphrase.done", words="page_passphrase.done_hint"
    )


async def used(site: Site, _request: Request, _form: Form) -> Response:
    """Somebody types: the profile is not idle. Nothing is shown."""
    async with site.house.visit():
        return Response(status_code=HTTPStatus.NO_CONTENT)


async def state(site: Site, _request: Request, _form: Form) -> Response:
    """Say how the profile stands. Asking is no use of it."""
    return Response(site.house.state, media_type="text/plain")


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/settings", settings),
    ("POST", "/settings/{name}", choose),
    ("POST", "/proxy", use_offered_proxy),
    ("GET", "/passphrase", passphrase_form),
    ("POST", "/passphrase", change_passphrase),
    ("POST", "/used", used),
    ("GET", "/state", state),
)
