"""What a person is told when something cannot be done: one clear line, in both languages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import get_args

from tests.support.processes import PersonProcess
from toheal_p2p.app.refusals import RefusalCode
from toheal_p2p.locale import LANGUAGES, Language, catalogue_path, load_words
from toheal_p2p.locale.catalogue import parse_po

BOTH: tuple[Language, ...] = get_args(Language)


def is_progress(line: str, language: Language) -> bool:
    """Say whether this may be said while somebody waits; it is no part of the answer."""
    with open(catalogue_path(language), encoding="utf-8") as file:
        entries = parse_po(file.read())
    said = [one["msgstr"] for one in entries if one["msgid"].startswith("progress.")]
    return any(re.fullmatch(re.sub(r"\\{\w+\\}", ".*", re.escape(one)), line) for one in said)


def require_both_languages(key: str) -> None:
    """The catalogue has a sentence of its own in each language."""
    sentences = {load_words(language).text(key) for language in LANGUAGES}
    assert key not in sentences
    assert len(sentences) == len(LANGUAGES), key


def is_refused(
    person: PersonProcess,
    code: RefusalCode | Sequence[RefusalCode],
    *args: str,
    stdin: str | None = None,
    languages: Sequence[Language] = BOTH,
    **facts: str | int,
) -> None:
    """A command ends with 1 and exactly the one line that belongs to the code.

    Args:
        code: the refusal, or several of which one has to be.
        facts: what the sentence names.
    """
    codes = [code] if isinstance(code, str) else list(code)
    for one in codes:
        require_both_languages(f"refused.{one}")
    for language in languages:
        done = person.cli_whole("--lang", language, *args, stdin=stdin)
        words = load_words(language)
        lines = done.stderr.decode().splitlines()
        said = [line for line in lines if not is_progress(line, language)]
        known = [words.text(f"refused.{one}", **facts) for one in codes]
        assert (done.returncode, len(said)) == (1, 1), (args, done)
        assert said[0] in known, (args, said, known)
        assert done.stdout == b"", (args, done)
