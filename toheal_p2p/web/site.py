"""What every page of ours has in common: the house, the person's language, and how answers are made.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from attrs import define, field, frozen
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from toheal_p2p.app.house import House
from toheal_p2p.app.look import Look, read_look
from toheal_p2p.app.refusals import Refused, refusal_in
from toheal_p2p.locale import LANGUAGES, Language, Words, load_words
from toheal_p2p.web.drafts import Drafts
from toheal_p2p.web.keys import Keys
from toheal_p2p.web.on_page import OnPage
from toheal_p2p.web.rendering import Renderer
from toheal_protocol.model import MAX_TEXT_SIZE

MAX_FORM: Final = 256 * 1024
"""Bytes of a form: four times the longest text, as its letters take up to three bytes each in it."""

MAX_FIELDS: Final = 40

FILE_TYPE: Final = "application/octet-stream"
"""What a request with a file says it is: its endpoint reads it, with a bound of its own."""

SAY: Final = "/say"
"""How the address ends at which words are said."""

LIVE: Final = "/live"
"""How the address of a circle's stream ends."""

STATE: Final = "/state"
"""How the addresses end at which a page asks how something stands."""

SEEN: Final = "seen"
"""What a part of the page that asks by itself says to have."""

Form = Mapping[str, str]
"""What a person filled in; what was not is empty."""


class Fields(dict[str, str]):
    """A form's fields. A missing one is empty: our own page always sends it, others do not matter."""

    def __missing__(self, name: str) -> str:
        return ""


@frozen
class MadeBackup:
    """A backup whose words the person has not proved to have yet."""

    path: str
    words: tuple[str, ...] = field(repr=False)
    places: tuple[int, ...]
    tries: int = 0


@define(eq=False)
class Site:
    """One running page.

    Attributes:
        language: what the person chose; None: they have not been asked.
        country: whose helplines they asked for in this run; None: they did not.
        write_start: writes a new start file and returns its path.
        forget_start: takes it away, and what its token was good for.
        made: the backup that was just made.
        drafts: what was typed and not sent.
        on_page: what the open page of a circle shows. Only one page is open at a time.
    """

    house: House
    keys: Keys
    authority: str
    language: Language | None
    on_fault: Callable[[BaseException], None]
    write_start: Callable[[], Path]
    again: str = field(repr=False)
    forget_start: Callable[[], None] = lambda: None
    made: MadeBackup | None = field(default=None, init=False, repr=False)
    look: Look = field(factory=Look, init=False)
    country: str | None = field(default=None, init=False)
    renderer: Renderer = field(factory=Renderer, init=False)
    drafts: Drafts = field(factory=Drafts, init=False, repr=False)
    on_page: OnPage = field(factory=OnPage, init=False)

    def __attrs_post_init__(self) -> None:
        """Forget what was shown of the profile whenever it closes."""
        self.house.on_close = self._forget_shown

    def _forget_shown(self) -> None:
        self.made, self.on_page = None, OnPage()

    @property
    def words(self) -> Words:
        """The person's language; Arabic until they chose."""
        return load_words_once(self.language or "ar")

    def look_again(self) -> None:
        """Take over how numbers are to look; once for each request, as it is a file that is read."""
        self.look = read_look(str(self.house.home))
        self.words.digits = "arabic" if self.look.digits == "arabic" else "latin"

    def take_language(self, chosen: str) -> None:
        """Show everything in this language from now on, if there is such a one."""
        for language in LANGUAGES:
            if chosen == language:
                self.language = language

    def show(
        self, template: str, /, *, status: int = HTTPStatus.OK, **facts: object
    ) -> HTMLResponse:
        """Return a page."""
        return HTMLResponse(self.fill(template, **facts), status_code=status)

    def fill(self, template: str, /, **facts: object) -> str:
        """Return a piece of HTML."""
        return self.renderer.fill(
            template, self.words, {"state": self.house.state, "site": self, **facts}
        )

    def sentence(self, refusal: Refused) -> str:
        """Return what happened and a way on, in the words of the page."""
        words = self.words
        key = f"page_refused.{refusal.code}"
        found = words.text(key, **refusal.facts)
        return words.text(f"refused.{refusal.code}", **refusal.facts) if found == key else found


Endpoint = Callable[[Site, Request, Form], Awaitable[Response]]

_loaded: dict[Language, Words] = {}


def load_words_once(language: Language) -> Words:
    """Return a language's sentences; reading them takes longer than a page may."""
    if language not in _loaded:
        _loaded[language] = load_words(language)
    return _loaded[language]


def answering(site: Site, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """Make an endpoint safe to call: whatever happens in it, the person reads a sentence."""

    async def answer(request: Request) -> Response:
        try:
            site.look_again()
            if not is_asked_by_page(request):
                site.house.use()
            return await endpoint(site, request, await read_form(request))
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        except Exception as error:  # noqa: BLE001  # the border: a fault ends one request
            refusal = refusal_in(error)
            if refusal is None:
                site.on_fault(error)
                refusal = Refused("internal")
            return refusal_answer(site, request, refusal)

    return answer


def is_asked_by_page(request: Request) -> bool:
    """Say whether an open page asks this by itself, again and again: that must keep nothing unlocked."""
    return SEEN in request.query_params or request.url.path.endswith((LIVE, STATE))


def refusal_answer(site: Site, request: Request, refusal: Refused) -> Response:
    """Say what happened. Words that could not be said stay where they were typed."""
    if refusal.code == "locked":
        answer = site.show("unlock.html", error="")
        answer.headers["HX-Retarget"] = "#page"
        answer.headers["HX-Reswap"] = "innerHTML"
        return answer
    if request.url.path.endswith(SAY):
        answer = site.show("unsaid.html", error=site.sentence(refusal))
        answer.headers["HX-Retarget"] = "#unsaid"
        answer.headers["HX-Reswap"] = "innerHTML"
        return answer
    return site.show("refused.html", error=site.sentence(refusal))


async def read_form(request: Request) -> Fields:
    """Read a form's fields, at most `MAX_FORM` bytes of them; a file is left to its endpoint.

    Raises:
        Refused: text_too_long.
    """
    received = bytearray()
    if request.method == "POST" and request.headers.get("content-type") != FILE_TYPE:
        async with aclosing(request.stream()) as pieces:
            async for piece in pieces:
                received += piece
                if len(received) > MAX_FORM:
                    raise Refused("text_too_long", limit=MAX_TEXT_SIZE)
    try:
        pairs = parse_qsl(
            received.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="replace"
        )
    except ValueError:  # not of our page
        raise Refused("internal") from None
    fields = Fields()
    for name, value in pairs:
        fields[name] = f"{fields[name]} {value}" if name in fields else value
    return fields
