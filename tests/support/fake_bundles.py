"""Bundles of an application that has no circle's machine behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from attrs import frozen

from toheal_p2p.app.bundles_interface import BundleView, TakenBundleView
from toheal_p2p.app.progress_view import ProgressView, Report
from toheal_p2p.app.refusals import Refused


@frozen
class FakeBundles:
    """Writes a word and reads it back."""

    find: Callable[[str], Awaitable[object]]

    async def make(self, circle: str, who: str, path: str, *, report: Report) -> BundleView:
        await self.find(circle)
        if who != "Sam" and len(who) < 64:
            raise Refused("bundle_not_yet", name=who)
        await report(ProgressView("bundling", {"count": 1024}))
        await trio.Path(path).write_bytes(b"bundle")
        return BundleView(path, 3, 2, 6)

    async def take(self, path: str, *, report: Report) -> TakenBundleView:
        await report(ProgressView("unbundling", {"count": 1024}))
        try:
            content = await trio.Path(path).read_bytes()
        except OSError:
            raise Refused("cannot_read_file", path=path) from None
        if content != b"bundle":
            raise Refused("bundle_unknown")
        return TakenBundleView("c" * 64, "حلقة", "m" * 64, "Sam", 5, 1)
