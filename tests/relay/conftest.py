"""What tests of the relay share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from toheal_relay.server.lookout import Lookout, open_lookout


@pytest.fixture(params=["before trio sleeps", "by trio"])
async def lookout(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Lookout]:
    """Both ways to notice that something has come."""
    if request.param == "by trio":
        monkeypatch.setattr("toheal_relay.server.lookout.trios_epoll", lambda: None)
    with open_lookout() as given:
        yield given
