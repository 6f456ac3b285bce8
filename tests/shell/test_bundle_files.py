"""Bundles by whole applications: made here, carried, taken there."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.support.applications import a_village, circle_of_two
from toheal_p2p.app.progress_view import ProgressView
from toheal_p2p.app.refusals import Refused


async def nobody(_progress: ProgressView) -> None:
    """Told, and passed over."""


@pytest.mark.trio
async def test_a_bundle_brings_what_no_network_would(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await trio.sleep(30)
        said = [f"رسالة {number}" for number in range(30)]
        for text in said:
            await ours.say(circle, text, notes=(), to_facilitators=False)
        path = str(tmp_path / "bundle")
        made = await ours.bundles.make(circle, "Salma", path, report=nobody)
        found = await trio.Path(path).stat()
        assert made.size == found.st_size and found.st_mode & 0o077 == 0
        taken = await theirs.bundles.take(path, report=nobody)
        again = await theirs.bundles.take(path, report=nobody)
        assert (taken.damaged, again.damaged, taken.member_name) == (0, 0, "نورس")
        texts = [entry.text for entry in await theirs.read(circle, limit=100)]
        assert [text for text in texts if text in said] == said


@pytest.mark.trio
async def test_what_is_no_bundle_of_ours_is_refused(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await trio.sleep(30)
        path = str(tmp_path / "bundle")
        await ours.bundles.make(circle, "Salma", path, report=nobody)
        other = tmp_path / "other"
        other.write_bytes(bytes(70_000))
        for wrong, code in (
            (str(other), "bundle_unknown"),
            (str(tmp_path / "nothing"), "cannot_read_file"),
            (str(tmp_path / "a\0b"), "cannot_read_file"),
        ):
            with pytest.raises(Refused) as refused:
                await theirs.bundles.take(wrong, report=nobody)
            assert refused.value.code == code
        with pytest.raises(Refused) as refused:
            await ours.bundles.take(path, report=nobody)
        assert refused.value.code == "bundle_unknown"
        for who, target, code in (
            ("nobody", path, "no_such_member"),
            ("Salma", str(tmp_path / "no" / "folder"), "cannot_write_file"),
        ):
            with pytest.raises(Refused) as refused:
                await ours.bundles.make(circle, who, target, report=nobody)
            assert refused.value.code == code
