"""`toheal backup` and `toheal restore`: everything in one file, and back."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import click

from toheal_p2p.app.refusals import Refused
from toheal_p2p.cli import starting
from toheal_p2p.cli.commands.profile import new_passphrase, passphrase_option
from toheal_p2p.cli.files import read_text_file
from toheal_p2p.cli.local_path import has_profile
from toheal_p2p.cli.parsing import Command, argument, json_option
from toheal_p2p.cli.terminal import Terminal
from toheal_p2p.locale.shown import Own, plain_line

WORDS_IN_A_LINE: Final = 4

PROVED: Final = 3
"""Words that are asked for: enough to notice that nothing was written down."""

TRIES: Final = 3

MAX_WORDS_FILE: Final = 16 * 1024


@click.command(cls=Command, help="help.backup")
@argument("path", metavar="FILE")
@json_option
@click.pass_obj
def backup(terminal: Terminal, path: str, as_json: bool) -> None:
    """Write everything into a file and show, once, the words that open it."""
    path = os.path.abspath(path)
    language = terminal.words.language
    made = terminal.ask_one("backup", stage="progress.waiting", path=path, language=language)
    if as_json:
        terminal.show_json(made)
        return
    words = terminal.words
    terminal.show(words.text("line.backup_words"))
    for line in word_lines(terminal, made["words"]):
        terminal.show(line)
    terminal.note(words.text("note.backup_words"))
    if sys.stdin is not None and sys.stdin.isatty():
        _have_proved(terminal, made["words"], path)
    else:
        terminal.note(words.text("note.backup_unproved"))
    terminal.show(words.text("done.backup", path=path, count=made["messages"]))


def word_lines(terminal: Terminal, drawn: Sequence[str]) -> list[str]:
    """Return the words in groups, each with its number."""
    return [
        "   ".join(
            f"{terminal.words.figures(str(place + 1))}. {drawn[place]}"
            for place in range(at, min(at + WORDS_IN_A_LINE, len(drawn)))
        )
        for at in range(0, len(drawn), WORDS_IN_A_LINE)
    ]


def _have_proved(terminal: Terminal, drawn: Sequence[str], path: str) -> None:
    """Ask for a few words; a backup whose words nobody has is of no use and is deleted."""
    from toheal_protocol.identity import is_same_word

    for _try in range(TRIES):
        places = sorted(secrets.SystemRandom().sample(range(len(drawn)), PROVED))
        if all(is_same_word(_typed_word(terminal, place + 1), drawn[place]) for place in places):
            return
        terminal.note(terminal.words.text("note.backup_other_word"))
    with suppress(OSError):
        os.unlink(path)
    raise Refused("recovery_words_unproven")


def _typed_word(terminal: Terminal, place: int) -> str:
    terminal.note(terminal.words.text("ask.recovery_word", place=place))
    return plain_line(sys.stdin.readline(1000))


@click.command(cls=Command, help="help.restore")
@argument("path", metavar="FILE")
@click.option("--words-file", metavar="F", help="option.words_file")
@passphrase_option
@click.pass_obj
def restore(
    terminal: Terminal, path: str, words_file: str | None, passphrase_file: str | None
) -> None:
    """Make the profile that a backup has."""
    if has_profile(terminal.home):
        raise Refused("profile_exists")
    words = _words(terminal, words_file)
    starting.check_words(words)  # before anything else is asked
    passphrase = new_passphrase(terminal, passphrase_file)
    terminal.note(terminal.words.text("progress.preparing"))
    starting.restore(
        terminal.home,
        os.path.abspath(path),
        words=words,
        passphrase=passphrase,
        told=lambda done, whole: terminal.note(
            terminal.words.text("progress.restoring", count=done, all=whole)
        ),
    )
    terminal.tell("done.restored", path=Own(os.path.abspath(terminal.home)))


def _words(terminal: Terminal, words_file: str | None) -> str:
    if words_file is not None:
        return read_text_file(words_file, most=MAX_WORDS_FILE) or ""
    if sys.stdin is None or not sys.stdin.isatty():
        raise Refused("recovery_words_count")
    terminal.note(terminal.words.text("ask.recovery_words"))
    typed = ""
    while starting.count_words(typed) < starting.WORD_COUNT and (line := sys.stdin.readline(1000)):
        typed += " " + line
        if not line.strip():
            break
    return typed


COMMANDS: Final = (backup, restore)
