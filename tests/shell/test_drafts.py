"""What was typed and not sent, sealed by a real application: its key outlives a lock, in the vault alone."""

from __future__ import annotations

import pytest

from tests.shell.test_warnings import restarted
from tests.support.applications import a_village

pytestmark = pytest.mark.trio

TYPED = "كلام لم يكتمل".encode()


async def test_what_was_sealed_is_opened_after_a_restart_by_the_same_profile_only(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, other = await village.start("نورس"), await village.start("Salma")
        assert ours.drafts.open("c1", b"x" * 80) is None, "no key was needed so far"
        sealed = await ours.drafts.seal("c1", TYPED)
        assert TYPED not in sealed and await ours.drafts.seal("c1", TYPED) != sealed
        await other.drafts.seal("c1", b"something else")
        assert other.drafts.open("c1", sealed) is None
        ours = await restarted(village, "نورس")
        assert ours.drafts.open("c1", sealed) == TYPED
        assert ours.drafts.open("c2", sealed) is None
        for broken in (b"", sealed[:-1], sealed[:20], bytes(len(sealed))):
            assert ours.drafts.open("c1", broken) is None
