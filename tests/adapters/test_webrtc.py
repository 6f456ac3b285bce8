from __future__ import annotations

import pytest
import trio

from tests.support.channels import check_channel_contract, connected
from tests.support.guest import guest_run
from toheal_p2p.adapters.webrtc import WebRtcChannels

pytestmark = [pytest.mark.real]
in_guest = pytest.mark.trio(run=guest_run)

LOOPBACK = WebRtcChannels(include_loopback=True)


@in_guest
async def test_the_real_channels_keep_the_contract():
    with trio.fail_after(20):
        await check_channel_contract(LOOPBACK, LOOPBACK)
