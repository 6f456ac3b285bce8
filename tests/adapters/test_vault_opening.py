"""Opening a vault: who may, what is noticed, and what a crash in between leaves."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import apsw
import pytest
import trio

from tests.support.entropy import SeededEntropy
from tests.support.guest import guest_run
from tests.support.vaults import CHEAP, PASSPHRASE, an_entry, circle_id, real_vault
from toheal_p2p.adapters.vault import PassphraseCost, create_vault, open_vault, wipe_vault
from toheal_p2p.adapters.vault.database import write_generation
from toheal_p2p.adapters.vault.generation import compare_generations
from toheal_p2p.adapters.vault.keyring import Unlocked, parse_keyring, unlock_keyring
from toheal_p2p.adapters.vault.lock_file import take_lock
from toheal_p2p.adapters.vault.store import Store
from toheal_p2p.ports.vault import (
    AlreadyRunning,
    DamagedVault,
    FolderTaken,
    NewerVault,
    NoProfile,
    ProfileExists,
    StorageFailed,
    VaultClosed,
    WrongPassphrase,
)
from toheal_protocol.machines.records import PutCircle
from toheal_protocol.model import OperationId

pytestmark = pytest.mark.real

C1 = circle_id(1)


async def write(home: Path, blob: bytes) -> bool:
    """Open, write, close; return whether the vault said that it was put back."""
    async with real_vault(home) as vault:
        await vault.commit([PutCircle(C1, blob)])
        return vault.was_put_back


async def read(home: Path, passphrase: str = PASSPHRASE) -> bytes:
    vault = await open_vault(home, passphrase, entropy=SeededEntropy(3))
    try:
        (circle,) = (await vault.load()).circles
        return circle.blob
    finally:
        await vault.aclose()


def unlocked(home: Path) -> Unlocked:
    return unlock_keyring(parse_keyring((home / "keyring").read_bytes()), PASSPHRASE)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def hold_open(home: Path) -> subprocess.Popen[bytes]:
    """Start a process that opens the vault, says so, and keeps it."""
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"open\n"
    return holder


def no_thread_is_left() -> bool:
    """Give threads that were told to end the moment they need for it."""
    threads = [thread for thread in threading.enumerate() if "apsw" in thread.name]
    for thread in threads:
        thread.join(5)
    return not any(thread.is_alive() for thread in threads)


# Who may open


@pytest.mark.trio
async def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "er ' %20?#" / "حلقة"
    await write(home, b"kept")
    assert await read(home) == b"kept"
    assert no_thread_is_left()


@pytest.mark.trio(run=guest_run)
async def test_the_vault_works_beside_asyncio(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for _opening in range(2):
        await write(home, b"kept")
    assert await read(home) == b"kept"
    assert no_thread_is_left()


@pytest.mark.trio
async def test_a_wrong_passphrase_opens_nothing_and_locks_nobody_out(tmp_path: Path) -> None:
    home = tmp_path / "home"
    await write(home, b"kept")
    for _guess in range(2):
        with pytest.raises(WrongPassphrase):
            await read(home, "guess")
    assert await read(home) == b"kept"
    assert no_thread_is_left()


@pytest.mark.trio
async def test_a_folder_without_a_vault_is_left_alone(tmp_path: Path) -> None:
    for home in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(NoProfile):
            await read(home)
    assert names(tmp_path) == []


def test_a_vault_is_not_made_over_another_or_among_foreign_files(tmp_path: Path) -> None:
    home = tmp_path / "home"
    create_vault(home, PASSPHRASE, entropy=SeededEntropy(1), cost=CHEAP)
    before = (home / "keyring").read_bytes()
    with pytest.raises(ProfileExists):
        create_vault(home, "other", entropy=SeededEntropy(2), cost=CHEAP)
    assert (home / "keyring").read_bytes() == before

    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to mother.txt").write_text("dear")
    with pytest.raises(FolderTaken):
        create_vault(tmp_path / "letters", "x", entropy=SeededEntropy(2), cost=CHEAP)
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["to mother.txt"]

    for inside in ("passing/to mother.txt", "passing/file", "passing/drawn/to mother.txt"):
        letter = tmp_path / inside.replace("/", " ") / inside
        letter.parent.mkdir(parents=True)
        letter.write_text("dear")
        with pytest.raises(FolderTaken):
            create_vault(tmp_path / inside.replace("/", " "), "x", entropy=SeededEntropy(2))
        assert letter.exists()


@pytest.mark.trio
async def test_a_making_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("store.1", "store.1-wal", "keyring.next", "lock"):
        (home / name).write_bytes(b"half")
    (home / "passing" / "drawn").mkdir(parents=True)
    (home / "passing" / "drawn" / "file").write_bytes(b"half")
    assert await write(home, b"whole") is False
    assert await read(home) == b"whole"


@pytest.mark.trio
async def test_the_vault_is_open_once_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home):
        with pytest.raises(AlreadyRunning):
            await read(home)
    await write(home, b"free again")


def test_the_lock_is_held_by_one_and_free_after_it(tmp_path: Path) -> None:
    """Beside SQLite's own lock: this one is taken before anything is read."""
    ours = take_lock(tmp_path)
    with pytest.raises(AlreadyRunning):
        take_lock(tmp_path)
    ours.release()
    ours.release()
    take_lock(tmp_path).release()


