"""Pictures and voice notes: attaching, fetching, writing out."""

from __future__ import annotations

import os
from base64 import b64decode
from typing import Final

import click

from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.vocabulary import FILE_ENDINGS
from toheal_p2p.cli.files import write_new_file, write_private_file
from toheal_p2p.cli.local_client import Item
from toheal_p2p.cli.parsing import Command, UsageProblem, argument, json_option, note_option, word
from toheal_p2p.cli.showing import attachment_line
from toheal_p2p.cli.terminal import Terminal


@click.command(cls=Command, help="help.attach")
@argument("circle")
@click.argument("file")
@click.option("--describe", "about", metavar="TEXT", default="", help="option.describe")
@note_option
@click.option("--to-facilitators", is_flag=True, help="option.to_facilitators")
@click.option("--reply", metavar="ID", type=word, help="option.reply")
@click.pass_obj
def attach(
    terminal: Terminal,
    circle: str,
    file: str,
    about: str,
    notes: tuple[str, ...],
    to_facilitators: bool,
    reply: str | None,
) -> None:
    """Print the message's id."""
    if not about.strip():
        terminal.note(terminal.words.text("note.no_description"))
    message = terminal.ask_one(
        "attach",
        stage="progress.cleaning_file",
        circle=circle,
        path=os.path.abspath(file),
        about=about,
        notes=tuple(dict.fromkeys(notes)),
        to_facilitators=to_facilitators,
        reply=reply,
    )
    terminal.show(message["id"])


@click.command(cls=Command, help="help.fetch")
@argument("circle")
@argument("message", metavar="ID")
@click.option("--to", "target", metavar="FILE", help="option.to")
@click.option("--remove", "is_removal", is_flag=True, help="option.remove")
@json_option
@click.pass_obj
def fetch(
    terminal: Terminal,
    circle: str,
    message: str,
    target: str | None,
    is_removal: bool,
    as_json: bool,
) -> None:
    """Print what is here then; the path, where it was written out."""
    if is_removal:
        if target is not None:
            raise UsageProblem("usage.to_or_remove")
        terminal.order("drop_file", stage="progress.waiting", circle=circle, message=message)
        terminal.note(terminal.words.text("note.file_removed"))
        return
    fetched = terminal.ask_one("fetch", stage="progress.waiting", circle=circle, message=message)
    path = None if target is None else _write(terminal, circle, message, fetched, target)
    if as_json:
        terminal.show_json({**fetched, "path": path})
    elif path is not None:
        terminal.show(path)
    else:
        terminal.show(attachment_line(terminal.words, fetched))


def _write(terminal: Terminal, circle: str, message: str, fetched: Item, target: str) -> str:
    """Write the file where nothing is, or where the person says yes; return where."""
    path = os.path.abspath(target)
    if os.path.isdir(path):
        path = os.path.join(path, f"{message[:12]}.{FILE_ENDINGS[fetched['media_type']]}")
    pieces = terminal.ask_app(
        "fetched_file", stage="progress.waiting", circle=circle, message=message
    )
    content = b"".join(b64decode(one["piece"]) for one in pieces)
    if write_new_file(path, content):
        return path
    if not os.path.isfile(path) or os.path.islink(path):
        raise Refused("cannot_write_file", path=path)
    if not terminal.is_agreed("ask.overwrite", path=path):
        raise Refused("not_confirmed")
    write_private_file(path, content)
    return path


COMMANDS: Final = (attach, fetch)
