"""The part of the tour in which people talk: answers, changes, requests, files, consent, a search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from tests.support.media import pixels
from tests.support.processes import PersonProcess

if TYPE_CHECKING:
    from tests.support.tour import Tour

WORDS: Final = {
    "ar": (
        "شكرًا لأن المكان يتسع لهذا.",
        "نافذة مفتوحة على حديقة، وكوبان على الطاولة",
        "كوبًا",
        ("مُرشدة نفسية", "كي أشرح لها ما يعنيه الفقد", "وأحببت أن أجلس هنا قليلًا"),
    ),
    "en": (
        "Thank you for making room for this.",
        "A window open to a garden, and two cups on the table",
        "cup",
        ("a counsellor", "to explain what loss means", "I wanted to sit here for a while"),
    ),
}


def talk_more(tour: Tour, friend: PersonProcess) -> Iterator[str]:
    """Go through everything that can be done with what was said; begin and end at the circle."""
    page, (answer, about, wanted, why) = tour.page, WORDS[tour.language]
    [circle] = [one["id"] for one in friend.ask("circle_list")]
    ours = PersonProcess(tour.names[2], tour.program.folder)
    ours.ask(
        "circle_role", circle=circle, who=friend.name, role="facilitator", reason="other", text=""
    )
    [mine, theirs, heavy] = [one["id"] for one in _said(friend, circle)]

    tour.press("page.my_circles")
    page.click(tour.names[0])
    page.wait("!!document.querySelector('.whom')")
    page.click(tour.say("page_talk.answer_to", name=friend.name))
    page.wait("!!document.querySelector('#composer .quote')")
    page.fill("text", answer)
    yield "answer"
    tour.press("page_circle.send")
    page.wait("document.querySelectorAll('#entries .quote').length === 1")
    page.click(tour.say("page_talk.to_facilitators", names=friend.name))
    page.fill("text", answer)
    yield "for-facilitators"
    page.ask("document.getElementById('text').value = ''")
    page.ask("document.getElementById('text').dispatchEvent(new Event('input', {bubbles: true}))")

    _open(page, circle, mine)
    tour.see("page_message.where")
    yield "message"
    tour.press("page_message.change")
    tour.see("page_edit.hint")
    yield "edit"
    _open(page, circle, mine)
    tour.press("page_message.take_back")
    tour.see("page_retract.hint")
    yield "take-back"
    _open(page, circle, mine)
    tour.press("page_message.ask")
    tour.see("page_request.words")
    yield "request"

    yield from _consent(tour, friend, circle, (mine, theirs), why)
    yield from _file(tour, friend, circle, about)

    tour.press("page_search.way")
    page.fill("query", wanted)
    tour.press("page_search.look")
    tour.see("page_search.place")
    yield "search"
    page.ask(f"document.querySelector('.way [hx-get$=\"/at/{heavy}\"]').click()")
    page.wait(f"document.activeElement.id === 'm-{heavy[:12]}'")


def _consent(
    tour: Tour,
    friend: PersonProcess,
    circle: str,
    messages: tuple[str, str],
    why: tuple[str, str, str],
) -> Iterator[str]:
    page, (mine, theirs), (audience, purpose, excerpt) = tour.page, messages, why
    _open(page, circle, theirs)
    tour.press("page_message.share")
    page.fill("audience", audience)
    page.fill("purpose", purpose)
    yield "may-it-be-shown"
    page.click(tour.say("page_share.ask", name=friend.name))
    tour.see("share_state.asked")
    friend.ask(
        "share_ask",
        circle=circle,
        message=mine,
        excerpt=excerpt,
        audience=audience,
        purpose=purpose,
        days=30,
    )
    tour.press("page.back")
    tour.see("page_share.look")
    tour.press("page_share.look")
    tour.see("page_share.yes")
    yield "consents"
    tour.press("page_share.yes")
    tour.see("page_share.withdraw")
    tour.press("page.back")
    page.wait("!!document.getElementById('entries')")


def _file(tour: Tour, friend: PersonProcess, circle: str, about: str) -> Iterator[str]:
    page = tour.page
    picture = friend.folder / "picture.png"
    pixels(640, 400).save(picture)
    tour.press("page_file.way")
    tour.see("page_file.cleaned")
    yield "attach"
    tour.press("page.back")
    [message] = friend.cli("attach", circle, str(picture), "--describe", about)
    page.see(about)
    yield "file"
    page.click(tour.say("page_file.fetch_of", name=friend.name))
    tour.see("page_file.show")
    tour.press("page_file.show")
    page.wait(f"document.querySelector('#f-{message[:12]} img')?.naturalWidth === 640")
    page.ask(f"document.getElementById('m-{message[:12]}').scrollIntoView()")
    yield "picture"


def _open(page: Any, circle: str, message: str) -> None:
    """Open the page of one message, by the button beside it."""
    way = f"/circle/{circle}"
    if not page.ask("!!document.getElementById('entries')"):
        page.ask(f"htmx.ajax('GET', '{way}', '#page')")
    button = f"document.querySelector('#m-{message[:12]} [hx-get=\"{way}/message/{message}\"]')"
    page.wait(f"!!{button}")
    page.ask(f"{button}.click()")
    page.wait(f"!!document.querySelector('main > .alone #m-{message[:12]}')")


def _said(friend: PersonProcess, circle: str) -> list[dict[str, Any]]:
    entries = friend.ask("read", circle=circle, after=0, follow=False)
    return [one for one in entries if one["kind"] == "text"]
