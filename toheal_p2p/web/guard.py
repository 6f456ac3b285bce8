"""Who is answered: decided from a request's head alone, before anything of it is looked at.

Any web page in the person's browser, any program on this machine and any other user of it can send
a request here. Three kinds of things are asked for:

| what | who may |
| --- | --- |
| shell: pages without content | whoever navigates there; they hold nothing |
| parts: styles, scripts, the font | our own pages |
| content: everything else | the page with the cookie and the secret |

Docs: docs/page.md, section 2.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, Literal

from attrs import field, frozen

from toheal_p2p.web.keys import Keys

Kind = Literal["shell", "part", "entry", "content"]
"""`entry`: where a token is turned into keys; asked by our start page, which has no key yet."""

SECRET_HEADER: Final = "x-page"
"""The header that carries the page's secret. No foreign page can send it without asking first, and
nobody answers such a question here."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; worker-src 'none'; style-src 'self'; img-src 'self' data: blob:;"
    " media-src blob:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)

FILE_POLICY: Final = "default-src 'none'; sandbox"
"""What a file of somebody else's carries beside `POLICY`: opened by itself, it could do nothing."""

HEADERS: Final = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(self), geolocation=(), payment=(), usb=()"),
    ("x-dns-prefetch-control", "off"),
)
"""What every answer carries, a refusal too."""

_SHELL: Final = frozenset({"/", "/start", "/calendar"})
_PARTS: Final = "/parts/"
_ENTRY: Final = frozenset({"/enter", "/again"})


@frozen
class Head:
    """What of a request the guard looks at; each header as often as it came."""

    method: str
    path: str
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    cookie: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)


def kind_of(path: str) -> Kind:
    """Say what a path leads to."""
    if path in _SHELL:
        return "shell"
    if path.startswith(_PARTS):
        return "part"
    return "entry" if path in _ENTRY else "content"


def judge(head: Head, *, authority: str, keys: Keys) -> HTTPStatus | None:
    """Return why a request is not answered; None: it is.

    Args:
        authority: `127.0.0.1:PORT`, the only host we are. A name that an attacker had resolved to
            this machine is another one.
    """
    kind = kind_of(head.path)
    if head.hosts != (authority,):
        return HTTPStatus.MISDIRECTED_REQUEST
    if head.method not in (("GET",) if kind in ("shell", "part") else ("GET", "POST")):
        return HTTPStatus.METHOD_NOT_ALLOWED
    if not _is_from_us(head, f"http://{authority}", kind):
        return HTTPStatus.FORBIDDEN
    if kind == "content" and not keys.opens(head.cookie, head.secret):
        return HTTPStatus.FORBIDDEN
    return None


def _is_from_us(head: Head, origin: str, kind: Kind) -> bool:
    if head.origins not in ((), (origin,)):
        return False
    if head.method == "POST" and head.origins != (origin,):
        return False
    # Opening the start file is a navigation from another place; it leads to the shell only.
    return kind == "shell" or head.sites in ((), ("same-origin",))
