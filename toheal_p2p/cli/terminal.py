"""The person's side of a command: what is said to them, what they are asked, and in which language.

Results go to standard output; progress, questions and refusals go to standard error, so that a
result can be piped.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from toheal_p2p.app.refusals import Refused
from toheal_p2p.cli.local_client import PATIENCE, Item, ask
from toheal_p2p.locale import Language, Words
from toheal_p2p.locale.shown import Own, plain_line

YES: Final = frozenset({"yes", "نعم"})
"""What is typed to say yes, in either language. A single letter is typed too easily."""

LoadPage = Callable[[], Any]
"""Gives the page, a `ServePage`. `Any`: commands do not load what describes it."""

LONG_PATIENCE: Final = 10.0
"""Seconds of silence after which the person is told how to stop waiting."""

# Valid inside a JSON string either way; raw, a terminal would obey them.
_RISKY: Final = {
    code: f"\\u{code:04x}"
    for code in (*range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
}


class Terminal:
    """Where one command runs."""

    def __init__(self, words: Words, home: str, *, load_page: LoadPage | None = None) -> None:
        self.words: Final = words
        self.home = home
        self.load_page: Final = load_page
        self.asked_language: Language | None = None
        """What the person named on this command line, and nothing else."""
        self.fault_file: str | None = None

    def show(self, line: str) -> None:
        """Print one line of the result."""
        _print(line)

    def show_json(self, value: Item) -> None:
        """Print one value of the result as JSON: as it is, neither cleaned nor isolated."""
        is_unicode = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
        text = json.dumps(value, ensure_ascii=not is_unicode)
        _print(text.translate(_RISKY))

    def note(self, line: str) -> None:
        """Tell the person something that is not part of the result."""
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr, flush=True)

    def tell(self, key: str, /, **facts: str | int) -> None:
        """Print a sentence as part of the result."""
        self.show(self.words.text(key, **facts))

    def ask_app(self, command: str, *, stage: str | None = None, **args: object) -> Iterator[Item]:
        """Have the running process carry out a command; give what comes back.

        Args:
            stage: the sentence for a wait longer than a second; None where waiting is ordinary.
        """
        if stage is None:
            return ask(self.home, command, args, still_waiting=None)
        patience = _Patience(self, stage)
        return ask(
            self.home,
            command,
            args,
            still_waiting=patience.still_waiting,
            progress=patience.take_progress,
        )

    def ask_one(self, command: str, *, stage: str, **args: object) -> Item:
        """The same for a command that gives exactly one value."""
        found = list(self.ask_app(command, stage=stage, **args))
        if len(found) != 1:
            raise Refused("internal")
        return found[0]

    def order(self, command: str, *, stage: str, **args: object) -> None:
        """The same for a command that gives nothing."""
        for _nothing in self.ask_app(command, stage=stage, **args):
            raise Refused("internal")

    def show_all(
        self,
        found: Iterable[Item],
        line: Callable[[Words, Item], str],
        *,
        as_json: bool,
        empty: str,
    ) -> None:
        """Print a list as it comes, one value per line; say so where it is empty."""
        is_empty = True
        for value in found:
            is_empty = False
            if as_json:
                self.show_json(value)
            else:
                self.show(line(self.words, value))
        if is_empty:
            self.note(self.words.text(empty))

    def is_agreed(self, key: str, /, **facts: str | int) -> bool:
        """Ask on the terminal and tell whether the person typed a whole yes."""
        self.note(self.words.text(key, **facts))
        line = sys.stdin.readline(1000) if sys.stdin is not None else ""
        return plain_line(line).strip(" .\u200e\u200f\u061c").casefold() in YES


class _Patience:
    """Tells the person what is being waited for: after one second, and what is tried from then on."""

    def __init__(self, terminal: Terminal, stage: str) -> None:
        self._terminal = terminal
        self._unsaid: str | None = terminal.words.text(stage)
        self._is_late = False
        self._has_said_how_to_stop = False

    def still_waiting(self, seconds: float) -> None:
        """Take notice of so many seconds of silence."""
        self._is_late = self._is_late or seconds >= PATIENCE * 0.99
        if self._is_late:
            self._say()
        if seconds >= LONG_PATIENCE * 0.99 and not self._has_said_how_to_stop:
            self._has_said_how_to_stop = True
            self._terminal.note(self._terminal.words.text("progress.longer"))

    def take_progress(self, code: str, facts: Item) -> None:
        """Take what is being tried: said at once to somebody who waits already."""
        known = {name: fact for name, fact in facts.items() if isinstance(fact, str | int)}
        self._unsaid = self._terminal.words.text(f"progress.{code}", **known)
        if self._is_late:
            self._say()

    def _say(self) -> None:
        if self._unsaid is not None:
            self._terminal.note(self._unsaid)
            self._unsaid = None


def clock_time(seconds: int, words: Words) -> Own:
    """Return a time as the person's clock shows it, in the digits they read."""
    try:
        return words.figures(time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)))
    except (OverflowError, ValueError, OSError):  # a time no clock shows
        return Own(str(seconds))


def _print(line: str) -> None:
    if sys.stdout is None:
        return
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError:
        raise Refused("cannot_write_file", path="stdout") from None
