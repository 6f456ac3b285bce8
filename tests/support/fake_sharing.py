"""The part of the fake application that is about showing words outside."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from toheal_p2p.app.interface import ExportView, ShareView
from toheal_p2p.app.refusals import Refused

UNTIL = 1_800_600_000

ASKED = ShareView(
    id="5a" * 16,
    message="ab" * 32,
    asked_by_me=False,
    other_name="Sam",
    excerpt="what helped me",
    audience="a counsellor",
    purpose="comfort",
    not_after=UNTIL,
    state="asked",
)

EVERY_SHARE = (
    ASKED,
    evolve(ASKED, asked_by_me=True, state="granted"),
    evolve(ASKED, state="refused", excerpt=""),
    evolve(ASKED, state="withdrawn", excerpt=""),
    evolve(ASKED, state="expired", excerpt=""),
)


class FakeSharing:
    """It has one asking, and words of one's own and of Sam."""

    async def _find(self, circle: str) -> object:
        raise NotImplementedError

    async def share_ask(
        self,
        circle: str,
        message: str,
        *,
        excerpt: str | None,
        audience: str,
        purpose: str,
        days: int,
    ) -> ShareView:
        await self._find(circle)
        words = f"{days} days" if excerpt is None else excerpt
        return evolve(ASKED, asked_by_me=True, excerpt=words, audience=audience, purpose=purpose)

    async def share_list(self, circle: str) -> Sequence[ShareView]:
        await self._find(circle)
        return EVERY_SHARE

    async def share_answer(self, circle: str, share: str, *, yes: bool) -> ShareView:
        await self._find(circle)
        self._require(share)
        return evolve(ASKED, state="granted" if yes else "refused")

    async def share_withdraw(self, circle: str, share: str) -> ShareView:
        await self._find(circle)
        self._require(share)
        return evolve(ASKED, state="withdrawn", excerpt="")

    async def share_export(self, circle: str, message: str) -> Sequence[ExportView]:
        await self._find(circle)
        if message == "own":
            return [ExportView("ab" * 32, "نورس", True, "my words", None, None, None, None)]
        if message == "sam":
            agreed = ("a counsellor", "comfort", UNTIL, "01ab")
            return [ExportView("ab" * 32, "Sam", False, "what helped me", *agreed)]
        raise Refused("share_needs_consent")

    def _require(self, share: str) -> None:
        if not ASKED.id.startswith(share):
            raise Refused("no_such_share", name=share)
