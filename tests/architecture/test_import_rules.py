"""The import contracts, kept by the code and shown to notice what they are there for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source import PACKAGES, ROOT

PLANTED = [
    ("toheal_protocol/wire/planted.py", "import time", "no I/O, reads no clock"),
    ("toheal_protocol/messages/planted.py", "from os import urandom", "no I/O, reads no clock"),
    ("toheal_protocol/machines/planted.py", "import secrets", "no I/O, reads no clock"),
    (
        "toheal_protocol/wire/planted.py",
        "from toheal_protocol.machines import records",
        "Inside the core",
    ),
    ("toheal_protocol/planted/__init__.py", "", "Inside the core"),
    (
        "toheal_p2p/ports/planted.py",
        "from toheal_p2p.services import committer",
        "Inside the client",
    ),
    ("toheal_p2p/planted/__init__.py", "", "Inside the client"),
    ("toheal_p2p/services/planted.py", "import toheal_relay", "do not know each other"),
    ("toheal_relay/planted/__init__.py", "", "Inside the relay"),
    ("toheal_relay/planted.py", "import toheal_p2p.ports", "do not know each other"),
    ("toheal_p2p/services/planted.py", "import asyncio", "live in adapters only"),
    ("toheal_relay/planted.py", "from threading import Thread", "live in adapters only"),
    ("toheal_p2p/adapters/planted.py", "import hashlib", "core's crypto only"),
    ("toheal_protocol/identity/planted.py", "from nacl import bindings", "core's crypto only"),
    ("toheal_relay/planted.py", "import cryptography.x509", "core's crypto only"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three packages and the contracts, where something can be planted."""
    where = tmp_path_factory.mktemp("packages")
    for package in PACKAGES:
        shutil.copytree(package, where / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", where)
    return where


def _broken(where: Path) -> list[str]:
    """Return the names of the contracts that are broken there, whatever is installed elsewhere."""
    roots = (where, where / "protocol", where / "relay")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=where,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, roots)), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert any(line.startswith("Contracts: ") for line in lines), done.stdout + done.stderr
    return [line.split(" BROKEN")[0] for line in lines if " BROKEN" in line]


@pytest.mark.slow
@pytest.mark.parametrize(("place", "line", "contract"), PLANTED)
def test_a_forbidden_import_breaks_its_contract(
    copy: Path, place: str, line: str, contract: str
) -> None:
    planted = copy / place
    is_new_folder = not planted.parent.exists()
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(f"{line}\n")
    try:
        assert any(contract in name for name in _broken(copy))
    finally:
        planted.unlink()
        if is_new_folder:
            shutil.rmtree(planted.parent)


def test_the_code_keeps_its_import_contracts() -> None:
    assert _broken(ROOT) == []
