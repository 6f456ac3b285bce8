"""`toheal share ask|answer|list|withdraw|export`: showing words outside, with their author's yes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from toheal_p2p.cli.local_client import Item
from toheal_p2p.cli.parsing import Group, argument, json_option, word
from toheal_p2p.cli.showing import text_lines
from toheal_p2p.cli.showing_acts import short
from toheal_p2p.cli.terminal import Terminal, clock_time
from toheal_p2p.locale import Words


@click.group(cls=Group, help="help.share")
def share() -> None:
    """See the catalogue."""


@share.command("ask", help="help.share_ask")
@argument("circle")
@argument("message", metavar="ID")
@click.option("--with", "audience", metavar="TEXT", required=True, type=word, help="option.with")
@click.option("--for", "purpose", metavar="TEXT", required=True, type=word, help="option.for")
@click.option("--excerpt", metavar="TEXT", help="option.excerpt")
@click.option(
    "--days", metavar="N", type=click.IntRange(1, 90), default=30, help="option.share_days"
)
@json_option
@click.pass_obj
def ask(
    terminal: Terminal,
    circle: str,
    message: str,
    audience: str,
    purpose: str,
    excerpt: str | None,
    days: int,
    as_json: bool,
) -> None:
    """Ask an author; print what was asked."""
    asked = terminal.ask_one(
        "share_ask",
        stage="progress.waiting",
        circle=circle,
        message=message,
        excerpt=excerpt,
        audience=audience,
        purpose=purpose,
        days=days,
    )
    _show(terminal, asked, as_json=as_json)


@share.command("list", help="help.share_list")
@argument("circle")
@json_option
@click.pass_obj
def list_(terminal: Terminal, circle: str, as_json: bool) -> None:
    """Print what was asked, and what came of it."""
    found = terminal.ask_app("share_list", stage="progress.waiting", circle=circle)
    terminal.show_all(found, _share_text, as_json=as_json, empty="empty.shares")


@share.command("answer", help="help.share_answer")
@argument("circle")
@argument("share_", metavar="ID")
@click.argument("answer", type=click.Choice(("yes", "no")))
@json_option
@click.pass_obj
def answer(terminal: Terminal, circle: str, share_: str, answer: str, as_json: bool) -> None:
    """Say yes or no."""
    settled = terminal.ask_one(
        "share_answer", stage="progress.waiting", circle=circle, share=share_, yes=answer == "yes"
    )
    _show(terminal, settled, as_json=as_json)


@share.command("withdraw", help="help.share_withdraw")
@argument("circle")
@argument("share_", metavar="ID")
@json_option
@click.pass_obj
def withdraw(terminal: Terminal, circle: str, share_: str, as_json: bool) -> None:
    """Take a yes back."""
    settled = terminal.ask_one(
        "share_withdraw", stage="progress.waiting", circle=circle, share=share_
    )
    _show(terminal, settled, as_json=as_json)


@share.command("export", help="help.share_export")
@argument("circle")
@argument("message", metavar="ID")
@json_option
@click.pass_obj
def export(terminal: Terminal, circle: str, message: str, as_json: bool) -> None:
    """Print words that may leave the circle."""
    found = terminal.ask_app(
        "share_export", stage="progress.waiting", circle=circle, message=message
    )
    terminal.show_all(found, _export_text, as_json=as_json, empty="empty.shares")


def _show(terminal: Terminal, share: Item, *, as_json: bool) -> None:
    if as_json:
        terminal.show_json(share)
    else:
        terminal.show(_share_text(terminal.words, share))


def _share_text(words: Words, share: Item) -> str:
    return "\n".join(_share_lines(words, share))


def _share_lines(words: Words, share: Item) -> Iterator[str]:
    key = "line.share_asked_by_me" if share["asked_by_me"] else "line.share_asked_of_me"
    yield words.text(
        key,
        id=short(share["id"]),
        message=short(share["message"]),
        name=share["other_name"],
        state=words.word("share_state", share["state"]),
    )
    yield "    " + _why(words, share)
    yield from text_lines(share["excerpt"])


def _export_text(words: Words, exported: Item) -> str:
    lines = [*text_lines(exported["text"])]
    if not exported["mine"]:
        lines.append(words.text("line.agreed", name=exported["author_name"]))
        lines.append("    " + _why(words, exported))
        lines.append("    " + words.text("line.receipt", receipt=exported["receipt"]))
    return "\n".join(lines)


def _why(words: Words, share: Item) -> str:
    return words.text(
        "line.share_why",
        audience=share["audience"],
        purpose=share["purpose"],
        until=clock_time(share["not_after"], words),
    )


COMMANDS: Final = (share,)
