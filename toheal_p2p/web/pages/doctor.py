"""The doctor: what works, what is blocked, what to try.

Docs: docs/page.md, section 4; docs/command-line.md, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.interface import CheckView, CircleView
from toheal_p2p.app.vocabulary import CheckCode
from toheal_p2p.locale import Words
from toheal_p2p.locale.shown import Own
from toheal_p2p.web.finding import place_of
from toheal_p2p.web.site import Endpoint, Form, Site

_OWN_WORDS: Final[Mapping[CheckCode, str]] = {
    "no_relay": "page_doctor.no_relay",
    "relay_not_allowed": "page_doctor.relay_not_allowed",
    "relay_proxy_unreachable": "page_doctor.relay_proxy_unreachable",
    "fork_seen": "page_doctor.fork_seen",
    "session_reset": "page_doctor.session_reset",
    "stories_differ": "page_doctor.stories_differ",
}
"""Findings whose sentence on the command line names a command."""

TO_CONFIRM: Final = ("fork_seen", "session_reset", "stories_differ")
"""What is told again and again until the person says that they have seen it."""


async def doctor(site: Site, _request: Request, _form: Form) -> Response:
    """Say what is being looked at; the findings come by themselves."""
    return site.show("doctor.html")


async def findings(site: Site, _request: Request, _form: Form) -> Response:
    """Look at everything. Takes as long as the slowest relay."""
    async with site.house.visit() as app:
        found = await app.doctor()
        circles = await app.circle_list()
    return site.show(
        "findings.html",
        care=[one for one in found if not one.ok],
        well=[one for one in found if one.ok],
        sentence=lambda check: finding(site.words, check),
        to_confirm=TO_CONFIRM,
        circle_of=lambda check: _circle_of(circles, check),
    )


async def confirm(site: Site, _request: Request, form: Form) -> Response:
    """Note that the warnings of a circle were seen; look again."""
    async with site.house.visit() as app:
        await app.circle_seen(form["circle"])
    return site.show("doctor.html")


def _circle_of(circles: Sequence[CircleView], check: CheckView) -> str:
    """Return the id of the circle a finding is about; empty where two have one name."""
    named = [one.id for one in circles if one.name == check.facts.get("circle")]
    return named[0] if len(named) == 1 else ""


def finding(words: Words, check: CheckView) -> Own:
    """Return what was found, as a sentence of the page."""
    key = _OWN_WORDS.get(check.code, f"check.{check.code}")
    facts = dict(check.facts)
    if "address" in facts:
        facts["address"] = place_of(str(facts["address"]))
    said = words.text(key, **facts)
    return Own(said[:1].upper() + said[1:])


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/doctor", doctor),
    ("GET", "/doctor/findings", findings),
    ("POST", "/doctor/seen", confirm),
)
