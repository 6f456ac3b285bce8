"""`toheal relay ...`: the profile's own relays."""

from __future__ import annotations

from typing import Final

import click

from toheal_p2p.cli.parsing import Group, argument, json_option
from toheal_p2p.cli.showing import relay_line
from toheal_p2p.cli.terminal import Terminal


@click.group(cls=Group, help="help.relay")
def relay() -> None:
    """See the catalogue."""


@relay.command("add", help="help.relay_add")
@argument("address", metavar="ADDR")
@click.pass_obj
def add(terminal: Terminal, address: str) -> None:
    """Add one."""
    terminal.order("relay_add", stage="progress.reaching_relay", address=address)
    terminal.tell("done.relay_added")


@relay.command("list", help="help.relay_list")
@json_option
@click.pass_obj
def list_(terminal: Terminal, as_json: bool) -> None:
    """Print every one with its state."""
    found = terminal.ask_app("relay_list", stage="progress.waiting")
    terminal.show_all(found, relay_line, as_json=as_json, empty="empty.relays")


@relay.command("remove", help="help.relay_remove")
@argument("address", metavar="ADDR")
@click.pass_obj
def remove(terminal: Terminal, address: str) -> None:
    """Remove one."""
    terminal.order("relay_remove", stage="progress.waiting", address=address)
    terminal.tell("done.relay_removed")


COMMANDS: Final = (relay,)
