"""The profile on this device: making it, running it, looking after it, destroying it."""

from __future__ import annotations

import getpass
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from toheal_p2p.app.look import read_look
from toheal_p2p.app.refusals import Refused
from toheal_p2p.cli import starting
from toheal_p2p.cli.files import read_first_line
from toheal_p2p.cli.local_path import find_socket, has_profile
from toheal_p2p.cli.parsing import Command, json_option, word
from toheal_p2p.cli.refusing import note_fault
from toheal_p2p.cli.showing import check_line
from toheal_p2p.cli.terminal import LoadPage, Terminal
from toheal_p2p.locale import Language, asked_language

if TYPE_CHECKING:
    from toheal_p2p.app.page_interface import PageAddress

MAX_PASSPHRASE_SIZE: Final = 4096
"""Bytes of a passphrase; what a file holds beyond its first line does not count."""

WIPE_PAUSE: Final = 0.02
"""Seconds between two looks whether the profile is gone."""

WIPE_LOOKS: Final = 500
"""Looks before a wipe counts as failed: ten seconds, of which a wipe takes a fraction of one."""

passphrase_option = click.option("--passphrase-file", metavar="F", help="option.passphrase_file")
no_browser_option = click.option("--no-browser", is_flag=True, help="option.no_browser")
port_option = click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="option.port"
)


@click.command(cls=Command, help="help.init")
@click.option("--name", metavar="NICKNAME", type=word, required=True, help="option.name")
@passphrase_option
@click.pass_obj
def init(terminal: Terminal, name: str, passphrase_file: str | None) -> None:
    """Make the profile."""
    if has_profile(terminal.home):
        raise Refused("profile_exists")
    passphrase = new_passphrase(terminal, passphrase_file)
    terminal.note(terminal.words.text("progress.preparing"))
    starting.make_profile(terminal.home, nickname=name, passphrase=passphrase)
    terminal.tell("done.profile", path=os.path.abspath(terminal.home))


@click.command(cls=Command, help="help.run")
@no_browser_option
@port_option
@passphrase_option
@click.option("--allow-loopback", is_flag=True, help="option.allow_loopback")
@click.pass_obj
def run(
    terminal: Terminal,
    no_browser: bool = False,
    port: int = 0,
    passphrase_file: str | None = None,
    allow_loopback: bool = False,
) -> None:
    """Run until stopped; print `ready <url>` once the page, or commands, are answered."""
    if terminal.load_page is not None:
        _run_with_page(
            terminal,
            terminal.load_page,
            passphrase_file,
            port=port,
            opens_browser=not no_browser,
            allow_loopback=allow_loopback,
        )
        return
    if not has_profile(terminal.home):
        raise Refused("no_profile")
    passphrase = _passphrase(terminal, passphrase_file, is_new=False)
    terminal.note(terminal.words.text("progress.opening"))
    starting.run_until_stopped(
        terminal.home,
        passphrase,
        allow_loopback=allow_loopback,
        on_ready=lambda: terminal.show(f"ready local:{find_socket(terminal.home)}"),
        on_trouble=lambda check: terminal.note(terminal.words.text(f"check.{check}")),
        on_progress=lambda code, facts: terminal.note(
            terminal.words.text(f"progress.{code}", **facts)
        ),
        on_fault=lambda fault: note_fault(fault, terminal.fault_file),
    )
    terminal.note(terminal.words.text("done.stopped"))


def _run_with_page(
    terminal: Terminal,
    load_page: LoadPage,
    passphrase_file: str | None,
    *,
    port: int,
    opens_browser: bool,
    allow_loopback: bool,
) -> None:
    from toheal_p2p.cli import page

    passphrase = None
    if passphrase_file is not None:
        if not has_profile(terminal.home):
            raise Refused("no_profile")
        passphrase = _passphrase(terminal, passphrase_file, is_new=False)
        terminal.note(terminal.words.text("progress.opening"))
    elif (running := page.open_again(terminal.home)) is not None:
        _tell_page(terminal, running, opens_browser=opens_browser)
        return
    words = terminal.words
    page.run_with_page(
        terminal.home,
        passphrase,
        page=load_page(),
        port=port,
        language=terminal.asked_language or _asked_language(terminal.home),
        allow_loopback=allow_loopback,
        listener=page.Listener(
            on_ready=partial(_tell_page, terminal, opens_browser=opens_browser),
            on_trouble=lambda check: terminal.note(words.text(f"check.{check}")),
            on_progress=lambda code, facts: terminal.note(words.text(f"progress.{code}", **facts)),
            on_fault=lambda fault: note_fault(fault, terminal.fault_file),
        ),
    )
    terminal.note(words.text("done.stopped"))


