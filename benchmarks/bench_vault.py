"""The vault: durable messages per second, and questions to 100 000 Arabic messages.

A received message writes an entry (945 B common), a session (2.5 kB) and a log (400 B); a sent one
an entry, a log, and for each of seven members a session and an owed frame (1.1 kB, of which the
common part is kept once). "Durable" means fsync, so the disk under the temporary folder is measured
too (TMPDIR chooses another).
The plain figures use the same tables, writes and settings without the cipher. Questions include
the way to the store's thread and back. What a passphrase costs is a figure of its own;
everything else uses the cheapest.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import apsw
import trio

from benchmarks.figures import Figure, print_figures, seconds_per_call
from toheal_p2p.adapters.entropy import SystemEntropy
from toheal_p2p.adapters.search_text import normalise_text
from toheal_p2p.adapters.vault import PassphraseCost, SqliteVault, create_vault, open_vault
from toheal_p2p.adapters.vault.database import OPEN_FLAGS, open_store
from toheal_p2p.adapters.vault.keyring import DataKey, Unlocked, make_keyring
from toheal_p2p.adapters.vault.numbers import Numbers
from toheal_p2p.adapters.vault.schema import TABLES
from toheal_p2p.adapters.vault.writes import apply_writes
from toheal_p2p.services.committer import Committer
from toheal_protocol.machines.records import PutEntry, PutLog, PutOwed, PutPair, Write
from toheal_protocol.model import Audience, CircleId, Frame, MemberId, MessageId, WallTime

CIRCLE: Final = CircleId(bytes(32))
MEMBERS: Final = tuple(MemberId(bytes([n]) * 32) for n in range(1, 8))
WORDS: Final = [
    "السلام",
    "عليكم",
    "كيف",
    "حالك",
    "اليوم",
    "أنا",
    "بخير",
    "والحمد",
    "لله",
    "الليل",
    "طويل",
    "والنوم",
    "قليل",
    "شكرا",
    "لكم",
    "على",
    "الكلام",
]
CHEAP: Final = PassphraseCost(memory=8 << 20, passes=1)
ENTRIES: Final = 100_000
ENTROPY: Final = SystemEntropy()


def text_of(number: int) -> str:
    start = number * 7 % len(WORDS)
    return " ".join([*(WORDS + WORDS)[start : start + 12], f"رقم{number % 997}"])


def an_entry(number: int, *, is_mine: bool = False) -> PutEntry:
    return PutEntry(
        circle=CIRCLE,
        mid=MessageId(os.urandom(32)),
        author=MEMBERS[number % 7],
        audience=Audience.CIRCLE,
        author_seq=number,
        kind="text",
        text=text_of(number),
        sent_at=WallTime(1_700_000_000 + number),
        received_at=WallTime(1_700_000_000 + number),
        is_mine=is_mine,
        notes=(),
        key=os.urandom(32),
        common=os.urandom(945),
        recipients=MEMBERS if is_mine else (),
        passed_on_by=None,
        parents=(MessageId(bytes(32)),),
    )


def receiving(number: int) -> list[Write]:
    """Return what one received message writes."""
    pair = PutPair(CIRCLE, MEMBERS[number % 7], os.urandom(2500))
    return [an_entry(number), pair, PutLog(CIRCLE, os.urandom(400))]


def sending(number: int) -> list[Write]:
    """Return what one message of ours to seven members writes."""
    ours = an_entry(number, is_mine=True)
    writes: list[Write] = [ours, PutLog(CIRCLE, os.urandom(400))]
    for member in MEMBERS:
        frame = Frame(os.urandom(140) + ours.common)
        writes.append(PutOwed(CIRCLE, member, number, ours.mid, os.urandom(32), frame))
        writes.append(PutPair(CIRCLE, member, os.urandom(2500)))
    return writes


def per_transaction(db: apsw.Connection, size: int) -> float:
    """Return milliseconds per transaction of `size` received messages, without any thread."""
    numbers = Numbers(db)
    rounds = [[w for n in range(size) for w in receiving(n)] for _ in range(40)]
    took = []
    for writes in rounds:
        started = time.perf_counter()
        apply_writes(db, numbers, writes)
        took.append(time.perf_counter() - started)
    return median(took) * 1e3


def plain_store(path: Path) -> apsw.Connection:
    """Make the same tables in a store that anybody can read: only to be compared with."""
    db = apsw.Connection(str(path))
    for setting in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "secure_delete = ON"):
        db.execute(f"PRAGMA {setting}").fetchall()
    db.execute(TABLES)
    db.execute("INSERT INTO profile (one, generation) VALUES (1, 1)")
    return db


def encrypted_store(home: Path) -> apsw.Connection:
    create_vault(home, "x", entropy=ENTROPY, cost=CHEAP)
    keys: list[DataKey] = []

    async def look() -> None:
        vault = await open_vault(home, "x", entropy=ENTROPY)
        keys.append(vault._unlocked.data_key)
        await vault.aclose()

    trio.run(look)
    db = apsw.Connection(str(home / "store.1"), flags=OPEN_FLAGS)
    open_store(db, keys[0])
    return db


def transactions(folder: Path) -> list[Figure]:
    plain, sealed = plain_store(folder / "plain"), encrypted_store(folder / "sealed")
    figures = []
    for size in (1, 64):
        named = f"transaction of {size} received"
        figures += [
            Figure(f"{named}, plain SQLite", per_transaction(plain, size), "ms"),
            Figure(
                f"{named}, encrypted",
                per_transaction(sealed, size),
                "ms",
                compared_to=f"{named}, plain SQLite",
            ),
        ]
    plain.close()
    sealed.close()
    return figures


async def through_committer(
    vault: SqliteVault, decide: Callable[[int], list[Write]], count: int
) -> tuple[float, float]:
    """Return messages per second, and milliseconds that a question takes meanwhile."""
    decisions = [decide(n) for n in range(count)]
    acted: list[int] = []
    asked: list[float] = []

    async def look() -> None:
        while True:
            started = time.perf_counter()
            await vault.entries(CIRCLE, limit=50, newest=True)
            asked.append(time.perf_counter() - started)
            await trio.sleep(0.02)

    async with trio.open_nursery() as nursery:
        committer = Committer(vault)
        nursery.start_soon(committer.run)
        nursery.start_soon(look)
        started = time.perf_counter()
        for number, writes in enumerate(decisions):
            committer.submit(writes, partial(acted.append, number))
            await committer.room()
        await committer.flushed()
        took = time.perf_counter() - started
        nursery.cancel_scope.cancel()
    return count / took, median(asked) * 1e3


async def alone(vault: SqliteVault, count: int) -> float:
    decisions = [receiving(n) for n in range(count)]
    started = time.perf_counter()
    for writes in decisions:
        await vault.commit(writes)
    return count / (time.perf_counter() - started)


async def commits(folder: Path) -> list[Figure]:
    create_vault(folder / "busy", "x", entropy=ENTROPY, cost=CHEAP)
    vault = await open_vault(folder / "busy", "x", entropy=ENTROPY)
    one_by_one = await alone(vault, 300)
    received, asked = await through_committer(vault, receiving, 4000)
    sent, _asked = await through_committer(vault, sending, 1500)
    await vault.aclose()
    unit = "messages/s"
    return [
        Figure("received, each committed alone", one_by_one, unit),
        Figure(
            "received, through the committer",
            received,
            unit,
            compared_to="received, each committed alone",
        ),
        Figure("sent to 7, through the committer", sent, unit),
        Figure("newest 50 while the committer is busy", asked, "ms", note="median"),
    ]


async def asked(name: str, question: Callable[[], Awaitable[Sequence[object]]]) -> Figure:
    """Ask 40 times and return the median."""
    took = []
    for _time in range(40):
        started = time.perf_counter()
        found = await question()
        took.append(time.perf_counter() - started)
    note = f"{len(found)} found, the first time {took[0] * 1e3:.2f} ms"
    return Figure(name, median(took) * 1e3, "ms", note=note)


async def questions(folder: Path) -> list[Figure]:
    home = folder / "large"
    create_vault(home, "x", entropy=ENTROPY, cost=CHEAP)
    vault = await open_vault(home, "x", entropy=ENTROPY)
    for first in range(0, ENTRIES, 1000):
        await vault.commit([an_entry(n, is_mine=n % 7 == 0) for n in range(first, first + 1000)])
    await vault.aclose()
    size = (home / "store.1").stat().st_size / 1e6

    started = time.perf_counter()
    vault = await open_vault(home, "x", entropy=ENTROPY)
    opened = (time.perf_counter() - started) * 1e3
    figures = [
        Figure("store of 100 000 messages", size, "MB"),
        Figure("opening it", opened, "ms", note="with the cheapest passphrase"),
        await asked("newest 50", lambda: vault.entries(CIRCLE, limit=50, newest=True)),
        await asked("50 after the middle", lambda: vault.entries(CIRCLE, after=50_000, limit=50)),
        await asked("deliveries of 20", lambda: vault.deliveries(CIRCLE, None, limit=20)),
        await asked("search, a rare word", lambda: vault.search(CIRCLE, "رقم500", limit=50)),
        await asked("search, a word of most", lambda: vault.search(CIRCLE, "السَّلام", limit=50)),
        await asked("search, two such words", lambda: vault.search(None, "الليل طويل", limit=50)),
        await asked("search, no such word", lambda: vault.search(None, "غيرموجود", limit=50)),
    ]
    started = time.perf_counter()
    await vault.change_passphrase("x", "y")
    figures.append(Figure("another passphrase", (time.perf_counter() - started) * 1e3, "ms"))
    await vault.aclose()
    return figures


def main() -> list[Figure]:
    nothing = Unlocked(DataKey(bytes(32)), 1, 1)
    started = time.perf_counter()
    make_keyring("x", nothing, cost=PassphraseCost(), entropy=ENTROPY)
    stretched = (time.perf_counter() - started) * 1e3
    folded = seconds_per_call(lambda: normalise_text(text_of(500))) * 1e6
    figures = [
        Figure("stretching a passphrase", stretched, "ms", note="256 MiB, 3 passes"),
        Figure("normal form of 13 Arabic words", folded, "µs"),
    ]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        figures += transactions(folder)
        figures += trio.run(commits, folder)
        figures += trio.run(questions, folder)
    return figures


if __name__ == "__main__":
    print_figures(main())
