"""Fuzz the parsers of one part: `python -m tests.fuzz PART [SECONDS]`.

With atheris installed (`make fuzz` does it) the search is led by coverage. Without it plain
mutation of the seeds does its best and says so. A finding is anything but a value or
`RemoteError`; it is printed with the parser's name, and its bytes are kept in `.fuzz/`.
"""

from __future__ import annotations

import hashlib
import importlib
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEPT = Path(".fuzz")
"""Where findings and the corpus are kept, one folder for each part."""

MAX_FRAME = 8192
"""Bytes of an input: enough for every layout, small enough to try many."""


def main(arguments: list[str]) -> int:
    """Run the fuzzer for a part; without one, list the parts."""
    atheris = _atheris()
    if atheris is None:
        parsers, seeds, remote_error = _load(arguments)
    else:
        with atheris.instrument_imports(include=["toheal_protocol", "toheal_relay", "toheal_p2p"]):
            parsers, seeds, remote_error = _load(arguments)
    if not parsers:
        return 2
    part, seconds = arguments[0], int(arguments[1]) if len(arguments) > 1 else 60

    def one_input(frame: bytes) -> None:
        for name, parse in parsers:
            try:
                parse(frame)
            except remote_error:
                continue
            except BaseException:
                _keep(part, name, frame)
                raise

    if atheris is None:
        print("atheris is not installed: mutating without coverage", flush=True)
        print(f"{part}: {_mutate(one_input, seeds, seconds)} inputs, nothing found")
        return 0
    corpus = KEPT / part / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    options = [f"-max_total_time={seconds}", f"-max_len={MAX_FRAME}"]
    options += [f"-artifact_prefix={KEPT / part}/", str(corpus)]
    atheris.Setup([sys.argv[0], *options], one_input)
    atheris.Fuzz()
    return 0


def _load(
    arguments: list[str],
) -> tuple[list[tuple[str, Callable[[bytes], object]]], list[bytes], type[Exception]]:
    """Import the parsers; inside atheris' instrumentation, hence not at the top of the module."""
    from tests.support.parsers import parsers_of, part_names, seeds_of
    from toheal_protocol.errors import RemoteError

    parts = part_names()
    if not arguments or arguments[0] not in parts:
        print(f"usage: python -m tests.fuzz PART [SECONDS]   parts: {' '.join(parts)}")
        return [], [], RemoteError
    found = [(parser.name, parser.parse) for parser in parsers_of(arguments[0])]
    return found, seeds_of(arguments[0]), RemoteError


def _atheris() -> Any:  # a module without types, or None
    try:
        return importlib.import_module("atheris")
    except ImportError:
        return None


def _keep(part: str, name: str, frame: bytes) -> None:
    folder = KEPT / part
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"finding-{hashlib.sha256(frame).hexdigest()[:16]}"
    kept.write_bytes(frame)
    print(f"\n{part}: {name} raised something else than RemoteError; the bytes are in {kept}")


def _mutate(one_input: Callable[[bytes], None], seeds: list[bytes], seconds: int) -> int:
    """Change seeds here and there until the time is over; returns how many inputs were tried."""
    draw = random.Random(time.time_ns())
    pool = [*seeds, b"", bytes(64), bytes(2600)]
    until, tried = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        one_input(_changed(draw, pool))
        tried += 1
    return tried


def _changed(draw: random.Random, pool: list[bytes]) -> bytes:
    frame = bytearray(draw.choice(pool))
    for _ in range(draw.randint(0, 6)):
        at = draw.randrange(len(frame) + 1)
        match draw.randrange(5):
            case 0:
                frame[at : at + 1] = draw.randbytes(1)
            case 1:
                frame[at : at + 4] = draw.choice([b"\xff" * 4, bytes(4), b"\x00\x00\x00\x01"])
            case 2:
                del frame[at : at + draw.randint(1, 40)]
            case 3:
                frame[at:at] = draw.randbytes(draw.randint(1, 40))
            case _:
                other = draw.choice(pool)
                frame[at:] = other[draw.randrange(len(other) + 1) :]
    return bytes(frame[:MAX_FRAME])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
