"""Saying and reading, and how what was said gets there."""

from __future__ import annotations

from typing import Final

import click

from toheal_p2p.app.refusals import Refused
from toheal_p2p.cli.files import STDIN, read_text_file
from toheal_p2p.cli.local_client import Item
from toheal_p2p.cli.parsing import Command, argument, json_option, note_option, number, word
from toheal_p2p.cli.showing import delivery_line, entry_lines, retraction_lines
from toheal_p2p.cli.terminal import Terminal

MAX_TEXT_SIZE: Final = 60_000
"""Bytes of a message (a test compares with the core's); more is not even sent to the process."""

ENTRY_FIELDS: Final = (
    "id",
    "circle",
    "author",
    "author_name",
    "mine",
    "kind",
    "text",
    "sent_at",
    "received_at",
    "notes",
    "passed_on_by",
    "attachment",
    "audience",
    "reply_to",
    "quote",
    "edited",
    "is_new",
    "stays",
    "left",
    "position",
)
"""What `--json` gives of an entry, in this order."""


@click.command(cls=Command, help="help.say")
@argument("circle")
@click.argument("text")
@note_option
@click.option("--to-facilitators", is_flag=True, help="option.to_facilitators")
@click.option("--reply", metavar="ID", type=word, help="option.reply")
@click.pass_obj
def say(
    terminal: Terminal,
    circle: str,
    text: str,
    notes: tuple[str, ...],
    to_facilitators: bool,
    reply: str | None,
) -> None:
    """Print the message's id."""
    said = _words_of(text)
    message = terminal.ask_one(
        "say",
        stage="progress.waiting",
        circle=circle,
        text=said,
        notes=tuple(dict.fromkeys(notes)),
        to_facilitators=to_facilitators,
        reply=reply,
    )
    terminal.show(message["id"])


@click.command(cls=Command, help="help.request")
@argument("circle")
@argument("message", metavar="ID")
@click.option("--text", metavar="TEXT", default="", type=word, help="option.request_text")
@click.pass_obj
def request(terminal: Terminal, circle: str, message: str, text: str) -> None:
    """Print the request's id."""
    asked = terminal.ask_one(
        "request", stage="progress.waiting", circle=circle, message=message, text=text
    )
    terminal.show(asked["id"])


@click.command(cls=Command, help="help.edit")
@argument("circle")
@argument("message", metavar="ID")
@click.argument("text")
@click.pass_obj
def edit(terminal: Terminal, circle: str, message: str, text: str) -> None:
    """Print the id of the change."""
    said = _words_of(text)
    changed = terminal.ask_one(
        "edit", stage="progress.waiting", circle=circle, message=message, text=said
    )
    terminal.show(changed["id"])


@click.command(cls=Command, help="help.retract")
@argument("circle")
@argument("message", metavar="ID")
@json_option
@click.pass_obj
def retract(terminal: Terminal, circle: str, message: str, as_json: bool) -> None:
    """Print how many may have read it."""
    done = terminal.ask_one("retract", stage="progress.waiting", circle=circle, message=message)
    if as_json:
        terminal.show_json(done)
    else:
        terminal.show("\n".join(retraction_lines(terminal.words, done)))


@click.command(cls=Command, help="help.read")
@argument("circle")
@click.option("--follow", is_flag=True, help="option.follow")
@click.option("--after", metavar="POSITION", type=number, default="0", help="option.after")
@click.option("--hidden", is_flag=True, help="option.hidden")
@json_option
@click.pass_obj
def read(
    terminal: Terminal, circle: str, follow: bool, after: int, hidden: bool, as_json: bool
) -> None:
    """Print what was said; with `--follow` go on until Ctrl-C."""
    stage = None if follow else "progress.waiting"
    found = terminal.ask_app(
        "read", stage=stage, circle=circle, after=after, follow=follow, hidden=hidden
    )
    for entry in found:
        _show_entry(terminal, entry, as_json=as_json)


@click.command(cls=Command, help="help.hide")
@argument("circle")
@argument("who")
@click.pass_obj
def hide(terminal: Terminal, circle: str, who: str) -> None:
    """Show a member's words to the circle on this device no more."""
    terminal.order("hide", stage="progress.waiting", circle=circle, who=who, hidden=True)
    terminal.tell("done.hidden", name=who)


@click.command(cls=Command, help="help.show")
@argument("circle")
@argument("who")
@click.pass_obj
def show(terminal: Terminal, circle: str, who: str) -> None:
    """Show a member's words again, those of meanwhile too."""
    terminal.order("hide", stage="progress.waiting", circle=circle, who=who, hidden=False)
    terminal.tell("done.shown", name=who)


@click.command(cls=Command, help="help.search")
@argument("circle")
@argument("query")
@json_option
@click.pass_obj
def search(terminal: Terminal, circle: str, query: str, as_json: bool) -> None:
    """Print what was found, newest first."""
    found = terminal.ask_app("search", stage="progress.searching", circle=circle, query=query)
    is_empty = True
    for entry in found:
        is_empty = False
        _show_entry(terminal, entry, as_json=as_json)
    if is_empty:
        terminal.note(terminal.words.text("empty.search"))


@click.command(cls=Command, help="help.deliveries")
@argument("circle")
@argument("message", metavar="[ID]", required=False)
@json_option
@click.pass_obj
def deliveries(terminal: Terminal, circle: str, message: str | None, as_json: bool) -> None:
    """Print where our messages are, per member."""
    found = terminal.ask_app("deliveries", stage="progress.waiting", circle=circle, message=message)
    terminal.show_all(found, delivery_line, as_json=as_json, empty="empty.deliveries")


@click.command("safety-words", cls=Command, help="help.safety_words")
@argument("circle")
@argument("who")
@json_option
@click.pass_obj
def safety_words(terminal: Terminal, circle: str, who: str, as_json: bool) -> None:
    """Print the words that two people compare aloud."""
    found = terminal.ask_one(
        "safety_words",
        stage="progress.safety_words",
        circle=circle,
        who=who,
        language=terminal.words.language,
    )
    if as_json:
        terminal.show_json(found)
        return
    terminal.note(terminal.words.text("note.safety_words", name=who))
    for place, spoken in enumerate(found["words"], start=1):
        terminal.tell("line.safety_word", place=place, word=spoken)


def _show_entry(terminal: Terminal, entry: Item, *, as_json: bool) -> None:
    if as_json:
        terminal.show_json({field: entry[field] for field in ENTRY_FIELDS})
    else:
        terminal.show("\n".join(entry_lines(terminal.words, entry)))


def _words_of(text: str) -> str:
    said = _standard_input_text() if text == STDIN else text
    if len(said.encode()) > MAX_TEXT_SIZE:
        raise Refused("text_too_long", limit=MAX_TEXT_SIZE)
    if not said.strip():
        raise Refused("text_empty")
    return said


def _standard_input_text() -> str:
    text = read_text_file(STDIN, most=MAX_TEXT_SIZE + 2)  # and the end of the last line
    if text is None:
        raise Refused("text_too_long", limit=MAX_TEXT_SIZE)
    return text.removesuffix("\n").removesuffix("\r")


COMMANDS: Final = (say, request, edit, retract, read, hide, show, search, deliveries, safety_words)
