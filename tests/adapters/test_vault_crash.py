"""Death, cancellation and full disks: what was acknowledged is there, what was not is whole."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import apsw
import pytest
import trio

from tests.support.entropy import SeededEntropy
from tests.support.vaults import (
    PASSPHRASE,
    an_entry,
    circle_id,
    member_id,
    message_id,
    real_vault,
)
from toheal_p2p.adapters.vault import SqliteVault, open_vault
from toheal_p2p.ports.vault import DiskFull, VaultClosed, VaultError, WrongPassphrase
from toheal_p2p.services.committer import Committer, VaultFailed
from toheal_protocol.errors import LocalError
from toheal_protocol.machines.records import PutCircle, PutPair, PutSetting, Write
from toheal_protocol.model import MemberId

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and resource limits"),
]

C1 = circle_id(1)

WRITER = """
    import os, sys, trio
    from pathlib import Path
    from tests.support.vaults import *
    from toheal_p2p.services.committer import Committer
    from toheal_protocol.machines.records import *

    async def main():
        async with real_vault(Path(sys.argv[1])) as vault, trio.open_nursery() as nursery:
            committer = Committer(vault)
            await nursery.start(committer.run)
            number = len(await vault.entries(circle_id(1), limit=10**6))
            while True:
                number += 1
                writes = (
                    an_entry(number, common=bytes(1000)),
                    an_owed(number, mid=number),
                    PutPair(circle_id(1), member_id(2), b"%d" % number),
                    PutCircle(circle_id(1), b"%d" % number),
                )
                said = b"%d\\n" % number
                committer.submit(writes, lambda said=said: os.write(1, said) and None)
                await committer.room()

    trio.run(main)
"""

CHANGER = """
    import os, sys, trio
    from pathlib import Path
    from tests.support.entropy import SeededEntropy
    from toheal_p2p.adapters.vault import open_vault

    async def main():
        old, new = sys.argv[2], sys.argv[3]
        entropy = SeededEntropy(int(sys.argv[4]))
        vault = await open_vault(Path(sys.argv[1]), old, entropy=entropy)
        while True:
            os.write(1, b"changing\\n")
            await vault.change_passphrase(old, new)
            old, new = new, old

    trio.run(main)