@pytest.mark.skipif(sys.platform == "win32", reason="the profile folder protects them")
def test_an_empty_folder_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    create_vault(tmp_path, PASSPHRASE, entropy=SeededEntropy(1), cost=CHEAP)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


HOLDER = """
    import sys, trio
    from pathlib import Path
    from tests.support.vaults import real_vault

    async def main():
        async with real_vault(Path(sys.argv[1])):
            print("open", flush=True)
            await trio.to_thread.run_sync(sys.stdin.read)

    trio.run(main)
"""


@pytest.mark.trio
async def test_a_second_process_is_told_and_death_lets_go(tmp_path: Path) -> None:
    home = tmp_path / "home"
    await write(home, b"kept")
    with hold_open(home) as holder:
        try:
            with pytest.raises(AlreadyRunning):
                await read(home)
            with pytest.raises(ProfileExists):
                create_vault(home, "x", entropy=SeededEntropy(1), cost=CHEAP)
        finally:
            holder.kill()
    assert await read(home) == b"kept"


@pytest.mark.trio
@pytest.mark.parametrize("place", [0, 5, 100, -1])
async def test_a_changed_keyring_is_damage_not_a_wrong_passphrase(
    tmp_path: Path, place: int
) -> None:
    home = tmp_path / "home"
    await write(home, b"")
    frame = bytearray((home / "keyring").read_bytes())
    frame[place] ^= 1
    for changed in (bytes(frame), bytes(frame[:50]), bytes(frame) + b"x", b""):
        (home / "keyring").write_bytes(changed)
        with pytest.raises(DamagedVault):
            await read(home)


@pytest.mark.trio
async def test_a_vault_from_before_the_indexes_opens_and_shows_its_acts(tmp_path: Path) -> None:
    home = tmp_path / "home"
    act = an_entry(1, kind="joined", text="ab" * 32)
    async with real_vault(home) as vault:
        await vault.commit([PutCircle(C1, b"kept"), act])

    def drop_indexes(db: apsw.Connection) -> int:
        named = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        names = [str(name) for (name,) in db.execute(named)]
        for name in names:
            db.execute(f"DROP INDEX {name}")
        return len(names)

    store = await Store.open(home / "store.1", unlocked(home).data_key)
    assert await store.run(drop_indexes) >= 9
    await store.close()
    async with real_vault(home) as vault:
        assert list(await vault.operation_times(C1)) == [OperationId(b"\xab" * 32)]
        await vault.commit([an_entry(2, kind="edit", reply=act.mid)])  # asks two more by name
    assert await read(home) == b"kept"


@pytest.mark.trio
async def test_a_vault_of_a_later_version_is_not_touched(tmp_path: Path) -> None:
    home = tmp_path / "home"
    await write(home, b"")
    of = unlocked(home)
    store = await Store.open(home / "store.1", of.data_key)
    await store.run(lambda db: db.execute("PRAGMA user_version = 2").fetchall())
    await store.close()
    with pytest.raises(NewerVault):
        await read(home)
    assert unlocked(home) == of
    assert no_thread_is_left()


@pytest.mark.trio
async def test_opening_can_be_cancelled(tmp_path: Path) -> None:
    home = tmp_path / "home"
    await write(home, b"kept")
    for moment in (0.0, 0.001, 0.01, 0.02, 0.03):
        with trio.move_on_after(moment):
            vault = await open_vault(home, PASSPHRASE, entropy=SeededEntropy(4))
            await vault.aclose()
        assert no_thread_is_left()
    async with real_vault(home) as vault:
        assert not vault.was_put_back


# What is noticed


def test_one_ahead_is_a_crash_and_everything_else_a_copy() -> None:
    def judged(in_store: int, in_keyring: int) -> tuple[int, bool, bool]:
        found = compare_generations(in_store=in_store, in_keyring=in_keyring)
        return found.following, found.is_in_store, found.shows_put_back

    assert judged(7, 7) == (8, False, False)
    assert judged(8, 7) == (8, True, False)
    assert judged(6, 7) == (8, False, True)
    assert judged(9, 7) == (10, False, True)


