"""`toheal bundle ...`: messages that travel in a file, where no network reaches."""

from __future__ import annotations

import os
from typing import Final

import click

from toheal_p2p.cli.parsing import Group, argument, json_option
from toheal_p2p.cli.terminal import Terminal


@click.group(cls=Group, help="help.bundle")
def bundle() -> None:
    """See the catalogue."""


@bundle.command("export", help="help.bundle_export")
@argument("circle")
@argument("who")
@argument("path", metavar="FILE")
@json_option
@click.pass_obj
def export(terminal: Terminal, circle: str, who: str, path: str, as_json: bool) -> None:
    """Write a file for a member and print how much is in it."""
    made = terminal.ask_one(
        "bundle_export",
        stage="progress.waiting",
        circle=circle,
        who=who,
        path=os.path.abspath(path),
    )
    if as_json:
        terminal.show_json(made)
        return
    words = terminal.words
    terminal.show(words.text("line.bundle_made", count=made["messages"], path=path))
    if made["left"]:
        terminal.note(words.text("note.bundle_left", count=made["left"]))


@bundle.command("import", help="help.bundle_import")
@argument("path", metavar="FILE")
@json_option
@click.pass_obj
def import_(terminal: Terminal, path: str, as_json: bool) -> None:
    """Take a file that a member made for us and print whose it was."""
    taken = terminal.ask_one("bundle_import", stage="progress.waiting", path=os.path.abspath(path))
    if as_json:
        terminal.show_json(taken)
        return
    words = terminal.words
    names = {"name": taken["member_name"], "circle": taken["circle_name"]}
    terminal.show(words.text("line.bundle_taken", **names))
    if taken["damaged"]:
        terminal.note(words.text("note.bundle_damaged", count=taken["damaged"]))


COMMANDS: Final = (bundle,)
