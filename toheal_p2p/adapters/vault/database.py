"""The store: an SQLite file encrypted with a raw key, and the settings it must be opened with.

All functions here are synchronous and run in the connection's own thread. SQL is never traced or
logged, and a statement with the key in it is not kept in the statement cache.

Source: SQLite3 Multiple Ciphers, cipher scheme "ChaCha20-Poly1305 (sqleet)": every page has its
own nonce and tag, bound to the page's number.
Spec: docs/vault.md, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast
from urllib.parse import quote

import apsw

from toheal_p2p.adapters.vault.keyring import DataKey
from toheal_p2p.adapters.vault.schema import INDEXES, SCHEMA_VERSION, TABLES
from toheal_p2p.ports.vault import (
    AlreadyRunning,
    DamagedVault,
    DiskFull,
    NewerVault,
    StorageFailed,
)

OPEN_FLAGS: Final = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI
"""Never `CREATE`: a missing store is damage, not an occasion for an empty one."""

PLAIN_HEADER: Final = b"SQLite format 3\x00"
"""How a store begins that is not encrypted."""

_JOURNAL_KEPT: Final = 4 * 1024 * 1024
"""Bytes of write-ahead log left after a checkpoint: what 64 large decisions need at once."""


def open_store(db: apsw.Connection, key: DataKey) -> None:
    """Key a fresh connection, prove that the key fits, set how it is to work, make missing indexes.

    Raises:
        DamagedVault: the file is not a store under this key.
        NewerVault: its tables are of a later version.
        AlreadyRunning: somebody else has the file open.
    """
    _set_key(db, key)
    with store_errors():
        db.execute("SELECT count(*) FROM sqlite_master").fetchall()
        version = db.pragma("user_version")
        if version > SCHEMA_VERSION:
            raise NewerVault("a later version of the program wrote this vault")
        if version != SCHEMA_VERSION:
            raise DamagedVault("a store without its tables")
        _configure(db)
        db.execute(INDEXES)


def fill_store(path: Path, key: DataKey) -> None:
    """Make the tables in an empty file, encrypted from its first byte, generation 1.

    Raises:
        StorageFailed: the library did not encrypt. Nothing of a user was in the file.
    """
    db = apsw.Connection(str(path), flags=OPEN_FLAGS)
    try:
        _set_key(db, key)
        with store_errors():
            _configure(db)
            db.execute(
                f"BEGIN; {TABLES} {INDEXES} INSERT INTO profile (one, generation) VALUES (1, 1);"
                f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT"
            )
    finally:
        db.close()
    require_encrypted(path)


def copy_store(db: apsw.Connection, target: Path, key: DataKey) -> None:
    """Write the whole store into an empty file under another key, without what was deleted."""
    uri = f"file:{quote(target.resolve().as_posix())}?cipher=chacha20&key=raw:{key.hex()}"
    with store_errors():
        db.execute("VACUUM INTO ?", (uri,), can_cache=False)
    require_encrypted(target)


def require_encrypted(path: Path) -> None:
    """Insist that a store does not begin as a plain one does.

    Raises:
        StorageFailed: it is readable by anybody.
    """
    with path.open("rb") as file:
        if file.read(len(PLAIN_HEADER)) == PLAIN_HEADER:
            raise StorageFailed("the store is not encrypted")


@contextmanager
def transaction(db: apsw.Connection) -> Iterator[None]:
    """Do all of it or nothing; leaves no transaction open in any case."""
    with store_errors():
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        finally:
            if not db.get_autocommit():
                db.execute("ROLLBACK")


@contextmanager
def store_errors() -> Iterator[None]:
    """Say SQLite's errors as ours. What is left is a bug of ours and stays as it is."""
    try:
        yield
    except apsw.FullError:
        raise DiskFull("no room left to write") from None
    except (apsw.CorruptError, apsw.NotADBError):
        raise DamagedVault("the store's bytes were changed") from None
    except (apsw.BusyError, apsw.LockedError):
        raise AlreadyRunning("somebody else has the store open") from None
    except (apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise StorageFailed(f"SQLite: {type(error).__name__}") from None


def read_generation(db: apsw.Connection) -> tuple[int, bool]:
    """Return the generation, and whether an older copy was once found in this place."""
    with store_errors():
        row = db.execute("SELECT generation, was_put_back FROM profile").fetchone()
    if row is None:
        raise DamagedVault("a store without its generation")
    return cast(int, row[0]), bool(row[1])


def write_generation(db: apsw.Connection, generation: int, *, was_put_back: bool) -> None:
    """Commit a generation. Durable on return."""
    with transaction(db):
        db.execute(
            "UPDATE profile SET generation = ?, was_put_back = ?", (generation, int(was_put_back))
        )


def _set_key(db: apsw.Connection, key: DataKey) -> None:
    db.execute("PRAGMA cipher = 'chacha20'").fetchall()
    db.execute(f"PRAGMA key = 'raw:{key.hex()}'", can_cache=False).fetchall()
    # Before the first look: then the index of the log stays in memory, and there is no -shm file.
    db.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()


def _configure(db: apsw.Connection) -> None:
    for statement in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "fullfsync = ON",
        "secure_delete = ON",
        "temp_store = MEMORY",
        "cell_size_check = ON",
        "trusted_schema = OFF",
        f"journal_size_limit = {_JOURNAL_KEPT}",
    ):
        db.execute(f"PRAGMA {statement}").fetchall()
