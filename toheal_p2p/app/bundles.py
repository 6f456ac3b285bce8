"""Bundles: what a member is owed, and what they may be missing, in a file for who has no network.

Docs: docs/command-line.md, section 4. Spec: docs/protocol/sync.md, section 7.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from typing import Final

import trio
from attrs import define

from toheal_p2p.app.bundles_interface import BundleView, TakenBundleView
from toheal_p2p.app.names import find
from toheal_p2p.app.progress_view import ProgressView, Report
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.running import RunningCircle, decide, find_circle, require_active
from toheal_p2p.ports.vault import Vault
from toheal_p2p.services.committer import Committer
from toheal_protocol.crypto import SealKey
from toheal_protocol.errors import RemoteError
from toheal_protocol.machines import bundling, sync_events
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.records import has_never_left
from toheal_protocol.machines.state import Standing
from toheal_protocol.messages.asking import Range
from toheal_protocol.messages.bundle import (
    MAX_BUNDLE_SIZE,
    MAX_PARTS,
    BundleItem,
    OwedNote,
    encode_bundle_item,
    heads_in,
    index_code,
    join_bundle,
    parts_in,
    seal_index,
    seal_part,
)
from toheal_protocol.model import CircleId, MemberId, MessageId

SLICE: Final = 64
"""Items read from the vault, or brought to the circle, at a time."""

NEWEST: Final = 1000
"""Messages of others that are put in for a member who said nothing of how far they have read."""

REPORT_EVERY: Final = 1024
"""Items after which it is told how far it has come."""

_SLICE_BYTES: Final = 1024 * 1024


@define(eq=False)
class Bundles:
    """Fulfils `BundlesInterface`."""

    vault: Vault
    committer: Committer
    running: Mapping[CircleId, RunningCircle]

    async def make(self, circle: str, who: str, path: str, *, report: Report) -> BundleView:
        """Write a file for a member."""
        running = require_active(find_circle(circle, self.running))
        service = running.service
        member = _member(running, who)
        if not bundling.can_bundle(service.circle, member):
            raise Refused("bundle_not_yet", name=who)
        generation = service.circle.pairs[member].generation
        key = SealKey(service.entropy.draw(32))
        parts: list[bytes] = []
        messages = left = 0
        leaving: list[machine.OwedFrame] = []
        async for item in self._items(running, member, leaving):
            is_message = not isinstance(item, OwedNote)
            if len(parts) == MAX_PARTS:
                left += is_message
                continue
            messages += is_message
            parts.append(seal_part(key, len(parts) + 1, encode_bundle_item(item)))
            if len(parts) % REPORT_EVERY == 0:
                await report(ProgressView("bundling", {"count": len(parts)}))
        index = seal_index(key, parts)
        if service.circle.pairs[member].generation != generation:
            raise Refused("bundle_not_yet", name=who)
        event = sync_events.BundleSealed(member, generation, key, index_code(index), tuple(leaving))
        effects = await decide(running, event, self.committer)
        [sealed] = [one.sealed for one in effects if isinstance(one, sync_events.BundleReady)]
        pieces = join_bundle(sealed, index, parts, service.entropy)
        size = await trio.to_thread.run_sync(_write, path, list(pieces))
        return BundleView(path, messages, left, size)

    async def take(self, path: str, *, report: Report) -> TakenBundleView:
        """Take a file that a member made for us."""
        bundle = await trio.to_thread.run_sync(_read, path)
        running, member, sealed = self._whose(bundle)
        await decide(running, sync_events.BundleOpened(member, sealed), self.committer)
        head = bundling.head_of(running.service.circle, member, sealed)
        if head is None:
            raise Refused("bundle_unknown")
        items = damaged = 0
        some: list[bytes] = []
        try:
            for item in parts_in(bundle, head, sealed):
                items += 1
                damaged += item is None
                if item is not None:
                    some.append(item)
                if len(some) == SLICE:
                    await self._bring(running, member, some)
                if items % REPORT_EVERY == 0:
                    await report(ProgressView("unbundling", {"count": items}))
        except RemoteError:
            raise Refused("bundle_unknown") from None
        await self._bring(running, member, some)
        cold = running.service.circle.cold
        name = cold.peers[member].name
        return TakenBundleView(cold.id.hex(), cold.name, member.hex(), name, items, damaged)

    async def _bring(self, running: RunningCircle, member: MemberId, some: list[bytes]) -> None:
        if some:
            await decide(running, sync_events.ItemsBrought(member, tuple(some)), self.committer)
            some.clear()

    def _whose(self, bundle: bytes) -> tuple[RunningCircle, MemberId, bytes]:
        for sealed in heads_in(bundle):
            for running in self.running.values():
                member = bundling.find_bundle(running.service.draft(), sealed)
                if member is not None:
                    return running, member, sealed
        raise Refused("bundle_unknown")

    async def _items(
        self, running: RunningCircle, member: MemberId, leaving: list[machine.OwedFrame]
    ) -> AsyncIterator[BundleItem]:
        """Give what a member is owed, and then what others wrote that they may be missing.

        Args:
            leaving: gets what of it was never sealed so far.
        """
        service = running.service
        circle, after = service.circle.cold.id, service.circle.pairs[member].acked_through
        while rows := await self.vault.owed(circle, member, after=after, limit=SLICE):
            for row in rows:
                owed = machine.OwedFrame(row.seq, row.mid, row.item, row.frame, row.boot)
                if has_never_left(owed.item):
                    leaving.append(owed)
                yield bundling.owed_to_bundle(service.circle, member, owed)
            after = rows[-1].seq
        async for entry in self._of_others(running, member):
            item = bundling.passed_to_bundle(service.draft(), member, entry)
            if item is not None:
                yield item

    async def _of_others(
        self, running: RunningCircle, member: MemberId
    ) -> AsyncIterator[sync_events.FoundEntry]:
        circle = running.service.circle
        ranges = bundling.missing_there(circle, member)
        mids: tuple[MessageId, ...] = ()
        if ranges is None:
            newest = await self.vault.entries(circle.cold.id, limit=NEWEST, newest=True)
            mids = tuple(row.mid for row in newest if row.kind != "gap")
        for some in _asks(ranges or (), mids):
            after, has_more = 0, True
            while has_more:
                found = await self.vault.asked_entries(
                    circle.cold.id, *some, after=after, limit=SLICE, most=_SLICE_BYTES
                )
                for entry in found.entries:
                    yield entry
                after, has_more = found.upto, found.has_more


def _asks(
    ranges: tuple[Range, ...], mids: tuple[MessageId, ...]
) -> list[tuple[tuple[Range, ...], tuple[MessageId, ...]]]:
    if ranges:
        return [(ranges, ())]
    return [((), mids[at : at + SLICE]) for at in range(0, len(mids), SLICE)]


def _member(running: RunningCircle, who: str) -> MemberId:
    peers = running.service.circle.cold.peers.items()
    known = [(m, peer.name, m) for m, peer in peers if peer.standing is Standing.MEMBER]
    return find(who, known, missing="no_such_member")


def _write(path: str, pieces: list[bytes]) -> int:
    """Write a file that its owner alone can read, in the place of an earlier one."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode=0o600)
        with open(descriptor, "wb") as file:
            return sum(file.write(piece) for piece in pieces)
    except (OSError, ValueError):
        raise Refused("cannot_write_file", path=path) from None


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            bundle = file.read(MAX_BUNDLE_SIZE + 1)
    except (OSError, ValueError):
        raise Refused("cannot_read_file", path=path) from None
    if len(bundle) > MAX_BUNDLE_SIZE:
        raise Refused("bundle_too_large", limit=MAX_BUNDLE_SIZE)
    return bundle
