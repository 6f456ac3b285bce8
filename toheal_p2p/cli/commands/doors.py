"""The door of a circle: offering seats, knocking, letting in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click

from toheal_p2p.app.refusals import Refused
from toheal_p2p.cli.commands.circles import note_size
from toheal_p2p.cli.commands.spoken import invite_aloud, look_up_aloud
from toheal_p2p.cli.invitation_forms import (
    is_spoken,
    link_for_terminal,
    read_link,
    write_link_file,
    write_link_svg,
)
from toheal_p2p.cli.local_client import Item
from toheal_p2p.cli.parsing import (
    Command,
    UsageProblem,
    argument,
    duration,
    json_option,
    word,
)
from toheal_p2p.cli.showing import invitation_line, waiting_line
from toheal_p2p.cli.terminal import Terminal, clock_time
from toheal_p2p.locale import LANGUAGES
from toheal_p2p.locale.shown import Own, isolate, plain_lines

SHORTEST_OFFER: Final = 600
"""Seconds a seat is offered at least: the other person has to read it."""

LONGEST_OFFER: Final = 14 * 86_400
"""Seconds at most: a relay keeps what lies in a mailbox no longer."""


@click.command(cls=Command, help="help.invite")
@argument("circle")
@click.option(
    "--expires",
    metavar="TIME",
    type=duration(least=SHORTEST_OFFER, most=LONGEST_OFFER),
    default="48h",
    help="option.expires",
)
@click.option("--qr", "wants_qr", is_flag=True, help="option.qr")
@click.option("--svg", metavar="FILE", help="option.svg")
@click.option("--file", metavar="FILE", help="option.file")
@click.option("--spoken", is_flag=True, help="option.spoken")
@click.option("--lang", type=click.Choice(LANGUAGES), help="option.spoken_lang")
@click.option("--wait", is_flag=True, help="option.spoken_wait")
@json_option
@click.pass_obj
def invite(
    terminal: Terminal,
    circle: str,
    expires: int,
    wants_qr: bool,
    svg: str | None,
    file: str | None,
    spoken: bool,
    lang: str | None,
    wait: bool,
    as_json: bool,
) -> None:
    """Print the link, or the code, as the last line."""
    unfit = {"--qr": wants_qr, "--svg": svg, "--file": file}
    if not spoken:
        unfit = {"--lang": lang, "--wait": wait}
    for option, value in unfit.items():
        if value:
            raise UsageProblem("usage.spoken_or_not", option=Own(option))
    if spoken:
        invite_aloud(terminal, circle, expires=expires, language=lang, wait=wait, as_json=as_json)
        return
    seat = terminal.ask_one("invite", stage="progress.inviting", circle=circle, expires_in=expires)
    if as_json:
        terminal.show_json(seat)
    else:
        terminal.tell("done.invited", until=clock_time(seat["expires_at"], terminal.words))
        if wants_qr:
            terminal.show(link_for_terminal(seat["link"]))
        terminal.show(seat["link"])  # before the files: if one fails, the seat is not lost
    forms: tuple[tuple[str | None, Callable[[str, str], None]], ...]
    forms = ((file, write_link_file), (svg, write_link_svg))
    for path, write in forms:
        if path is not None:
            write(path, seat["link"])
    note_size(terminal, _members(terminal, circle))


@click.command(cls=Command, help="help.invitations")
@argument("circle")
@click.option("--all", "every", is_flag=True, help="option.all_seats")
@json_option
@click.pass_obj
def invitations(terminal: Terminal, circle: str, every: bool, as_json: bool) -> None:
    """Print the seats that are still open, or all of them, and the codes that wait for somebody."""
    found = [
        *terminal.ask_app(
            "seats" if every else "invitations", stage="progress.waiting", circle=circle
        ),
        *terminal.ask_app("spoken_codes", stage="progress.waiting", circle=circle),
    ]
    terminal.show_all(found, invitation_line, as_json=as_json, empty="empty.invitations")


@click.command(cls=Command, help="help.withdraw")
@argument("circle")
@argument("invitation", metavar="ID")
@click.pass_obj
def withdraw(terminal: Terminal, circle: str, invitation: str) -> None:
    """Take a seat back."""
    terminal.order("withdraw", stage="progress.waiting", circle=circle, invitation=invitation)
    terminal.tell("done.withdrawn")


@click.command(cls=Command, help="help.join")
@click.argument("link", nargs=-1, required=True)
@click.option("--name", metavar="NICKNAME", type=word, required=True, help="option.name")
@click.option("--accept-charter", is_flag=True, help="option.accept_charter")
@click.option("--relay", "relays", metavar="ADDR", multiple=True, help="option.join_relay")
@click.pass_obj
def join(
    terminal: Terminal,
    link: tuple[str, ...],
    name: str,
    accept_charter: bool,
    relays: tuple[str, ...],
) -> None:
    """Show the charter, and knock only after a yes to it; print the circle's id."""
    given = " ".join(link)  # the words of a code need no quotation marks
    is_code = is_spoken(given)
    if relays and not is_code:
        raise UsageProblem("usage.spoken_or_not", option=Own("--relay"))
    clean = look_up_aloud(terminal, given, relays) if is_code else read_link(given)
    said = terminal.ask_one("look_at_invitation", stage="progress.fetching", link=clean)
    _show_invitation(terminal, said)
    if not accept_charter and not terminal.is_agreed("ask.charter"):
        if is_code:  # said once, used once: what it led to would be lost
            terminal.note(terminal.words.text("line.link_for_later", link=Own(clean)))
        raise Refused("charter_not_accepted")
    circle = terminal.ask_one("join", stage="progress.knocking", link=clean, nickname=name)
    terminal.tell("done.knocked", name=said["inviter_name"])
    terminal.show(circle["id"])


