"""Together: what several writers say in one moment is decided in one step.

```
 alone            ──────────────────────────────▶ decided at once
 first of several ── a pass of the scheduler ──▶ decides for all who came meanwhile
 the others       ───────────────────────────────────────▶ wait until it is durable
```
Half of what a decision costs beside its seals is there once for each step, however much was said.
Who writes alone waits for nobody.

Spec: docs/decisions/0039-what-a-message-asks-of-python.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import trio
from attrs import define, field

from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.vault_refusals import refusal
from toheal_p2p.services.circle import CircleService
from toheal_p2p.services.committer import VaultFailed
from toheal_protocol.machines import events as machine
from toheal_protocol.model import MAX_TEXT_SIZE, MessageId

MOST_AT_ONCE: Final = 32
"""Texts in one step: three milliseconds in which nothing else happens."""

Words = Callable[[], machine.Submitted]
"""Makes what is said in the moment it is decided, or raises `Refused`."""


@define(eq=False)
class _Said:
    """What one writer waits for."""

    words: Words
    mid: MessageId | None = None
    refused: Refused | None = None


@define(eq=False)
class _Gathering:
    """Who said something in this moment."""

    said: list[_Said] = field(factory=list)
    over: trio.Event = field(factory=trio.Event)
    is_durable: bool = False


@define(eq=False)
class Together:
    """Takes what is said in one circle."""

    service: CircleService
    _speaking: int = field(default=0, init=False)
    """Writers inside `say`: their words are on their way to the disk."""
    _gathering: _Gathering | None = field(default=None, init=False)

    async def say(self, words: Words) -> MessageId:
        """Have it decided, soon if others speak and else at once; return its id once it is durable.

        Raises:
            Refused: `words` did, or the vault failed.
        """
        said = _Said(words)
        self._speaking += 1
        try:
            if self._gathering is not None:
                await self._follow(self._gathering, said)
            elif self._speaking > 1:
                await self._lead(said)
            else:
                self._decide([said])
                await self._flushed()
        except VaultFailed as failed:
            raise refusal(failed.reason) from None
        finally:
            self._speaking -= 1
        if said.refused is not None:
            raise said.refused
        assert said.mid is not None
        return said.mid

    async def _lead(self, said: _Said) -> None:
        gathering = self._gathering = _Gathering([said])
        try:
            with trio.CancelScope(shield=True):  # others rely on it, and it is one pass
                await trio.lowlevel.checkpoint()
            self._gathering = None
            self._decide(gathering.said)
            await self._flushed()
            gathering.is_durable = True
        finally:
            gathering.over.set()

    async def _follow(self, gathering: _Gathering, said: _Said) -> None:
        gathering.said.append(said)
        await gathering.over.wait()
        if not gathering.is_durable:  # who led was cancelled, or met what we are about to meet
            await self._flushed()

    async def _flushed(self) -> None:
        await self.service.committer.flushed()

    def _decide(self, gathered: list[_Said]) -> None:
        """Decide what can be said, as few steps as may be."""
        for part in _parts(gathered):
            decision = self.service.take(machine.SubmittedTogether(tuple(part.values())))
            shown = [one.entry for one in decision.effects if isinstance(one, machine.Show)]
            mids = [entry.mid for entry in shown if entry.is_mine and entry.kind == "text"]
            for said, mid in zip(part, mids, strict=True):
                said.mid = mid


def _parts(gathered: list[_Said]) -> Iterator[dict[_Said, machine.Submitted]]:
    """Ask for the words of each; give them in parts that one step decides.

    A part ends where its texts are as long as one text may be, so that what is checked for each, how
    much was written today say, is exceeded by no more than before.
    """
    part: dict[_Said, machine.Submitted] = {}
    size = 0
    for said in gathered:
        if size >= MAX_TEXT_SIZE or len(part) >= MOST_AT_ONCE:
            yield part
            part, size = {}, 0
        try:
            part[said] = said.words()
        except Refused as refused:
            said.refused = refused
        else:
            size += len(part[said].text)
    if part:
        yield part