"""


@contextmanager
def running(script: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a script, and kill it with SIGKILL in the end."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def killed_after(lines: int, script: str, *arguments: str) -> list[bytes]:
    """Kill a script once it has written some lines, and return all it had written."""
    with running(script, *arguments) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _line in range(lines)]
        process.kill()
        return said + process.stdout.readlines()


async def length_after_checks(home: Path) -> int:
    """Return how many decisions are there; each must be there as a whole and in order."""
    async with real_vault(home) as vault:
        assert not vault.was_put_back, "a crash is no copy"
        entries = await vault.entries(C1, limit=10**6)
        length = len(entries)
        assert [entry.author_seq for entry in entries] == list(range(1, length + 1))
        owed = await vault.owed(C1, member_id(2), after=0, limit=10**6)
        assert [row.seq for row in owed] == list(range(1, length + 1))
        (circle,) = (await vault.load()).circles
        assert circle.blob == circle.pairs[member_id(2)] == b"%d" % length
        ok = await vault._store.run(lambda db: db.execute("PRAGMA integrity_check").fetchall())
        assert ok == [("ok",)]
        return length


@pytest.mark.trio
async def test_twenty_violent_deaths_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    home, length = tmp_path / "home", 0
    for death in range(20):
        said = killed_after(1 + death * 7, WRITER, str(home))
        acknowledged = int(said[-1] if said[-1].endswith(b"\n") else said[-2])
        assert acknowledged > length
        length = await length_after_checks(home)
        assert length >= acknowledged


@pytest.mark.trio
async def test_violent_deaths_during_changes_of_passphrase_leave_one_that_opens(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    async with real_vault(home) as vault:
        await vault.commit([an_entry(n, common=bytes(3000)) for n in range(1000)])
        await vault.commit([PutCircle(C1, b"kept")])
    now, other = PASSPHRASE, "another"
    for death in range(8):
        killed_after(1 + death % 4, CHANGER, str(home), now, other, str(death))
        try:
            vault = await open_vault(home, now, entropy=SeededEntropy(100 + death))
        except WrongPassphrase:
            now, other = other, now
            vault = await open_vault(home, now, entropy=SeededEntropy(100 + death))
        assert len(await vault.entries(C1, limit=2000)) == 1000
        assert not vault.was_put_back
        await vault.aclose()
        assert len(list_files(home)) == 3


def list_files(home: Path) -> list[Path]:
    return list(home.iterdir())


# Cancellation


async def in_transaction(vault: SqliteVault) -> bool:
    return await vault._store.run(lambda db: not db.get_autocommit())


@pytest.mark.trio
async def test_a_cancelled_commit_is_whole_and_leaves_no_transaction(tmp_path: Path) -> None:
    async with real_vault(tmp_path / "home") as vault:
        for round_ in range(20):
            first = round_ * 100
            with trio.move_on_after(round_ / 4000):
                await vault.commit([an_entry(first + n) for n in range(100)])
            assert len(await vault.entries(C1, limit=10_000)) == first + 100
            assert not await in_transaction(vault)


@pytest.mark.trio
async def test_a_cancelled_question_ends_at_once_and_harms_nothing(tmp_path: Path) -> None:
    endless = (
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    )
    async with real_vault(tmp_path / "home") as vault:
        with trio.fail_after(10):
            for _again in range(3):
                with trio.move_on_after(0.02) as scope:
                    await vault._store.run(lambda db: db.execute(endless).fetchall())
                assert scope.cancelled_caught
                await vault.commit([PutCircle(C1, b"after")])
        assert not await in_transaction(vault)


@pytest.mark.trio
async def test_closing_in_a_cancelled_scope_does_not_hang(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for _again in range(3):
        async with real_vault(home) as vault:
            await vault.commit([PutCircle(C1, b"kept")])
            with trio.fail_after(10), trio.CancelScope() as scope:
                scope.cancel()
                await vault.aclose()
    async with real_vault(home) as vault:
        assert (await vault.load()).circles[0].blob == b"kept"


@pytest.mark.trio
async def test_many_tasks_share_one_vault(tmp_path: Path) -> None:
    """Two tasks on one connection must not see, or roll back, each other's transaction."""

    async def write(task: int) -> None:
        for turn in range(20):
            number = task * 100 + turn
            await vault.commit([an_entry(number), PutPair(C1, member_id(task), b"%d" % turn)])
            assert await vault.entry(C1, message_id(number)) is not None

    async def fail(vault: SqliteVault) -> None:
        for turn in range(20):
            with pytest.raises(LocalError):
                await vault.commit([an_entry(5000 + turn, recipients=(MemberId(b"short"),))])
            await vault.search(C1, "message", limit=5)

    async with real_vault(tmp_path / "home") as vault:
        async with trio.open_nursery() as nursery:
            for task in range(5):
                nursery.start_soon(write, task)
            nursery.start_soon(fail, vault)
        assert len(await vault.entries(C1, limit=1000)) == 100


@pytest.mark.trio
async def test_a_write_that_is_a_bug_leaves_nothing_of_its_group(tmp_path: Path) -> None:
    bad: list[list[Write]] = [
        [an_entry(1), an_entry(2, parents=(message_id(1), b"short"))],
        [an_entry(1, circle=circle_id(7)), PutSetting("name", None)],  # type: ignore[arg-type]
        [an_entry(1), "no record at all"],  # type: ignore[list-item]
    ]
    async with real_vault(tmp_path / "home") as vault:
        for writes in bad:
            with pytest.raises((LocalError, apsw.ConstraintError, KeyError)):
                await vault.commit(writes)
            assert await vault.entries(C1, limit=9) == ()
            assert not await in_transaction(vault)
        await vault.commit([an_entry(1, circle=circle_id(7)), an_entry(3)])
        assert len(await vault.entries(circle_id(7), limit=9)) == 1


