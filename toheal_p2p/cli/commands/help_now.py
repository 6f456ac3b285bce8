"""`toheal help-now`: helplines for whoever has a terminal and nothing else. No profile, no network."""

from __future__ import annotations

from typing import Final

import click

from toheal_p2p.app.look import read_look
from toheal_p2p.cli.parsing import Command, json_option
from toheal_p2p.cli.terminal import Terminal


@click.command("help-now", cls=Command, help="help.help_now")
@click.option("--country", metavar="CC", default="", help="option.country")
@click.option("--more", "wants_more", is_flag=True, help="option.more_lines")
@json_option
@click.pass_obj
def help_now(terminal: Terminal, country: str, wants_more: bool, as_json: bool) -> None:
    """Print the lines of the country that is named, or of the one in the settings."""
    from toheal_p2p.cli.helplines import show_helplines

    wanted = country.strip().lower() or read_look(terminal.home).country or ""
    show_helplines(terminal, wanted, wants_more=wants_more, as_json=as_json)


COMMANDS: Final = (help_now,)
