"""`toheal talk ...`: conversations of two, that both want."""

from __future__ import annotations

from typing import Final

import click

from toheal_p2p.cli.parsing import Group, argument, json_option, word
from toheal_p2p.cli.showing import talk_line
from toheal_p2p.cli.terminal import Terminal

card_option = click.option("--card", metavar="TEXT", default="", type=word, help="option.card")


@click.group(cls=Group, help="help.talk")
def talk() -> None:
    """See the catalogue."""


@talk.command("list", help="help.talk_list")
@argument("circle")
@json_option
@click.pass_obj
def list_(terminal: Terminal, circle: str, as_json: bool) -> None:
    """Print the conversations of two that were asked for in a circle."""
    found = terminal.ask_app("talks", stage="progress.waiting", circle=circle)
    terminal.show_all(found, talk_line, as_json=as_json, empty="empty.other")


@talk.command("ask", help="help.talk_ask")
@argument("circle")
@argument("who")
@card_option
@json_option
@click.pass_obj
def ask(terminal: Terminal, circle: str, who: str, card: str, as_json: bool) -> None:
    """Ask a member for a conversation of two."""
    _ask(terminal, "talk_ask", as_json=as_json, circle=circle, who=who, card=card)


@talk.command("introduce", help="help.talk_introduce")
@argument("circle")
@argument("who")
@argument("other")
@json_option
@click.pass_obj
def introduce(terminal: Terminal, circle: str, who: str, other: str, as_json: bool) -> None:
    """Ask two members whether they would talk with each other."""
    _ask(terminal, "talk_introduce", as_json=as_json, circle=circle, who=who, other=other)


@talk.command("accept", help="help.talk_accept")
@argument("circle")
@argument("who")
@card_option
@json_option
@click.pass_obj
def accept(terminal: Terminal, circle: str, who: str, card: str, as_json: bool) -> None:
    """Say yes to being asked, or introduced."""
    _ask(terminal, "talk_accept", as_json=as_json, circle=circle, who=who, card=card)


@talk.command("decline", help="help.talk_decline")
@argument("circle")
@argument("who")
@click.option("--for-good", is_flag=True, help="option.for_good")
@click.pass_obj
def decline(terminal: Terminal, circle: str, who: str, for_good: bool) -> None:
    """Say no, which nobody is told; or take a question back."""
    terminal.order(
        "talk_decline", stage="progress.waiting", circle=circle, who=who, for_good=for_good
    )
    terminal.tell("done.talk_declined")


def _ask(terminal: Terminal, request: str, *, as_json: bool, **wanted: object) -> None:
    found = terminal.ask_one(request, stage="progress.waiting", **wanted)
    if as_json:
        terminal.show_json(found)
    else:
        terminal.show(talk_line(terminal.words, found))


COMMANDS: Final = (talk,)