# A full disk


@pytest.mark.trio
async def test_a_full_store_says_so_keeps_what_it_has_and_takes_no_more(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home) as vault:
        await vault.commit([an_entry(1)])
        pages = await vault._store.run(lambda db: db.pragma("page_count"))
        await vault._store.run(lambda db: db.pragma("max_page_count", pages + 20))
        with pytest.raises(DiskFull):
            await vault.commit([an_entry(n, common=bytes(3000)) for n in range(2, 200)])
        assert not await in_transaction(vault)
        assert len(await vault.entries(C1, limit=999)) == 1
        with pytest.raises(VaultClosed):
            await vault.commit([an_entry(3)])
    async with real_vault(home) as vault:
        assert len(await vault.entries(C1, limit=999)) == 1
        assert not vault.was_put_back


FILLER = """
    import os, resource, signal, sys, trio
    from pathlib import Path
    from tests.support.vaults import *
    from toheal_p2p.ports.vault import VaultError
    from toheal_p2p.services.committer import Committer, VaultFailed

    async def main():
        async with real_vault(Path(sys.argv[1])) as vault:
            await vault.commit([an_entry(1)])
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
            committer = Committer(vault)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(committer.run)
                    for number in range(2, 5000):
                        said = b"%d\\n" % number
                        committer.submit(
                            [an_entry(number, common=bytes(3000))],
                            lambda said=said: os.write(1, said) and None,
                        )
                        await committer.room()
            except* VaultFailed as failed:
                os.write(1, type(failed.exceptions[0].reason).__name__.encode())

    trio.run(main)
"""


@pytest.mark.trio
@pytest.mark.parametrize("limit", [200_000, 1_000_000, 6_000_000])
async def test_a_disk_that_fills_up_ends_the_writer_and_loses_nothing(
    tmp_path: Path, limit: int
) -> None:
    home = tmp_path / "home"
    with running(FILLER, str(home), str(limit)) as process:
        assert process.stdout is not None
        *said, reason = process.stdout.read().split(b"\n")
    assert reason in (b"DiskFull", b"StorageFailed"), (reason, said[-3:])
    async with real_vault(home) as vault:
        assert len(await vault.entries(C1, limit=9999)) >= (int(said[-1]) if said else 1)
        assert not vault.was_put_back


@pytest.mark.trio
async def test_a_change_of_passphrase_without_room_changes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home) as vault:
        await vault.commit([an_entry(n, common=bytes(3000)) for n in range(300)])
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
        try:
            with pytest.raises(VaultError):
                await vault.change_passphrase(PASSPHRASE, "another")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await vault.commit([an_entry(1000)])
        assert len(list_files(home)) == 4
    async with real_vault(home) as vault:
        assert len(await vault.entries(C1, limit=999)) == 301


@pytest.mark.trio
async def test_a_committer_on_a_full_store_ends_with_the_reason(tmp_path: Path) -> None:
    acted: list[int] = []
    async with real_vault(tmp_path / "home") as vault:
        pages = await vault._store.run(lambda db: db.pragma("page_count"))
        await vault._store.run(lambda db: db.pragma("max_page_count", pages + 50))
        committer = Committer(vault)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(committer.run)
                for number in range(1000):
                    committer.submit(
                        [an_entry(number, common=bytes(3000))], partial(acted.append, number)
                    )
                    await committer.room()
        except* VaultFailed as failed:
            for error in failed.exceptions:
                assert isinstance(error, VaultFailed)
                assert isinstance(error.reason, DiskFull)
        assert 0 < len(acted) < 1000
        kept = [entry.author_seq for entry in await vault.entries(C1, limit=9999)]
        assert acted == kept == list(range(len(kept)))