def keep(home: Path, copy: Path) -> None:
    """Copy the store with its log, as a backup program would."""
    copy.mkdir()
    for path in home.glob("store.*"):
        shutil.copy(path, copy)


def put_back(copy: Path, home: Path) -> None:
    for path in home.glob("store.*"):
        path.unlink()
    for path in copy.iterdir():
        shutil.copy(path, home)


@pytest.mark.trio
@pytest.mark.parametrize("later", [1, 2, 5])
async def test_an_older_store_put_back_is_noticed(tmp_path: Path, later: int) -> None:
    home = tmp_path / "home"
    await write(home, b"old")
    keep(home, tmp_path / "copy")
    for _opening in range(later):
        assert await write(home, b"new") is False
    put_back(tmp_path / "copy", home)
    async with real_vault(home) as vault:
        assert vault.was_put_back


@pytest.mark.trio
async def test_a_store_copied_while_it_was_open_is_noticed_after_closing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home) as vault:
        await vault.commit([PutCircle(C1, b"old")])
        keep(home, tmp_path / "copy")
        await vault.commit([PutCircle(C1, b"new")])
    put_back(tmp_path / "copy", home)
    async with real_vault(home) as vault:
        assert vault.was_put_back
        assert (await vault.load()).circles[0].blob == b"old"


@pytest.mark.trio
async def test_a_store_put_back_stays_noticed_until_it_was_dealt_with(tmp_path: Path) -> None:
    home = tmp_path / "home"
    await write(home, b"old")
    keep(home, tmp_path / "copy")
    await write(home, b"new")
    put_back(tmp_path / "copy", home)
    for _restart in range(3):
        assert await write(home, b"") is True
    async with real_vault(home) as vault:
        await vault.accept_put_back()
        assert not vault.was_put_back
    assert await write(home, b"") is False


@pytest.mark.trio
async def test_crashes_between_the_two_counts_are_no_copy(tmp_path: Path) -> None:
    home = tmp_path / "home"
    await write(home, b"")
    for _crash in range(3):
        before = unlocked(home)
        store = await Store.open(home / "store.1", before.data_key)
        await store.run(write_generation, before.generation + 1, was_put_back=False)
        await store.close()
        assert await write(home, b"") is False


