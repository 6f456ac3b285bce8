"""Where the Wycheproof files are on this machine, and how to read them.

They are not part of the repository: see tests/vectors/wycheproof/README.md.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

LIST = Path(__file__).parents[1] / "vectors" / "wycheproof" / "SHA256SUMS"
"""The files we run, each with the hash it must have."""


def folder() -> Path | None:
    """Return the folder that holds all files of the list, or None when there is none.

    `TOHEAL_WYCHEPROOF` names it; without it the files lie beside the list.
    """
    named = os.environ.get("TOHEAL_WYCHEPROOF")
    candidate = Path(named) if named else LIST.parent
    return candidate if all((candidate / name).is_file() for name in expected()) else None


def expected() -> dict[str, str]:
    """Return file name -> sha256 in hex."""
    lines = LIST.read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def cases(name: str) -> list[dict[str, Any]]:
    """Return every case of one file, each with the values of its group, after checking the hash."""
    where = folder()
    assert where is not None
    raw = (where / name).read_bytes()
    assert hashlib.sha256(raw).hexdigest() == expected()[name], f"{name} is another version"
    suite = json.loads(raw)
    found = [
        {**{key: value for key, value in group.items() if key != "tests"}, **case}
        for group in suite["testGroups"]
        for case in group["tests"]
    ]
    assert len(found) == suite["numberOfTests"]
    return found
