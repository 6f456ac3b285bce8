"""Conversations of two: asked for, answered, introduced by a facilitator, opened.

Docs: docs/page.md, section 4; docs/decisions/0088-a-conversation-of-two.md.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve
from starlette.requests import Request
from starlette.responses import Response

from toheal_p2p.app.refusals import Refused
from toheal_p2p.locale import Words
from toheal_p2p.web.finding import look_around
from toheal_p2p.web.site import Endpoint, Fields, Form, Site
from toheal_p2p.web.trying import Trying

CARD: Final = {
    "when": "page_talks.card_when",
    "can": "page_talks.card_can",
    "cannot": "page_talks.card_cannot",
    "heavy": "page_talks.card_heavy",
}
"""The lines of a card and their sentences."""


async def talks(site: Site, request: Request, _form: Form) -> Response:
    """Show what was asked for in a circle."""
    return await _talks(site, request)


async def ask_form(site: Site, request: Request, _form: Form) -> Response:
    """Say what asking means, and offer a card."""
    return await _ask(site, request, Fields(), is_answer=False)


async def ask(site: Site, request: Request, form: Form) -> Response:
    """Ask a member for a conversation of two."""
    circle, who = request.path_params["circle"], request.path_params["who"]
    with Trying(site) as tried:
        async with site.house.visit() as app:
            await app.talk_ask(circle, who, card=card_text(site.words, form))
        return await _talks(site, request)
    return await _ask(site, request, form, is_answer=False, error=tried.error)


async def answer_form(site: Site, request: Request, _form: Form) -> Response:
    """Offer a card before the yes."""
    return await _ask(site, request, Fields(), is_answer=True)


async def answer(site: Site, request: Request, form: Form) -> Response:
    """Say yes to being asked, or introduced."""
    circle, who = request.path_params["circle"], request.path_params["who"]
    with Trying(site) as tried:
        async with site.house.visit() as app:
            await app.talk_accept(circle, who, card=card_text(site.words, form))
        return await _talks(site, request)
    return await _ask(site, request, form, is_answer=True, error=tried.error)


async def decline(site: Site, request: Request, form: Form) -> Response:
    """Say no, which nobody is told; or take a question of ours back."""
    circle, who = request.path_params["circle"], request.path_params["who"]
    with Trying(site) as tried:
        async with site.house.visit() as app:
            await app.talk_decline(circle, who, for_good=form["for_good"] == "yes")
    said = "" if tried.error else site.words.text("page_talks.nobody_told")
    return await _talks(site, request, error=tried.error, said=said)


async def introduce_form(site: Site, request: Request, _form: Form) -> Response:
    """Ask which two are to be brought together."""
    return await _introduce(site, request, Fields())


async def introduce(site: Site, request: Request, form: Form) -> Response:
    """Ask two members whether they would talk with each other."""
    with Trying(site) as tried:
        async with site.house.visit() as app:
            await app.talk_introduce(request.path_params["circle"], form["one"], form["two"])
        return await _talks(site, request)
    return await _introduce(site, request, form, error=tried.error)


def card_text(words: Words, form: Form) -> str:
    """Return the card as the words that are said first; empty where nothing was filled in."""
    filled = [(key, form[line].strip()) for line, key in CARD.items()]
    return "\n".join(f"{words.text(key)}\n{text}" for key, text in filled if text)


async def _talks(site: Site, request: Request, *, error: str = "", said: str = "") -> Response:
    around = await look_around(site, request)
    async with site.house.visit() as app:
        found = [
            evolve(one, partner_name=around.called(one.partner, one.partner_name))
            for one in await app.talks(around.circle.id)
        ]
    under_way = {one.partner for one in found if one.state in ("asked", "offered", "agreed")}
    return site.show(
        "talks.html",
        around=around,
        circle=around.circle,
        offered=[one for one in found if one.state == "offered"],
        others=[one for one in found if one.state != "offered"],
        to_ask=[one for one in around.others if one.id not in under_way],
        error=error,
        said=said,
    )


async def _ask(
    site: Site, request: Request, form: Form, *, is_answer: bool, error: str = ""
) -> Response:
    around = await look_around(site, request)
    found = around.member(request.path_params["who"])
    if found.is_me:
        raise Refused("act_on_oneself")
    return site.show(
        "talk_card.html",
        circle=around.circle,
        member=found,
        card=CARD,
        form=form,
        is_answer=is_answer,
        error=error,
    )


async def _introduce(site: Site, request: Request, form: Form, *, error: str = "") -> Response:
    around = await look_around(site, request)
    return site.show(
        "introduce.html", circle=around.circle, others=around.others, form=form, error=error
    )


PAGES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("GET", "/circle/{circle}/talks", talks),
    ("GET", "/circle/{circle}/talks/introduce", introduce_form),
    ("POST", "/circle/{circle}/talks/introduce", introduce),
    ("GET", "/circle/{circle}/talks/ask/{who}", ask_form),
    ("POST", "/circle/{circle}/talks/ask/{who}", ask),
    ("GET", "/circle/{circle}/talks/yes/{who}", answer_form),
    ("POST", "/circle/{circle}/talks/yes/{who}", answer),
    ("POST", "/circle/{circle}/talks/no/{who}", decline),
)
