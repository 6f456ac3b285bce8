"""`toheal circle ...`: beginning a circle, seeing it, leaving it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click

from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.vocabulary import DISAPPEAR_TIMES
from toheal_p2p.cli.files import read_text_file
from toheal_p2p.cli.local_client import Item
from toheal_p2p.cli.parsing import Group, UsageProblem, argument, json_option, word
from toheal_p2p.cli.showing import circle_line, circle_relay_line, member_line
from toheal_p2p.cli.terminal import Terminal
from toheal_p2p.locale.charter import default_charter

MAX_CHARTER_SIZE: Final = 4096
"""Bytes of a charter, so that an invitation keeps its size (a test compares with the core's)."""

MAX_MEMBERS: Final = 24
"""Members a circle may have (a test compares with the core's)."""

MANY_MEMBERS: Final = 16
"""Members above which a circle is told that it is large: three to twelve is what works."""

TWO_FACILITATORS_FROM: Final = 3
"""Members from which a circle with one facilitator is told to choose a second."""


_NOTES: Final = {
    "add": "note.relay_add",
    "remove": "note.relay_remove",
    "allow": "note.relay_allow",
}


@click.group(cls=Group, help="help.circle")
def circle() -> None:
    """See the catalogue."""


@circle.command("create", help="help.circle_create")
@argument("name")
@click.option("--relay", "relays", metavar="ADDR", multiple=True, type=word, help="option.relay")
@click.option("--direct", is_flag=True, help="option.direct")
@click.option("--charter", metavar="FILE", help="option.charter")
@click.option("--nickname", metavar="NICKNAME", type=word, help="option.nickname")
@click.option(
    "--disappear",
    type=click.Choice(tuple(DISAPPEAR_TIMES)),
    default="7d",
    help="option.disappear",
)
@json_option
@click.pass_obj
def create(
    terminal: Terminal,
    name: str,
    relays: tuple[str, ...],
    direct: bool,
    charter: str | None,
    nickname: str | None,
    disappear: str,
    as_json: bool,
) -> None:
    """Print the new circle's id."""
    made = terminal.ask_one(
        "circle_create",
        stage="progress.waiting",
        name=name,
        relays=relays,
        direct=direct,
        charter=default_charter(terminal.words) if charter is None else charter_in(charter),
        nickname=nickname,
        disappear=DISAPPEAR_TIMES[disappear],
    )
    if not made["relays"]:
        terminal.note(terminal.words.text("note.circle_without_relay"))
    if as_json:
        terminal.show_json(made)
    else:
        terminal.show(made["id"])


@circle.command("list", help="help.circle_list")
@json_option
@click.pass_obj
def list_(terminal: Terminal, as_json: bool) -> None:
    """Print every circle."""
    found = terminal.ask_app("circle_list", stage="progress.waiting")
    terminal.show_all(found, circle_line, as_json=as_json, empty="empty.circles")


@circle.command("members", help="help.circle_members")
@argument("circle")
@json_option
@click.pass_obj
def members(terminal: Terminal, circle: str, as_json: bool) -> None:
    """Print every member."""
    found = list(terminal.ask_app("circle_members", stage="progress.waiting", circle=circle))
    terminal.show_all(found, member_line, as_json=as_json, empty="empty.other")
    note_size(terminal, found)


@circle.command("disappear", help="help.circle_disappear")
@argument("circle")
@click.argument("time", type=click.Choice(tuple(DISAPPEAR_TIMES)))
@click.pass_obj
def disappear_(terminal: Terminal, circle: str, time: str) -> None:
    """Choose how long what we say stays."""
    seconds = DISAPPEAR_TIMES[time]
    terminal.order("circle_disappear", stage="progress.waiting", circle=circle, seconds=seconds)
    terminal.tell("done.disappear_never" if not seconds else "done.disappear", time=time)


@circle.command("leave", help="help.circle_leave")
@argument("circle")
@click.pass_obj
def leave(terminal: Terminal, circle: str) -> None:
    """Leave without being asked why."""
    terminal.order("circle_leave", stage="progress.waiting", circle=circle)
    terminal.tell("done.left", circle=circle)


@circle.command("relays", help="help.circle_relays")
@argument("circle_", metavar="CIRCLE")
@click.argument("change", required=False, type=click.Choice(("add", "remove", "allow")))
@click.argument("address", metavar="[ADDR]", required=False)
@json_option
@click.pass_obj
def relays(
    terminal: Terminal, circle_: str, change: str | None, address: str | None, as_json: bool
) -> None:
    """Print where this circle is read and written, changed or not."""
    if (change is None) != (address is None):
        raise UsageProblem("usage.relay_change")
    if change is None:
        found = terminal.ask_app("circle_relays", stage="progress.waiting", circle=circle_)
    else:
        found = terminal.ask_app(
            "circle_relay",
            stage="progress.waiting",
            circle=circle_,
            address=address,
            change=change,
        )
        terminal.note(terminal.words.text(_NOTES[change]))
    terminal.show_all(found, circle_relay_line, as_json=as_json, empty="empty.circle_relays")


def note_size(terminal: Terminal, members: Sequence[Item]) -> None:
    """Say what helps a circle of this size: few enough people, and two who look after it."""
    facilitators = sum(member["role"] == "facilitator" for member in members)
    if len(members) > MANY_MEMBERS:
        count = terminal.words.count("count.members", len(members))
        terminal.note(terminal.words.text("note.many_members", members=count, limit=MAX_MEMBERS))
    if len(members) >= TWO_FACILITATORS_FROM and facilitators == 1:
        terminal.note(terminal.words.text("note.one_facilitator"))


def charter_in(path: str) -> str:
    """Return the charter a file holds, or refuse it with the reason."""
    charter = read_text_file(path, most=MAX_CHARTER_SIZE)
    if charter is None:
        raise Refused("charter_too_long", limit=MAX_CHARTER_SIZE)
    if not charter.strip():
        raise Refused("charter_empty")
    return charter


@circle.command("seen", help="help.circle_seen")
@argument("circle_", metavar="CIRCLE")
@click.pass_obj
def seen(terminal: Terminal, circle_: str) -> None:
    """Take the warnings for seen."""
    terminal.order("circle_seen", stage="progress.waiting", circle=circle_)
    terminal.tell("done.seen", circle=circle_)


COMMANDS: Final = (circle,)
