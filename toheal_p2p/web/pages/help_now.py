"""Help that is one step away on every page, before unlocking too: helplines and a moment of calm.

Docs: docs/page.md, section 4; docs/helplines.md.
"""

from __future__ import annotations

import re
import time
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.care.helplines import (
    Helpline,
    countries,
    has_more,
    helplines_in,
    may_have_changed,
)
from toheal_p2p.locale import Words
from toheal_p2p.locale.shown import Own
from toheal_p2p.web.site import Endpoint, Form, Site

_DAY = re.compile(r"\b(Sun|Mon|Tue|Wed|Thu|Fri|Sat)\b")


async def calm(site: Site, _request: Request, _form: Form) -> Response:
    """Show the exercises."""
    return site.show("calm.html")


async def help_now(site: Site, request: Request, _form: Form) -> Response:
    """Show the lines of the country that was chosen; ask for it first."""
    wanted = request.query_params.get("country", site.country)
    site.country = wanted if wanted in countries() else ""
    wants_more = request.query_params.get("more") == "yes"
    today = time.localtime()
    return site.show(
        "help.html",
        countries=sorted(countries(), key=lambda code: site.words.word("country", code)),
        country=site.country,
        lines=helplines_in(site.country, on_request=wants_more),
        offers_more=has_more(site.country) and not wants_more,
        name=partial(_name, site.words),
        hours=partial(_hours, site.words),
        is_old=partial(may_have_changed, year=today.tm_year, month=today.tm_mon),
    )


def _name(words: Words, line: Helpline) -> str:
    if line.kind == "emergency":
        return words.word("emergency", line.service or "all")
    return (words.language == "ar" and line.name_ar) or line.name_en


def _hours(words: Words, line: Helpline) -> str:
    """Return when a line answers; the file says it in English."""
    if not line.hours:
        return ""
    if line.hours == "24/7":
        return words.text("page_help.always")
    text = _DAY.sub(lambda day: words.word("weekday", day[0].lower()), line.hours)
    return Own(text.replace("daily", words.text("page_help.daily")))


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/calm", calm),
    ("GET", "/help", help_now),
)
