"""Trying something that can be refused, and saying why beside the form it came from."""

from __future__ import annotations

from types import TracebackType

from attrs import define, field

from toheal_p2p.app.refusals import RefusalCode, refusal_in
from toheal_p2p.web.site import Site


@define(eq=False)
class Trying:
    """`with Trying(site) as tried:` keeps a refusal as a sentence, and goes on after the block.

    Faults are raised as ever, and so is `locked`, which has a page of its own.

    Attributes:
        error: the sentence; empty where nothing was refused.
    """

    site: Site
    error: str = field(default="", init=False)
    code: RefusalCode | None = field(default=None, init=False)

    def __enter__(self) -> Trying:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Keep what was refused."""
        refusal = None if error is None else refusal_in(error)
        if refusal is None or refusal.code == "locked":
            return False
        self.error, self.code = self.site.sentence(refusal), refusal.code
        return True
