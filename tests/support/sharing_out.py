"""How the longer tests are shared out to workers: each by itself, but those that share a town together."""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadScopeScheduling

ONE_TOWN: Final = frozenset(
    {
        "tests/adapters/test_lan_zeroconf.py",
        "tests/adapters/test_turn_client.py",
        "tests/netns/test_capture.py",
        "tests/netns/test_matrix.py",
        "tests/shell/test_cli_commands.py",
        "tests/system/test_nothing_readable.py",
        "tests/system/test_page_process.py",
        "tests/system/test_trouble.py",
    }
)
"""Modules whose tests use one fixture of the module: each worker would start its programs again. Those
about zeroconf would hear each other.

The mark `xdist_group` is for this, but pytest-xdist 3.8 writes it into an attribute that pytest 9.2 no
longer reads.
"""


class ByTown(LoadScopeScheduling):  # type: ignore[misc]
    """One work unit for each test, or for each module of `ONE_TOWN`."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if module in ONE_TOWN else nodeid
