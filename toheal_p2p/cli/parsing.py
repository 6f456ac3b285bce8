"""Commands that speak the person's language: help and usage faults from our own catalogue.

Help texts and option texts are keys here (`help.say`, `option.json`); they become sentences when
they are shown, because only then the language is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from toheal_p2p.app.vocabulary import CONTENT_NOTES
from toheal_p2p.cli.terminal import Terminal
from toheal_p2p.locale import Words
from toheal_p2p.locale.shown import FIRST_STRONG_ISOLATE, POP_ISOLATE, Own

LONGEST_WORD: Final = 4096
"""Characters of a name, id, address or link: far above any, far below what a line may have."""

_DURATION = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400}

F = TypeVar("F", bound=Callable[..., object])


class UsageProblem(click.UsageError):
    """The command line does not fit, and we have a sentence saying how."""

    def __init__(self, key: str, **facts: str | int) -> None:
        super().__init__(key)
        self.key: Final = key
        self.facts: Final = facts


def words_of(ctx: click.Context) -> Words:
    """Return the sentences this command line speaks in."""
    terminal = ctx.find_object(Terminal)
    assert terminal is not None  # `run_program` puts it there before anything is parsed
    return terminal.words


class _Spoken(click.Command):
    """What a command and a group have in common: help in the person's language."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage line."""
        pieces = " ".join(self.collect_usage_pieces(ctx))
        usage = words_of(ctx).text("usage.usage")
        formatter.write_usage(ctx.command_path, pieces, prefix=f"{usage} ")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command does."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(words_of(ctx).text(self.help or ""))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options with their texts."""
        words = words_of(ctx)
        rows = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                is_help = param is self.get_help_option(ctx)
                rows.append((record[0], words.text("option.help" if is_help else param.help or "")))
        with formatter.section(words.text("usage.options")):
            formatter.write_dl(rows)


class Command(_Spoken):
    """One command."""


class Group(_Spoken, click.Group):
    """A command that has commands."""

    command_class = Command
    group_class = type

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        super().format_options(ctx, formatter)
        words = words_of(ctx)
        rows = [
            (name, words.text(command.help or "").partition("\n")[0])
            for name, command in self.commands.items()
        ]
        with formatter.section(words.text("usage.commands")):
            formatter.write_dl(rows)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which one needs them."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Ask for a command where none is named."""
        if not args and not self.invoke_without_command:
            raise UsageProblem("usage.no_command", group=Own(ctx.command_path))
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say that there is none of this name."""
        if args[0] not in self.commands:
            raise UsageProblem("usage.no_such_command", command=args[0])
        return super().resolve_command(ctx, args)


def word(value: str) -> str:
    """Take a name, an id, an address or a link; refuse only what is far too long.

    What was copied out of our own lines brings the isolation marks along; they are dropped.
    """
    if len(value) > LONGEST_WORD:
        raise UsageProblem("usage.too_long", limit=LONGEST_WORD)
    return value.replace(FIRST_STRONG_ISOLATE, "").replace(POP_ISOLATE, "")


def duration(*, least: int, most: int) -> Callable[[str], int]:
    """Return a reader of spans of time (`30m`, `48h`, `7d`) between two bounds, in seconds."""

    def read(value: str) -> int:
        parts = _DURATION.fullmatch(value)
        seconds = int(parts[1]) * _UNITS[parts[2]] if parts else 0
        if not least <= seconds <= most:
            raise UsageProblem("usage.bad_duration", given=value)
        return seconds

    return read


def number(value: str) -> int:
    """Take a whole number from 0 up."""
    if not (value.isascii() and value.isdecimal() and len(value) <= 18):
        raise UsageProblem("usage.bad_number", given=value)
    return int(value)


def argument(name: str, **settings: Any) -> Callable[[F], F]:
    """Declare an argument that is a `word` unless said otherwise. `Any`: as click has it."""
    return click.argument(name, **{"type": word, **settings})


note_option = click.option(
    "--note",
    "notes",
    metavar="TAG",
    multiple=True,
    type=click.Choice(CONTENT_NOTES),
    help="option.note",
)
"""What a message is about, said beforehand."""

json_option = click.option("--json", "as_json", is_flag=True, help="option.json")
"""One JSON object per line instead of sentences."""


def usage_sentence(error: click.UsageError, words: Words) -> Own:
    """Return what does not fit, in one line."""
    match error:
        case UsageProblem():
            return words.text(error.key, **error.facts)
        case click.NoSuchOption():
            return words.text("usage.no_such_option", option=error.option_name)
        case click.MissingParameter():
            return words.text("usage.missing", what=_name_of(error.param))
        case click.BadParameter(param=click.Parameter(type=click.Choice(choices=choices))):
            listed = Own(", ".join(map(str, choices)))
            return words.text("usage.not_a_choice", what=_name_of(error.param), choices=listed)
        case click.BadParameter():
            return words.text("usage.bad_value", what=_name_of(error.param))
        case click.BadOptionUsage():
            return words.text("usage.bad_option", option=error.option_name)
        case _:
            return words.text("usage.unfit")


def _name_of(param: click.Parameter | None) -> Own:
    if isinstance(param, click.Option):
        return Own(param.opts[0])
    return Own((param.name or "").upper() if param is not None else "")
