"""What is decided together: roles, removals, taking back, and the history of all of it.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import asdict, frozen
from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.interface import ActView, AppInterface
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.vocabulary import ACT_REASONS, ROLES, ActReason
from toheal_p2p.locale import Words
from toheal_p2p.locale.acts import act_sentence
from toheal_p2p.web.finding import Around, look_around, named_apart
from toheal_p2p.web.site import Endpoint, Fields, Form, Site
from toheal_p2p.web.trying import Trying

WEEKS: Final = {"2": 2, "4": 4, "8": 8, "26": 26}
"""How long somebody can facilitate at a time; four weeks is what is usual."""


@frozen
class ShownAct:
    """One act with its sentence, and what we can do about it."""

    act: ActView
    what: str
    may_take_back: bool


async def acts(site: Site, request: Request, _form: Form) -> Response:
    """Show what was done in a circle: what waits first, then the newest."""
    return await acts_page(site, request)


async def second(site: Site, request: Request, _form: Form) -> Response:
    """Support what waits."""
    circle, act = request.path_params["circle"], request.path_params["act"]
    with Trying(site) as tried:
        async with site.house.visit() as app:
            await app.circle_second(circle, act)
    return await acts_page(site, request, error=tried.error)


async def readmit(site: Site, request: Request, _form: Form) -> Response:
    """Take somebody back who was removed."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            await app.circle_readmit(request.path_params["circle"], request.path_params["who"])
        return await acts_page(site, request, said=site.words.text("page_acts.taken_back"))
    if tried.code == "no_such_member":
        tried.error = site.words.text("page_acts.too_late")
    return await acts_page(site, request, error=tried.error)


async def role_form(site: Site, request: Request, _form: Form) -> Response:
    """Ask for a role, and why."""
    return await _ask(site, request, "role.html", form=Fields())


async def change_role(site: Site, request: Request, form: Form) -> Response:
    """Sign that somebody is to have a role."""
    if form["role"] not in ROLES:
        return await _ask(site, request, "role.html", form=form)
    with Trying(site) as tried:
        async with site.house.visit() as app:
            done = await app.circle_role(
                request.path_params["circle"],
                request.path_params["who"],
                form["role"],
                reason=reason_in(form),
                text=form["text"].strip(),
                weeks=WEEKS.get(form["weeks"], WEEKS["4"]),
            )
        return await acts_page(site, request, done=done)
    return await _ask(site, request, "role.html", form=form, error=tried.error)


async def removal_form(site: Site, request: Request, _form: Form) -> Response:
    """Ask for the reason of a removal, and say what it means."""
    return await _ask(site, request, "removal.html", form=Fields())


async def remove(site: Site, request: Request, form: Form) -> Response:
    """Sign that somebody is to be out."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            done = await app.circle_remove(
                request.path_params["circle"],
                request.path_params["who"],
                reason=reason_in(form),
                text=form["text"].strip(),
            )
        return await acts_page(site, request, done=done)
    return await _ask(site, request, "removal.html", form=form, error=tried.error)


def reason_in(form: Form) -> ActReason:
    """Return the reason that was chosen."""
    chosen = form["reason"]
    return chosen if chosen in ACT_REASONS else "other"


async def acts_page(
    site: Site, request: Request, *, done: ActView | None = None, said: str = "", error: str = ""
) -> Response:
    """Return the history of a circle. `done`: what was signed just now, with what became of it."""
    around = await look_around(site, request)
    async with site.house.visit() as app:
        found = await _acts(app, around, site.words)
    return site.show(
        "acts.html",
        circle=around.circle,
        waiting=[one for one in found if one.act.state == "waits"],
        past=[one for one in reversed(found) if one.act.state != "waits"],
        done=done,
        said=said,
        error=error,
    )


async def waiting_acts(site: Site, around: Around, kind: str) -> Sequence[ShownAct]:
    """Return what of one kind waits for more people."""
    async with site.house.visit() as app:
        found = await _acts(app, around, site.words)
    return [one for one in found if one.act.state == "waits" and one.act.kind == kind]


async def _acts(app: AppInterface, around: Around, words: Words) -> list[ShownAct]:
    return [
        ShownAct(
            act,
            act_sentence(words, asdict(named_apart(act, around.members))),
            around.facilitates and act.returns_until is not None,
        )
        for act in await app.circle_acts(around.circle.id)
    ]


async def _ask(
    site: Site, request: Request, template: str, *, form: Form, error: str = ""
) -> Response:
    around = await look_around(site, request)
    found = around.member(request.path_params["who"])
    if around.circle.state != "active":
        raise Refused("left_circle")
    return site.show(
        template,
        circle=around.circle,
        around=around,
        member=found,
        reasons=ACT_REASONS,
        roles=[one for one in ROLES if one != found.role],
        form=form,
        error=error,
    )


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circle/{circle}/acts", acts),
    ("POST", "/circle/{circle}/support/{act}", second),
    ("POST", "/circle/{circle}/readmit/{who}", readmit),
    ("GET", "/circle/{circle}/role/{who}", role_form),
    ("POST", "/circle/{circle}/role/{who}", change_role),
    ("GET", "/circle/{circle}/removal/{who}", removal_form),
    ("POST", "/circle/{circle}/removal/{who}", remove),
)
