"""Spoken codes on the command line: what `invite --spoken` and `join` with words do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from toheal_p2p.app.refusals import RefusalCode, Refused
from toheal_p2p.cli.local_client import Item
from toheal_p2p.cli.terminal import Terminal, clock_time

_ENDS: Final[dict[str, RefusalCode]] = {
    "burned": "spoken_code_burned",
    "expired": "spoken_code_expired",
    "withdrawn": "spoken_code_withdrawn",
    "no_seat": "spoken_code_over",
}


def invite_aloud(
    terminal: Terminal,
    circle: str,
    *,
    expires: int,
    language: str | None,
    wait: bool,
    as_json: bool,
) -> None:
    """Print a code as the last line; with `wait`, stay and tell what becomes of it.

    Raises:
        Refused: as `invite`; with `wait` also how the code ended, unless somebody used it.
    """
    code = terminal.ask_one(
        "invite_spoken",
        stage="progress.inviting",
        circle=circle,
        expires_in=expires,
        language=language or terminal.words.language,
    )
    if as_json:
        terminal.show_json(code)
    else:
        until, tries = clock_time(code["expires_at"], terminal.words), code["tries_left"]
        terminal.tell("done.spoken", until=until, tries=tries)
        terminal.show(code["code"])
    if wait:
        _watch(terminal, circle, code, as_json=as_json)


def look_up_aloud(terminal: Terminal, code: str, relays: Sequence[str]) -> str:
    """Return the link that a code leads to.

    Raises:
        Refused: spoken_*, relay_address_malformed.
    """
    found = terminal.ask_one(
        "look_up_spoken", stage="progress.looking_up", code=code, relays=tuple(relays)
    )
    link: str = found["link"]
    return link


def _watch(terminal: Terminal, circle: str, code: Item, *, as_json: bool) -> None:
    """Tell what happens, until the code is over."""
    terminal.note(terminal.words.text("progress.spoken_waiting"))
    tries, state = code["tries_left"], code["state"]
    for now in terminal.ask_app("follow_spoken", circle=circle, code=code["id"]):
        if as_json:
            terminal.show_json(now)
        if now["tries_left"] != tries and now["state"] == "waiting":
            terminal.note(terminal.words.text("progress.spoken_tries", tries=now["tries_left"]))
        tries, state = now["tries_left"], now["state"]
    if state in _ENDS:
        raise Refused(_ENDS[state])
    terminal.note(terminal.words.text("done.spoken_found"))
