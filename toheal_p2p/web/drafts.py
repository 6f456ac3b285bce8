"""What was typed and not sent, kept over a lock and a page that is loaded anew.

It is sealed under a key of the vault and lies in this process's memory alone. A quick exit and
erasing forget it.

Docs: docs/decisions/0107-drafts-are-sealed-in-memory.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode

from attrs import define, field

from toheal_p2p.app.interface import AppInterface

MOST: Final = 32
"""Circles with a draft; the one that was begun first is forgotten then. Each has at most a form."""

_KEPT: Final = ("text", "audience", "reply")


@define(eq=False)
class Drafts:
    """The drafts of one page, by circle."""

    _sealed: dict[str, bytes] = field(factory=dict, init=False, repr=False)

    async def keep(self, app: AppInterface, circle: str, form: Mapping[str, str]) -> None:
        """Take what a form has in it now; nothing where it is empty."""
        self.forget(circle)
        if not form["text"].strip():
            return
        kept = {name: form[name] for name in _KEPT}
        kept |= {name: value for name, value in form.items() if name.startswith("note-")}
        sealed = await app.drafts.seal(circle, urlencode(kept).encode())
        self._sealed[circle] = sealed
        for oldest in list(self._sealed)[:-MOST]:
            self.forget(oldest)

    def back(self, app: AppInterface, circle: str) -> dict[str, str] | None:
        """Return the fields as they were typed in a circle, or None."""
        sealed = self._sealed.get(circle)
        kept = None if sealed is None else app.drafts.open(circle, sealed)
        return None if kept is None else dict(parse_qsl(kept.decode(), keep_blank_values=True))

    def forget(self, circle: str) -> None:
        """Forget what was typed in one circle: it was said."""
        self._sealed.pop(circle, None)

    def clear(self) -> None:
        """Forget all of it."""
        self._sealed.clear()
