"""A vault of a million messages: opening it, paging in it, searching it.

Built through the vault's own writes, thousands of messages in a transaction, in three circles: a
large one, and two of a hundred thousand of which one fell silent before the large one began. Texts
are ten Arabic words, a few of them frequent and most of them rare; the common part is the smallest
there is (305 B). Each question is asked at many places or again and again; the figure is the median,
and the note says what the slowest took. The first question after an opening finds the store's own
memory empty; the system's copy of the file is warm. `TOHEAL_BIG_VAULT` sets another number of messages.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Final

import trio

from benchmarks.bench_vault import CHEAP, ENTROPY
from benchmarks.figures import Figure, print_figures
from toheal_p2p.adapters.vault import SqliteVault, create_vault, open_vault
from toheal_p2p.adapters.vault.files import KEYRING
from toheal_p2p.adapters.vault.keyring import parse_keyring, unlock_keyring
from toheal_p2p.ports.vault import EntryRow
from toheal_protocol.machines.records import PutEntry
from toheal_protocol.model import Audience, CircleId, MemberId, MessageId, WallTime

MANY: Final = 1_000_000
IN_ONE: Final = 4_000
"""Messages in one transaction while the vault is built."""

SILENT, LARGE, SMALL = (CircleId(bytes([number]) * 32) for number in (1, 2, 3))
MEMBERS: Final = tuple(MemberId(bytes([number]) * 32) for number in range(1, 9))
COMMON_PART: Final = 305
PAGE: Final = 50
PLACES: Final = 40

LETTERS: Final = "ابتثجحخدذرزسشصضطظعغفقكلمنهوي"
GREETING: Final = "السَّلامُ"
"""In every second message; asked for without its marks."""

RARE: Final = "استيقظت"
"""In one message of fifty thousand."""


def texts(chance: random.Random) -> Iterator[str]:
    """Give texts without end."""
    words = ["".join(chance.choices(LETTERS, k=chance.randrange(3, 8))) for _ in range(20_000)]
    weights = [1 / (place + 10) for place in range(len(words))]
    number = 0
    while True:
        drawn = chance.choices(words, weights, k=9 * IN_ONE)
        for at in range(0, len(drawn), 9):
            number += 1
            greeting = GREETING if number % 2 else "أهلًا"
            rare = RARE if number % 50_000 == 25_000 else f"رقم{number % 997}"
            yield " ".join((greeting, *drawn[at : at + 8], rare))


def entries(count: int) -> Iterator[PutEntry]:
    """Give the messages of all three circles in the order in which they came."""
    chance = random.Random(7)
    words = texts(chance)
    for number in range(count):
        circle = SILENT if number < count // 10 else SMALL if number % 9 == 0 else LARGE
        is_mine = number % 7 == 0
        yield PutEntry(
            circle=circle,
            mid=MessageId(chance.randbytes(32)),
            author=MEMBERS[number % 7],
            audience=Audience.CIRCLE,
            author_seq=number,
            kind="text",
            text=next(words),
            sent_at=WallTime(1_700_000_000 + number),
            received_at=WallTime(1_700_000_000 + number),
            is_mine=is_mine,
            notes=(),
            key=chance.randbytes(32),
            common=chance.randbytes(COMMON_PART),
            recipients=MEMBERS if is_mine else (),
            passed_on_by=None,
            parents=(MessageId(bytes(32)),),
        )


async def build(home: Path, count: int) -> float:
    """Write them; return how many were written per second."""
    create_vault(home, "x", entropy=ENTROPY, cost=CHEAP)
    vault = await open_vault(home, "x", entropy=ENTROPY)
    coming, took = entries(count), 0.0
    while group := list(islice(coming, IN_ONE)):
        began = time.perf_counter()
        await vault.commit(group)
        took += time.perf_counter() - began
    await vault.aclose()
    return count / took


async def opening(home: Path) -> Figure:
    """Measure opening, without what the passphrase costs."""
    took = []
    for _ in range(7):
        keyring = parse_keyring((home / KEYRING).read_bytes())
        began = time.perf_counter()
        unlock_keyring(keyring, "x")
        unlocked = time.perf_counter()
        vault = await open_vault(home, "x", entropy=ENTROPY)
        await vault.load()
        took.append(time.perf_counter() - unlocked - (unlocked - began))
        await vault.aclose()
    return _figure("opening it, after the passphrase", took, "aim: 10")


async def asked(
    name: str, note: str, questions: Sequence[Callable[[], Awaitable[Sequence[EntryRow]]]]
) -> Figure:
    """Ask each once."""
    took, found = [], 0
    for question in questions:
        began = time.perf_counter()
        found = max(found, len(await question()))
        took.append(time.perf_counter() - began)
    return _figure(name, took, f"{note}; {found} found, the first time {took[0] * 1e3:.2f} ms")


def _figure(name: str, took: Sequence[float], note: str) -> Figure:
    return Figure(name, median(took) * 1e3, "ms", f"{note}, at most {max(took) * 1e3:.2f} ms")


async def pages(vault: SqliteVault, count: int) -> list[Figure]:
    """Ask for the newest page, and for pages anywhere."""
    chance = random.Random(1)

    def newest(circle: CircleId) -> Callable[[], Awaitable[Sequence[EntryRow]]]:
        return lambda: vault.entries(circle, limit=PAGE, newest=True)

    def before(circle: CircleId, place: int) -> Callable[[], Awaitable[Sequence[EntryRow]]]:
        return lambda: vault.entries(circle, before=place, limit=PAGE, newest=True)

    back = [
        before(circle, chance.randrange(count))
        for circle in (LARGE, SMALL, SILENT)
        for _ in range(PLACES)
    ]
    return [
        await asked(f"newest {PAGE} of the large circle", "aim: 5", [newest(LARGE)] * PLACES),
        await asked(f"newest {PAGE} of the silent one", "aim: 5", [newest(SILENT)] * PLACES),
        await asked(f"{PAGE} anywhere, all circles", "aim: 50", back),
    ]


async def searches(vault: SqliteVault) -> list[Figure]:
    """Search as a person does."""
    plain = "السلام"
    wanted = (
        ("a word of every second message", plain, None),
        ("the same with vowel marks", GREETING, None),
        ("the same in the silent circle", plain, SILENT),
        ("the same in the small circle", plain, SMALL),
        ("a rare word", RARE, None),
        ("the beginning of it, in the silent circle", RARE[:5], SILENT),
        ("a frequent and a rare word", f"{plain} {RARE}", None),
        ("two frequent words", f"{plain} رقم", None),
        ("one letter", "ا", None),
        ("a word nobody wrote", "غيرموجود", None),
        ("a word that only others wrote", "أهلا", LARGE),
    )
    found = []
    for name, query, circle in wanted:

        def search(
            query: str = query, circle: CircleId | None = circle
        ) -> Awaitable[Sequence[EntryRow]]:
            return vault.search(circle, query, limit=PAGE)

        found.append(await asked(f"search, {name}", "aim: 50", [search] * 12))
    return found


async def measure(folder: Path, count: int) -> list[Figure]:
    """Measure everything."""
    home = folder / "big"
    rate = await build(home, count)
    size = sum(path.stat().st_size for path in home.iterdir()) / 1e6
    figures = [
        Figure(f"written, {IN_ONE} in a transaction", rate, "messages/s"),
        Figure(f"store of {count} messages", size, "MB"),
        await opening(home),
    ]
    vault = await open_vault(home, "x", entropy=ENTROPY)
    figures += [*await pages(vault, count), *await searches(vault)]
    await vault.aclose()
    return figures


def main() -> list[Figure]:
    """Build a vault and ask it."""
    count = int(os.environ.get("TOHEAL_BIG_VAULT", MANY))
    with tempfile.TemporaryDirectory() as scratch:
        return trio.run(measure, Path(scratch), count)


if __name__ == "__main__":
    print_figures(main())