@click.command(cls=Command, help="help.waiting")
@argument("circle")
@json_option
@click.pass_obj
def waiting(terminal: Terminal, circle: str, as_json: bool) -> None:
    """Print who stands at the door."""
    found = terminal.ask_app("waiting", stage="progress.waiting", circle=circle)
    terminal.show_all(found, waiting_line, as_json=as_json, empty="empty.waiting")


@click.command(cls=Command, help="help.admit")
@argument("circle")
@argument("who")
@click.pass_obj
def admit(terminal: Terminal, circle: str, who: str) -> None:
    """Let somebody in."""
    waits = terminal.ask_app("waiting", stage="progress.waiting", circle=circle)
    by_notice = [p for p in waits if p["notice"] and (who in (p["name"], p["id"][: len(who)]))]
    terminal.order("admit", stage="progress.waiting", circle=circle, who=who)
    terminal.tell("done.invited_by_notice" if by_notice else "done.admitted", name=who)
    note_size(terminal, _members(terminal, circle))


def _members(terminal: Terminal, circle: str) -> list[Item]:
    return list(terminal.ask_app("circle_members", stage="progress.waiting", circle=circle))


@click.command(cls=Command, help="help.decline")
@argument("circle")
@argument("who")
@click.pass_obj
def decline(terminal: Terminal, circle: str, who: str) -> None:
    """Keep the door closed to somebody."""
    terminal.order("decline", stage="progress.waiting", circle=circle, who=who)
    terminal.tell("done.declined", name=who)


def _show_invitation(terminal: Terminal, said: Item) -> None:
    terminal.tell(
        "line.invited_to",
        circle=said["circle_name"],
        name=said["inviter_name"],
        until=clock_time(said["expires_at"], terminal.words),
    )
    terminal.tell("line.charter_begins")
    for line in plain_lines(said["charter"]):
        terminal.show(f"    {isolate(line)}")
    if said["direct"]:
        terminal.tell("line.direct_circle")


COMMANDS: Final = (invite, invitations, withdraw, join, waiting, admit, decline)
