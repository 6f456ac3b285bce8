"""How members are reached, and which way is all right."""

from __future__ import annotations

from typing import Final

import click

from toheal_p2p.cli.parsing import Command, argument, json_option
from toheal_p2p.cli.showing import link_line
from toheal_p2p.cli.terminal import Terminal


@click.command(cls=Command, help="help.links")
@argument("circle")
@json_option
@click.pass_obj
def links(terminal: Terminal, circle: str, as_json: bool) -> None:
    """Print how each member is reached now."""
    found = terminal.ask_app("links", stage="progress.waiting", circle=circle)
    terminal.show_all(found, link_line, as_json=as_json, empty="empty.other")


@click.command(cls=Command, help="help.direct")
@argument("circle")
@argument("who")
@click.argument("choice", metavar="allow|deny", type=click.Choice(("allow", "deny")))
@json_option
@click.pass_obj
def direct(terminal: Terminal, circle: str, who: str, choice: str, as_json: bool) -> None:
    """Say whether a member and we may connect directly, and print what that means now."""
    said = terminal.ask_one(
        "direct", stage="progress.waiting", circle=circle, who=who, allow=choice == "allow"
    )
    if as_json:
        terminal.show_json(said)
        return
    sentence = "direct.denied" if not said["mine"] else "direct.mine"
    if said["mine"] and said["theirs"]:
        sentence = "direct.both"
    terminal.tell(sentence, name=said["member_name"])


COMMANDS: Final = (links, direct)
