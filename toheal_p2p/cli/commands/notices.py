"""`toheal notice ...` and `toheal door`: being found by people one does not know, and talking at the door."""

from __future__ import annotations

from typing import Final

import click

from toheal_p2p.cli.parsing import Command, Group, argument, duration, json_option, word
from toheal_p2p.cli.showing import door_line, notice_line
from toheal_p2p.cli.terminal import Terminal, clock_time


@click.group(cls=Group, help="help.notice")
def notice() -> None:
    """See the catalogue."""


@notice.command("open", help="help.notice_open")
@argument("circle")
@click.option("--topic", metavar="TEXT", required=True, type=word, help="option.topic")
@click.option("--speaks", metavar="TEXT", default="", type=word, help="option.speaks")
@click.option("--hours", metavar="TEXT", default="", type=word, help="option.hours")
@click.option("--name", metavar="NAME", default="", type=word, help="option.notice_name")
@click.option(
    "--expires",
    metavar="TIME",
    type=duration(least=600, most=14 * 86_400),
    default="14d",
    help="option.expires",
)
@json_option
@click.pass_obj
def open_(
    terminal: Terminal,
    circle: str,
    topic: str,
    speaks: str,
    hours: str,
    name: str,
    expires: int,
    as_json: bool,
) -> None:
    """Publish a knock link; the last line is the link."""
    words = terminal.words
    lines = [words.text("notice.only_the_door")]
    lines += [words.text("notice.speaks", languages=speaks)] if speaks else []
    lines += [words.text("notice.hours", hours=hours)] if hours else []
    lines += [words.text("notice.not_emergency")]
    made = terminal.ask_one(
        "notice_open",
        stage="progress.inviting",
        circle=circle,
        topic=topic,
        text="\n".join(lines),
        name=name or words.text("notice.name"),
        expires_in=expires,
    )
    if as_json:
        terminal.show_json(made)
        return
    terminal.tell("done.notice_open", until=clock_time(made["expires_at"], words))
    terminal.show(made["link"])


@notice.command("list", help="help.notice_list")
@argument("circle")
@json_option
@click.pass_obj
def list_(terminal: Terminal, circle: str, as_json: bool) -> None:
    """Print the notices of a circle."""
    found = terminal.ask_app("notices", stage="progress.waiting", circle=circle)
    terminal.show_all(found, notice_line, as_json=as_json, empty="empty.other")


@notice.command("close", help="help.notice_close")
@argument("circle")
@argument("notice_id", metavar="ID")
@click.pass_obj
def close(terminal: Terminal, circle: str, notice_id: str) -> None:
    """Take a notice back."""
    terminal.order("notice_close", stage="progress.waiting", circle=circle, notice=notice_id)
    terminal.tell("done.notice_closed")


@click.command("door", cls=Command, help="help.door")
@argument("circle")
@click.argument("text", required=False, type=word)
@click.option("--to", "who", metavar="WHO", type=word, help="option.door_to")
@json_option
@click.pass_obj
def door(terminal: Terminal, circle: str, text: str | None, who: str | None, as_json: bool) -> None:
    """Print what was said at the door, or say something through it."""
    if text is not None:
        terminal.order("door_say", stage="progress.waiting", circle=circle, who=who, text=text)
        terminal.tell("done.door_said")
        return
    found = terminal.ask_app("door", stage="progress.waiting", circle=circle, who=who)
    terminal.show_all(found, door_line, as_json=as_json, empty="empty.other")


COMMANDS: Final = (notice, door)
