"""What lies on the disk: nothing readable, nothing changeable, for nobody else to look at."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

import apsw
import pytest

from tests.support.entropy import SeededEntropy
from tests.support.vaults import (
    PASSPHRASE,
    an_entry,
    an_owed,
    circle_id,
    member_id,
    message_id,
    real_vault,
)
from toheal_p2p.adapters.vault import open_vault
from toheal_p2p.ports.vault import DamagedVault
from toheal_protocol.machines.records import (
    DropCircle,
    GiveUpOwed,
    PutCircle,
    PutHeld,
    PutLog,
    PutPair,
    PutSetting,
    Write,
)
from toheal_protocol.model import Frame

pytestmark = pytest.mark.real

MARKER = b"findable-marker"
TEXT = "علامة يمكن العثور عليها findable-marker"


def marked_writes() -> list[Write]:
    """Put the marker wherever bytes or text can be put."""
    circle = circle_id(1)
    return [
        PutCircle(circle, MARKER * 3),
        PutLog(circle, MARKER),
        PutPair(circle, member_id(1), MARKER),
        PutHeld(circle, message_id(9), MARKER),
        PutSetting(MARKER.decode(), MARKER),
        an_owed(1, item=MARKER, frame=Frame(MARKER * 100)),
        *(
            an_entry(number, text=TEXT, kind="findable-marker", notes=(TEXT,), common=MARKER * 80)
            for number in range(200)
        ),
    ]


def traces(home: Path) -> Iterable[str]:
    """Return where something readable was found, in any file and any name."""
    wanted = {
        "marker": MARKER,
        "Arabic": "علامة".encode(),
        "folded": "علامه".encode(),
        "circle id": circle_id(1),
        "table": b"CREATE TABLE",
        "header": b"SQLite format",
        "index": b"findabl",
        "program": b"toheal",
    }
    for path in home.rglob("*"):
        content = path.read_bytes() + path.name.encode()
        yield from (f"{name} in {path.name}" for name, what in wanted.items() if what in content)


@pytest.mark.trio
async def test_nothing_readable_is_in_any_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home) as vault:
        await vault.commit(marked_writes())
    async with real_vault(home) as vault:
        await vault.commit([an_entry(500, text=TEXT)])
        assert (home / "store.1-wal").stat().st_size > 0
        assert not (home / "store.1-shm").exists()
        assert list(traces(home)) == []
    assert list(traces(home)) == []
    assert (home / "store.1").stat().st_size > 200 * 80 * len(MARKER)


@pytest.mark.trio
@pytest.mark.skipif(sys.platform == "win32", reason="the profile folder protects them")
async def test_only_the_owner_may_look(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with real_vault(tmp_path / "home") as vault:
            await vault.commit(marked_writes())
            await vault.change_passphrase(PASSPHRASE, "another")
            await vault.commit(marked_writes())
            modes = {
                path.name: stat.S_IMODE(path.stat().st_mode)
                for path in (tmp_path / "home").iterdir()
            }
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("keyring", "lock", "store.2", "store.2-wal"), 0o600)
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


@pytest.mark.trio
@pytest.mark.skipif(sys.platform == "win32", reason="the profile folder protects them")
async def test_a_folder_opened_to_others_is_closed_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home):
        pass
    home.chmod(0o755)
    async with real_vault(home):
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


async def try_to_read(home: Path) -> None:
    vault = await open_vault(home, PASSPHRASE, entropy=SeededEntropy(2))
    try:
        await vault.load()
        for entry in await vault.entries(circle_id(1), limit=1000):
            assert entry.text == TEXT
            assert await vault.entry(circle_id(1), entry.mid)
        assert len(await vault.search(None, "علامة", limit=1000)) == 200
        await vault._store.run(look_at_every_page)
    finally:
        await vault.aclose()


def look_at_every_page(db: apsw.Connection) -> None:
    """Read what no question of a young vault needs as well: empty tables, indexes of what is rare."""
    if db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
        raise DamagedVault("a page that does not open")


@pytest.mark.trio
async def test_a_flipped_bit_in_any_page_is_refused(tmp_path: Path) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    async with real_vault(home) as vault:
        await vault.commit(marked_writes())
    whole = (home / "store.1").read_bytes()
    pages = len(whole) // 4096
    refused = 0
    for page in range(0, pages, max(1, pages // 12)):
        for place in (0, 16, 100, 2048, 4070, 4095):
            changed = bytearray(whole)
            changed[page * 4096 + place] ^= 0x40
            shutil.copytree(home, copy)
            (copy / "store.1").write_bytes(changed)
            with pytest.raises(DamagedVault):
                await try_to_read(copy)
            shutil.rmtree(copy)
            refused += 1
    assert refused >= 60


@pytest.mark.trio
async def test_two_pages_that_changed_places_are_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home) as vault:
        await vault.commit(marked_writes())
    whole = (home / "store.1").read_bytes()
    first, second = whole[8 * 4096 : 9 * 4096], whole[9 * 4096 : 10 * 4096]
    (home / "store.1").write_bytes(whole[: 8 * 4096] + second + first + whole[10 * 4096 :])
    with pytest.raises(DamagedVault):
        await try_to_read(home)


@pytest.mark.trio
@pytest.mark.parametrize("content", [b"", b"x", bytes(4096), b"SQLite format 3\x00" + bytes(8176)])
async def test_a_store_of_somebody_else_is_refused(tmp_path: Path, content: bytes) -> None:
    home = tmp_path / "home"
    async with real_vault(home):
        pass
    (home / "store.1").write_bytes(content)
    with pytest.raises(DamagedVault):
        await try_to_read(home)


@pytest.mark.trio
async def test_a_plain_database_in_the_place_of_the_store_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home):
        pass
    (home / "store.1").unlink()
    plain = apsw.Connection(str(home / "store.1"))
    plain.execute("CREATE TABLE profile (one, generation, was_put_back); PRAGMA user_version = 1")
    plain.close()
    with pytest.raises(DamagedVault):
        await try_to_read(home)


@pytest.mark.trio
async def test_a_missing_store_is_damage_and_no_new_one_is_made(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home):
        pass
    (home / "store.1").unlink()
    with pytest.raises(DamagedVault):
        await try_to_read(home)
    assert not (home / "store.1").exists()


@pytest.mark.trio
async def test_words_of_a_dropped_circle_leave_the_index(tmp_path: Path) -> None:
    """Who has the passphrase finds no trace of them either."""

    def indexed(db: apsw.Connection) -> set[object]:
        db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.seen USING fts5vocab(main, words, row)")
        return {term for (term,) in db.execute("SELECT term FROM temp.seen")}

    async with real_vault(tmp_path / "home") as vault:
        await vault.commit([an_entry(number, text=f"كلمة{number}") for number in range(300)])
        await vault.commit([an_entry(900, circle=circle_id(2), text="باقية")])
        assert len(await vault._store.run(indexed)) == 301
        await vault.commit([DropCircle(circle_id(1))])
        (left,) = await vault._store.run(indexed)
        assert str(left).endswith("باقيه")


@pytest.mark.trio
async def test_a_dropped_circle_leaves_no_row(tmp_path: Path) -> None:
    """Numbers are used again: a row left behind would turn up in the next circle."""

    def filled(db: apsw.Connection) -> set[object]:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        ours = [name for (name,) in tables if not str(name).startswith(("words", "sqlite"))]
        return {name for name in ours if db.execute(f"SELECT 1 FROM {name}").fetchall()}

    last = GiveUpOwed(circle_id(1), member_id(2))
    async with real_vault(tmp_path / "home") as vault:
        await vault.commit([*marked_writes(), an_owed(1, mid=1), last, an_owed(2, mid=2)])
        assert len(await vault._store.run(filled)) == 11
        await vault.commit([DropCircle(circle_id(1))])
        assert await vault._store.run(filled) == {"profile", "settings"}


@pytest.mark.trio
async def test_the_settings_that_promises_hang_on_are_in_force(tmp_path: Path) -> None:
    """A process that dies does not show whether the disk was written; a power cut would."""

    def settings(db: apsw.Connection) -> dict[str, object]:
        names = (
            "cipher",
            "journal_mode",
            "synchronous",
            "fullfsync",
            "locking_mode",
            "secure_delete",
            "temp_store",
            "cell_size_check",
            "trusted_schema",
        )
        found: dict[str, object] = {name: db.pragma(name) for name in names}
        (row,) = db.execute("SELECT v FROM words_config WHERE k = 'secure-delete'").fetchall()
        return {**found, "index": row[0]}

    wanted = {
        "cipher": "chacha20",
        "journal_mode": "wal",
        "synchronous": 2,
        "fullfsync": 1,
        "locking_mode": "exclusive",
        "secure_delete": 1,
        "temp_store": 2,
        "cell_size_check": 1,
        "trusted_schema": 0,
        "index": 1,
    }
    async with real_vault(tmp_path / "home") as vault:
        assert await vault._store.run(settings) == wanted
        await vault.change_passphrase(PASSPHRASE, "another")
        assert await vault._store.run(settings) == wanted


@pytest.mark.trio
async def test_no_secret_is_shown(tmp_path: Path) -> None:
    async with real_vault(tmp_path / "home") as vault:
        key = vault._unlocked.data_key
        for shown in (repr(vault), str(vault)):
            assert key.hex() not in shown
            assert repr(key) not in shown
