"""The program `toheal`: its options, its commands, and how it ends.

Whatever happens, the person reads one plain line in their language, never a traceback.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final, cast

import click

from toheal_p2p.app.look import read_look
from toheal_p2p.app.refusals import Refused
from toheal_p2p.cli.commands import (
    backup,
    bundle,
    circles,
    doors,
    files,
    governance,
    help_now,
    meeting,
    notices,
    paths,
    profile,
    relays,
    rules,
    settings,
    sharing,
    talk,
    talks,
)
from toheal_p2p.cli.parsing import Group, UsageProblem, usage_sentence
from toheal_p2p.cli.refusing import is_interrupt, note_fault, refusal_in
from toheal_p2p.cli.terminal import LoadPage, Terminal
from toheal_p2p.locale import LANGUAGES, Language, Words, choose_language, load_words
from toheal_p2p.locale.shown import Own

DONE: Final = 0
REFUSED: Final = 1
NOT_UNDERSTOOD: Final = 2

FOLDER: Final = "th"
"""The profile's folder among those of other programs. It says nothing of what it is for."""

_VALUE_OPTIONS: Final = ("--home", "--lang", "--debug")


def run_program(argv: Sequence[str], *, load_page: LoadPage | None = None) -> int:
    """Carry out one command line and return the exit code.

    Raises:
        KeyboardInterrupt: the person pressed Ctrl-C.
    """
    _prepare_streams()
    home = default_home(os.environ)
    look = read_look(_option_in(argv, "--home") or home)
    if look.neutral == "on":
        from toheal_p2p.adapters.process_name import take_neutral_name

        take_neutral_name()
    words = load_words(_language_in(argv) or choose_language(os.environ, look.language))
    words.digits = "arabic" if look.digits == "arabic" else "latin"
    terminal = Terminal(words, home, load_page=load_page)
    terminal.asked_language = _language_in(argv)
    code = REFUSED
    try:
        code = _run(argv, terminal)
    except click.UsageError as error:
        terminal.note(usage_sentence(error, words))
        terminal.note(words.text("usage.try_help", command=_command_of(error)))
        code = NOT_UNDERSTOOD
    except BrokenPipeError:
        pass  # whoever read our output has read enough
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001  # the border: one plain line
        _explain(error, terminal)
    return code if _flush() else REFUSED


def default_home(environ: Mapping[str, str]) -> str:
    """Return the profile's folder: TOHEAL_HOME, or one among the person's program data."""
    if environ.get("TOHEAL_HOME"):
        return environ["TOHEAL_HOME"]
    if sys.platform == "win32":
        base = environ.get("LOCALAPPDATA") or os.path.expanduser("~")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Application Support")
    else:
        base = environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(base, FOLDER)


@click.group(cls=Group, invoke_without_command=True, help="help.toheal")
@click.option("--home", metavar="DIR", help="option.home")
@click.option("--lang", type=click.Choice(LANGUAGES), help="option.lang")
@click.option("--debug", metavar="FILE", help="option.debug")
@click.option("--version", "wants_version", is_flag=True, help="option.version")
@click.pass_context
def toheal(
    ctx: click.Context, home: str | None, lang: str | None, debug: str | None, wants_version: bool
) -> None:
    """See the catalogue; `lang` was read before anything else."""
    terminal = cast("Terminal", ctx.obj)
    terminal.home = home or terminal.home
    terminal.fault_file = debug
    if wants_version:
        from importlib.metadata import version

        terminal.show(f"toheal {version('toheal-p2p')}")
        ctx.exit(DONE)
    if ctx.invoked_subcommand is None:
        ctx.invoke(profile.run)


for _command in (
    *profile.FIRST_COMMANDS,
    *help_now.COMMANDS,
    *circles.COMMANDS,
    *governance.COMMANDS,
    *rules.COMMANDS,
    *doors.COMMANDS,
    *notices.COMMANDS,
    *talk.COMMANDS,
    *talks.COMMANDS,
    *files.COMMANDS,
    *sharing.COMMANDS,
    *paths.COMMANDS,
    *bundle.COMMANDS,
    *meeting.COMMANDS,
    *relays.COMMANDS,
    *settings.COMMANDS,
    *backup.COMMANDS,
    *profile.COMMANDS,
):
    toheal.add_command(_command)


def _run(argv: Sequence[str], terminal: Terminal) -> int:
    try:
        "\0".join(argv).encode()
    except UnicodeEncodeError:
        raise UsageProblem("usage.not_text") from None
    try:
        with toheal.make_context("toheal", list(argv), obj=terminal) as ctx:
            toheal.invoke(ctx)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    return DONE


def _language_in(argv: Sequence[str]) -> Language | None:
    """Find `--lang` before the command: faults in what follows are told in that language."""
    value = _option_in(argv, "--lang")
    return value if value in LANGUAGES else None


def _option_in(argv: Sequence[str], wanted: str) -> str | None:
    """Return the value of an option that stands before the command."""
    found = None
    words = iter(argv)
    for word in words:
        name, has_value, value = word.partition("=")
        if not word.startswith("--"):
            break
        if name in _VALUE_OPTIONS and not has_value:
            value = next(words, "")
        if name == wanted:
            found = found or value
    return found


def _command_of(error: click.UsageError) -> Own:
    return Own(error.ctx.command_path if error.ctx is not None else "toheal")


def _explain(error: BaseException, terminal: Terminal) -> None:
    if is_interrupt(error):
        raise KeyboardInterrupt from None
    refusal = refusal_in(error)
    if refusal is None:
        note_fault(error, terminal.fault_file)
        refusal = Refused("internal")
    terminal.note(refusal_sentence(refusal, terminal.words))


def refusal_sentence(refusal: Refused, words: Words) -> str:
    """Return what happened and a way on, in one line."""
    return words.text(f"refused.{refusal.code}", **refusal.facts)


def _prepare_streams() -> None:
    """Have characters that a stream cannot carry replaced, instead of ending the command."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            with contextlib.suppress(OSError, ValueError):  # closed, or read from already
                stream.reconfigure(errors="replace")


def _flush() -> bool:
    """Write out what is left; tell whether there was somewhere to write it."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        # the interpreter would try once more at its end, and complain
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True
