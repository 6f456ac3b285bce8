"""`toheal meet`: being found by one's circle in the same room."""

from __future__ import annotations

from typing import Final

import click

from toheal_p2p.cli.parsing import Command, UsageProblem, argument, json_option, number, word
from toheal_p2p.cli.showing import meeting_line
from toheal_p2p.cli.terminal import Terminal

MOST_MINUTES: Final = 24 * 60
"""Minutes for which it can be opened at once: nobody forgets it for longer than a day."""


def _minutes(value: str) -> int:
    minutes = number(value)
    if not 1 <= minutes <= MOST_MINUTES:
        raise UsageProblem("usage.bad_minutes", given=value, limit=MOST_MINUTES)
    return minutes


@click.command(cls=Command, help="help.meet")
@argument("circle", metavar="[CIRCLE]", required=False)
@click.option("--minutes", metavar="N", type=_minutes, default="120", help="option.minutes")
@click.option(
    "--interface", "interfaces", metavar="NAME", multiple=True, type=word, help="option.interface"
)
@click.option("--room", is_flag=True, help="option.room")
@click.option("--off", is_flag=True, help="option.off")
@click.option("--state", "only_state", is_flag=True, help="option.state")
@json_option
@click.pass_obj
def meet(
    terminal: Terminal,
    circle: str | None,
    minutes: int,
    interfaces: tuple[str, ...],
    room: bool,
    off: bool,
    only_state: bool,
    as_json: bool,
) -> None:
    """Open it and print how it goes; with `--off` close it."""
    if off:
        terminal.order("meet_off", stage="progress.waiting", circle=circle)
        terminal.tell("done.meeting_closed")
        return
    if only_state:
        found = terminal.ask_app("meetings", stage="progress.waiting")
    else:
        found = terminal.ask_app(
            "meet",
            stage="progress.waiting",
            circle=circle,
            seconds=minutes * 60,
            interfaces=interfaces,
            room=room,
        )
        terminal.note(terminal.words.text("note.meeting"))
        if room:
            terminal.note(terminal.words.text("note.room"))
    terminal.show_all(found, meeting_line, as_json=as_json, empty="empty.circles")


COMMANDS: Final = (meet,)
