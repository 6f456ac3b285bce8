"""`toheal settings ...`: what a person can set."""

from __future__ import annotations

from typing import Final

import click

from toheal_p2p.cli.parsing import Group, argument, json_option
from toheal_p2p.cli.showing import setting_line
from toheal_p2p.cli.terminal import Terminal


@click.group(cls=Group, invoke_without_command=True, help="help.settings")
@json_option
@click.pass_context
def settings(ctx: click.Context, as_json: bool) -> None:
    """Print every setting, with what it means."""
    if ctx.invoked_subcommand is None:
        terminal: Terminal = ctx.obj
        found = terminal.ask_app("settings_list", stage="progress.waiting")
        terminal.show_all(found, setting_line, as_json=as_json, empty="empty.other")


@settings.command("get", help="help.settings_get")
@argument("name")
@json_option
@click.pass_obj
def get(terminal: Terminal, name: str, as_json: bool) -> None:
    """Print one setting."""
    found = terminal.ask_one("settings_get", stage="progress.waiting", name=name)
    if as_json:
        terminal.show_json(found)
    else:
        terminal.show(setting_line(terminal.words, found))


@settings.command("set", help="help.settings_set")
@argument("name")
@argument("value")
@click.pass_obj
def set_(terminal: Terminal, name: str, value: str) -> None:
    """Set one; it is in effect when this returns."""
    found = terminal.ask_one("settings_set", stage="progress.waiting", name=name, value=value)
    terminal.tell("done.setting", name=found["name"], value=found["value"])


COMMANDS: Final = (settings,)