def _asked_language(home: str) -> Language | None:
    return asked_language(os.environ, read_look(home).language)


def _tell_page(terminal: Terminal, address: PageAddress, *, opens_browser: bool) -> None:
    """Say where the page is, and open it or say how that is done."""
    from toheal_p2p.cli.page import open_in_browser

    terminal.show(f"ready {address.url}")
    if not (opens_browser and open_in_browser(address)):
        terminal.note(terminal.words.text("done.page", path=str(address.start_file)))


@click.command(cls=Command, help="help.demo")
@click.option("--check", is_flag=True, help="option.check")
@click.option("--page", is_flag=True, help="option.demo_page")
@no_browser_option
@click.pass_context
def demo(ctx: click.Context, check: bool, page: bool, no_browser: bool) -> None:
    """Run a relay, three people and one circle; leave it open where somebody looks."""
    terminal: Terminal = ctx.obj
    stays = True if page else False if check or no_browser else None
    code = starting.demonstrate(
        terminal.words,
        check=check,
        page=stays,
        opens_browser=not no_browser,
        tell=terminal.show,
    )
    ctx.exit(code)


@click.command(cls=Command, help="help.doctor")
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Print what was found; exit 1 if something needs care."""
    terminal: Terminal = ctx.obj
    problems = 0
    for check in terminal.ask_app("doctor", stage="progress.checking"):
        problems += not check["ok"]
        if as_json:
            terminal.show_json(check)
        else:
            terminal.show(check_line(terminal.words, check))
    if problems:
        terminal.note(terminal.words.count("count.problems", problems))
        ctx.exit(1)


@click.command(cls=Command, help="help.lock")
@click.pass_obj
def lock(terminal: Terminal) -> None:
    """Forget the keys and end the running process."""
    for left in terminal.ask_app("lock", stage="progress.waiting"):
        terminal.tell("lock.left", number=left["members"])
    terminal.tell("done.locked")


@click.command(cls=Command, help="help.wipe")
@click.option("--yes", "is_certain", is_flag=True, help="option.yes")
@click.pass_obj
def wipe(terminal: Terminal, is_certain: bool) -> None:
    """Destroy the profile, running or not."""
    if not is_certain and not terminal.is_agreed("ask.wipe"):
        raise Refused("not_confirmed")
    try:
        terminal.order("wipe", stage="progress.wiping")
    except Refused as refusal:
        if refusal.code not in ("not_running", "no_profile"):
            raise
        starting.wipe(terminal.home)
    else:
        _wait_until_gone(terminal.home)
    terminal.tell("done.wiped")


def _wait_until_gone(home: str) -> None:
    """Return when the running process has erased the profile, after it answered that it will."""
    for _ in range(WIPE_LOOKS):
        if not has_profile(home):
            return
        time.sleep(WIPE_PAUSE)
    raise Refused("storage_failed")


def new_passphrase(terminal: Terminal, path: str | None) -> str:
    """Return a passphrase for a new profile: out of a file, or typed twice."""
    return _passphrase(terminal, path, is_new=True)


def _passphrase(terminal: Terminal, path: str | None, *, is_new: bool) -> str:
    if path is None:
        passphrase = _typed(terminal, "ask.new_passphrase" if is_new else "ask.passphrase")
        if is_new and passphrase and passphrase != _typed(terminal, "ask.passphrase_again"):
            raise Refused("passphrases_differ")
    else:
        passphrase = read_first_line(path, most=MAX_PASSPHRASE_SIZE)
    if not passphrase:
        raise Refused("passphrase_empty")
    return passphrase


def _typed(terminal: Terminal, question: str) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        raise Refused("passphrase_needed")
    try:
        return getpass.getpass(terminal.words.text(question) + " ")
    except (EOFError, OSError):
        raise Refused("passphrase_needed") from None


FIRST_COMMANDS: Final = (init, run, demo)
COMMANDS: Final = (doctor, lock, wipe)
