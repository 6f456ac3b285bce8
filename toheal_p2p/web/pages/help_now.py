"""Help that is one step away on every page, before unlocking too: helplines and a moment of calm.

Docs: docs/page.md, section 4; docs/helplines.md.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.care.helpline_words import age_of, hours_of, name_of
from toheal_p2p.care.helplines import (
    Helpline,
    countries,
    has_more,
    helplines_in,
    may_have_changed,
)
from toheal_p2p.web.site import Endpoint, Form, Site


async def calm(site: Site, _request: Request, _form: Form) -> Response:
    """Show the exercises."""
    return site.show("calm.html")


async def help_now(site: Site, request: Request, _form: Form) -> Response:
    """Show the lines of the country that was chosen; ask for it first."""
    site.country = request.query_params.get("country", site.country)
    wanted = await _kept_country(site) if site.country is None else site.country
    country = wanted if wanted in countries() else ""
    wants_more = request.query_params.get("more") == "yes"
    today = time.localtime()

    def age(line: Helpline) -> str:
        is_old = may_have_changed(line, year=today.tm_year, month=today.tm_mon)
        said = age_of(site.words, line, is_old=is_old)
        return said.replace("-", "-\u2060")  # a date is not broken over two lines

    return site.show(
        "help.html",
        countries=sorted(countries(), key=lambda code: site.words.word("country", code)),
        country=country,
        lines=helplines_in(country, on_request=wants_more),
        offers_more=has_more(country) and not wants_more,
        name=partial(name_of, site.words),
        hours=partial(hours_of, site.words),
        age=age,
    )


async def _kept_country(site: Site) -> str:
    """Return the country of the settings; a locked page with the neutral look does not know it."""
    if site.house.state != "open":
        return site.look.country or ""
    async with site.house.visit() as app:
        return (await app.settings.get("country")).value


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/calm", calm),
    ("GET", "/help", help_now),
)
