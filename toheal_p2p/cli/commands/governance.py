"""`toheal circle remove|role|second|readmit|acts|term|mute|unmute`: what a circle decides about members."""

from __future__ import annotations

from typing import Final

import click

from toheal_p2p.app.vocabulary import ACT_REASONS, ROLES
from toheal_p2p.cli.commands.circles import circle
from toheal_p2p.cli.parsing import argument, json_option, number, word
from toheal_p2p.cli.showing_acts import act_lines
from toheal_p2p.cli.terminal import Terminal

reason_option = click.option(
    "--reason", type=click.Choice(ACT_REASONS), default="other", help="option.reason"
)
text_option = click.option("--text", metavar="TEXT", default="", type=word, help="option.why")
weeks_option = click.option("--weeks", metavar="N", type=number, default="4", help="option.weeks")


@circle.command("remove", help="help.circle_remove")
@argument("circle")
@argument("who")
@reason_option
@text_option
@json_option
@click.pass_obj
def remove(
    terminal: Terminal, circle: str, who: str, reason: str, text: str, as_json: bool
) -> None:
    """Sign that somebody is to be out."""
    sign(
        terminal, "circle_remove", as_json=as_json, circle=circle, who=who, reason=reason, text=text
    )


@circle.command("role", help="help.circle_role")
@argument("circle")
@argument("who")
@click.argument("role", type=click.Choice(ROLES))
@weeks_option
@reason_option
@text_option
@json_option
@click.pass_obj
def role(
    terminal: Terminal,
    circle: str,
    who: str,
    role: str,
    weeks: int,
    reason: str,
    text: str,
    as_json: bool,
) -> None:
    """Sign that somebody is to have a role."""
    sign(
        terminal,
        "circle_role",
        as_json=as_json,
        circle=circle,
        who=who,
        role=role,
        weeks=weeks,
        reason=reason,
        text=text,
    )


@circle.command("second", help="help.circle_second")
@argument("circle")
@argument("act")
@json_option
@click.pass_obj
def second(terminal: Terminal, circle: str, act: str, as_json: bool) -> None:
    """Sign that we support what somebody proposed."""
    sign(terminal, "circle_second", as_json=as_json, circle=circle, act=act)


@circle.command("readmit", help="help.circle_readmit")
@argument("circle")
@argument("who")
@click.pass_obj
def readmit(terminal: Terminal, circle: str, who: str) -> None:
    """Take somebody back who was removed."""
    terminal.order("circle_readmit", stage="progress.waiting", circle=circle, who=who)
    terminal.tell("done.readmitted", name=who)


@circle.command("term", help="help.circle_term")
@argument("circle")
@argument("who")
@weeks_option
@json_option
@click.pass_obj
def term(terminal: Terminal, circle: str, who: str, weeks: int, as_json: bool) -> None:
    """Sign that a facilitator goes on."""
    sign(terminal, "circle_term", as_json=as_json, circle=circle, who=who, weeks=weeks)


@circle.command("mute", help="help.circle_mute")
@argument("circle")
@argument("who")
@click.option("--hours", metavar="N", type=number, default="24", help="option.mute_hours")
@reason_option
@text_option
@json_option
@click.pass_obj
def mute(
    terminal: Terminal,
    circle: str,
    who: str,
    hours: int,
    reason: str,
    text: str,
    as_json: bool,
) -> None:
    """Sign that somebody's words to the circle are not shown for a while."""
    sign(
        terminal,
        "circle_mute",
        as_json=as_json,
        circle=circle,
        who=who,
        hours=hours,
        reason=reason,
        text=text,
    )


@circle.command("unmute", help="help.circle_unmute")
@argument("circle")
@argument("who")
@json_option
@click.pass_obj
def unmute(terminal: Terminal, circle: str, who: str, as_json: bool) -> None:
    """Sign that a mute is over."""
    sign(terminal, "circle_unmute", as_json=as_json, circle=circle, who=who)


@circle.command("acts", help="help.circle_acts")
@argument("circle")
@json_option
@click.pass_obj
def acts(terminal: Terminal, circle: str, as_json: bool) -> None:
    """Print what was done in the circle, by whom, and what became of it."""
    found = terminal.ask_app("circle_acts", stage="progress.waiting", circle=circle)
    terminal.show_all(
        found,
        lambda words, act: "\n".join(act_lines(words, act)),
        as_json=as_json,
        empty="empty.other",
    )


def sign(terminal: Terminal, request: str, *, as_json: bool, **wanted: object) -> None:
    """Have an act signed, and print what became of it."""
    act = terminal.ask_one(request, stage="progress.waiting", **wanted)
    if as_json:
        terminal.show_json(act)
        return
    for line in act_lines(terminal.words, act):
        terminal.show(line)


COMMANDS: Final = ()
"""They belong to the group `circle`."""