@pytest.mark.trio
async def test_a_crash_while_open_is_no_copy(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for _crash in range(3):
        async with real_vault(home) as vault:
            assert not vault.was_put_back
            await vault.commit([PutCircle(C1, b"kept")])
            shutil.copytree(home, tmp_path / "image")
        shutil.rmtree(home)
        (tmp_path / "image").rename(home)
    assert await read(home) == b"kept"


# Another passphrase


@pytest.mark.trio
async def test_a_changed_passphrase_opens_everything_and_the_old_one_nothing(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    async with real_vault(home) as vault:
        await vault.commit([PutCircle(C1, b"kept"), an_entry(1, text="كلمة")])
        old_keyring, old_store = (home / "keyring").read_bytes(), (home / "store.1").read_bytes()
        with pytest.raises(WrongPassphrase):
            await vault.change_passphrase("guess", "new")
        await vault.change_passphrase(
            PASSPHRASE, "new", cost=PassphraseCost(memory=16 << 20, passes=1)
        )
        await vault.commit([an_entry(2, text="كلمات")])
        assert len(await vault.search(C1, "كلم", limit=9)) == 2
    assert names(home) == ["keyring", "lock", "store.2"]
    assert parse_keyring((home / "keyring").read_bytes()).cost.memory == 16 << 20
    with pytest.raises(WrongPassphrase):
        await read(home)
    assert await read(home, "new") == b"kept"

    (home / "keyring").write_bytes(old_keyring)
    with pytest.raises(DamagedVault):
        await read(home)
    (home / "store.1").write_bytes((home / "store.2").read_bytes())
    with pytest.raises(DamagedVault):
        await read(home)
    assert old_store[:16] != (home / "store.2").read_bytes()[:16]
    assert no_thread_is_left()


@pytest.mark.trio
async def test_positions_go_on_after_a_change_of_passphrase(tmp_path: Path) -> None:
    async with real_vault(tmp_path / "home") as vault:
        await vault.commit([an_entry(1), an_entry(2)])
        before = await vault.entries(C1, limit=9)
        await vault.change_passphrase(PASSPHRASE, "new")
        assert await vault.entries(C1, limit=9) == before
        await vault.commit([an_entry(3)])
        assert (await vault.entries(C1, limit=9))[-1].position == before[-1].position + 1


@pytest.mark.trio
async def test_commits_during_a_change_of_passphrase_are_kept(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home) as vault, trio.open_nursery() as nursery:
        nursery.start_soon(vault.change_passphrase, PASSPHRASE, "new")
        for number in range(200):
            await vault.commit([an_entry(number)])
    vault = await open_vault(home, "new", entropy=SeededEntropy(4))
    assert len(await vault.entries(C1, limit=1000)) == 200
    await vault.aclose()


@pytest.mark.trio
async def test_a_change_cut_off_before_the_keyring_never_was(tmp_path: Path) -> None:
    home = tmp_path / "home"
    await write(home, b"kept")
    (home / "store.2").write_bytes(b"half a copy")
    (home / "store.2-wal").write_bytes(b"")
    (home / "keyring.next").write_bytes(b"half a keyring")
    assert await read(home) == b"kept"
    assert names(home) == ["keyring", "lock", "store.1"]


@pytest.mark.trio
async def test_a_change_cut_off_after_the_keyring_is_complete(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home) as vault:
        await vault.commit([PutCircle(C1, b"kept")])
        old_store = (home / "store.1").read_bytes()
        await vault.change_passphrase(PASSPHRASE, "new")
        shutil.copytree(home, tmp_path / "image")
    (tmp_path / "image" / "store.1").write_bytes(old_store)
    assert await read(tmp_path / "image", "new") == b"kept"
    assert not (tmp_path / "image" / "store.1").exists()


@pytest.mark.trio
async def test_a_keyring_that_cannot_be_replaced_stops_the_vault_and_loses_nothing(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    async with real_vault(home) as vault:
        await vault.commit([PutCircle(C1, b"kept")])
        (home / "keyring.next").mkdir()
        with pytest.raises(StorageFailed):
            await vault.change_passphrase(PASSPHRASE, "new")
        with pytest.raises(VaultClosed):
            await vault.commit([PutCircle(C1, b"lost")])
        assert "store.1" in names(home)
        assert "store.2" in names(home)
        (home / "keyring.next").rmdir()
    assert await read(home) == b"kept"
    assert names(home) == ["keyring", "lock", "store.1"]
    assert no_thread_is_left()


# The end


@pytest.mark.trio
async def test_a_wipe_leaves_nothing_and_takes_less_than_a_second(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home) as vault:
        await vault.commit([an_entry(n, common=bytes(50_000)) for n in range(200)])
    (home / "page.html").write_text("left by another part of the program")
    started = trio.current_time()
    assert wipe_vault(home) is True
    assert trio.current_time() - started < 1
    assert names(tmp_path) == []
    assert wipe_vault(home) is True
    with pytest.raises(NoProfile):
        await read(home)


@pytest.mark.trio
async def test_a_vault_wiped_while_open_does_not_come_back(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home) as vault:
        await vault.commit([PutCircle(C1, b"")])
        assert wipe_vault(home) is True
    assert not home.exists()


@pytest.mark.trio
async def test_a_new_vault_in_the_place_of_a_wiped_one_is_not_disturbed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home, seed=1):
        wipe_vault(home)
        create_vault(home, PASSPHRASE, entropy=SeededEntropy(9), cost=CHEAP)
        before = (home / "keyring").read_bytes()
    assert (home / "keyring").read_bytes() == before


def test_a_folder_that_is_no_vault_is_not_wiped(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(NoProfile):
        wipe_vault(tmp_path)
    assert (tmp_path / "letters.txt").exists()


@pytest.mark.parametrize("name", ["lock", "passing", "store.1"])
def test_a_folder_of_somebody_else_is_not_wiped_for_one_name_that_is_like_ours(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(NoProfile):
        wipe_vault(tmp_path)
    assert (tmp_path / "letters.txt").exists()


def test_a_wipe_takes_what_is_left_of_a_vault_without_its_keyring(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "passing" / "drawn").mkdir(parents=True)
    (home / "passing" / "drawn" / "part").write_bytes(b"/somewhere")
    (home / "store.1").write_bytes(b"half")
    assert wipe_vault(home) is True
    assert not home.exists()


def test_a_wipe_does_not_follow_links_out_of_the_folder(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    create_vault(home, PASSPHRASE, entropy=SeededEntropy(1), cost=CHEAP)
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (home / "link").symlink_to(outside)
    link = tmp_path / "link to home"
    link.symlink_to(home)
    wipe_vault(link)
    assert not home.exists()
    assert (outside / "kept").exists()
