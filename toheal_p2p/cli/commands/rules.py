"""`toheal circle charter|accept|policy`: what a circle lives by."""

from __future__ import annotations

from typing import Final

import click

from toheal_p2p.app.refusals import Refused
from toheal_p2p.cli.commands.circles import charter_in, circle
from toheal_p2p.cli.commands.governance import sign
from toheal_p2p.cli.local_client import Item
from toheal_p2p.cli.parsing import argument, json_option
from toheal_p2p.cli.showing_acts import act_lines, charter_lines
from toheal_p2p.cli.terminal import Terminal

POLICIES: Final = ("direct", "relayed")
"""What `circle policy` takes: whether members connect to each other directly."""


@circle.command("charter", help="help.circle_charter")
@argument("circle")
@click.option("--set", "file", metavar="FILE", help="option.set_charter")
@json_option
@click.pass_obj
def charter(terminal: Terminal, circle: str, file: str | None, as_json: bool) -> None:
    """Print the charter in force and who said yes to it; or sign that it be another."""
    if file is not None:
        text = charter_in(file)
        sign(terminal, "circle_charter_set", as_json=as_json, circle=circle, text=text)
        return
    found = terminal.ask_one("circle_charter", stage="progress.waiting", circle=circle)
    _show_charter(terminal, found, as_json=as_json)


@circle.command("accept", help="help.circle_accept")
@argument("circle")
@click.option("--accept-charter", is_flag=True, help="option.accept_charter")
@json_option
@click.pass_obj
def accept(terminal: Terminal, circle: str, accept_charter: bool, as_json: bool) -> None:
    """Show the charter in force, and sign a yes to it after a yes."""
    found = terminal.ask_one("circle_charter", stage="progress.waiting", circle=circle)
    if found["mine"]:
        _show_charter(terminal, found, as_json=as_json)
        return
    if not as_json:
        _show_charter(terminal, found, as_json=False)
    if not accept_charter and not terminal.is_agreed("ask.charter"):
        raise Refused("charter_to_accept")
    now = terminal.ask_one(
        "circle_accept", stage="progress.waiting", circle=circle, charter=found["id"]
    )
    if as_json:
        terminal.show_json(now)
    else:
        terminal.tell("done.accepted")


@circle.command("policy", help="help.circle_policy")
@argument("circle")
@click.argument("policy", type=click.Choice(POLICIES), required=False)
@json_option
@click.pass_obj
def policy(terminal: Terminal, circle: str, policy: str | None, as_json: bool) -> None:
    """Print how members connect; or sign that they are to connect otherwise."""
    if policy is not None:
        is_direct = policy == "direct"
        sign(terminal, "circle_policy_set", as_json=as_json, circle=circle, direct=is_direct)
        return
    found = terminal.ask_one("circle_policy", stage="progress.waiting", circle=circle)
    if as_json:
        terminal.show_json(found)
        return
    terminal.tell("line.policy_direct" if found["direct"] else "line.policy_relayed")
    for act in found["waiting"]:
        for line in act_lines(terminal.words, act):
            terminal.show(line)


def _show_charter(terminal: Terminal, found: Item, *, as_json: bool) -> None:
    if as_json:
        terminal.show_json(found)
        return
    for line in charter_lines(terminal.words, found):
        terminal.show(line)


COMMANDS: Final = ()
"""They belong to the group `circle`."""
