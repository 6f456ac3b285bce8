"""The charter a circle begins with when its founder brings none: nine lines, for every circle to
change as it likes.

The lines say what peer-support practice asks for (docs: the practice behind the features); the
wording is ours and has not been reviewed by clinicians.
"""

from __future__ import annotations

from typing import Final

from toheal_p2p.locale import Words

CHARTER_LINES: Final = (
    "charter.stays_here",
    "charter.own_experience",
    "charter.may_pass",
    "charter.one_voice",
    "charter.no_methods",
    "charter.no_medical_advice",
    "charter.ideas_not_people",
    "charter.not_emergency",
    "charter.danger",
)


def default_charter(words: Words) -> str:
    """Return the nine lines in this language."""
    return "\n".join(words.text(line) for line in CHARTER_LINES)
