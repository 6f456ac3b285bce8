"""Start and end: making a profile, running what was opened, and erasing it."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from pathlib import Path

import trio

from toheal_p2p.adapters.entropy import SystemEntropy
from toheal_p2p.adapters.lan_sockets import SocketLan
from toheal_p2p.adapters.network import NetworkLook
from toheal_p2p.adapters.process_name import take_neutral_name
from toheal_p2p.adapters.vault import SqliteVault, create_vault, open_vault
from toheal_p2p.adapters.webrtc_later import WebRtcLater
from toheal_p2p.app.application import Application
from toheal_p2p.app.connecting import Connector
from toheal_p2p.app.erasing import wipe_home
from toheal_p2p.app.meeting import Meetings
from toheal_p2p.app.network_policy import NetworkPolicy, PolicedChannels
from toheal_p2p.app.opening import Running
from toheal_p2p.app.passing import clear_passing
from toheal_p2p.app.profile import put_nickname, usable_name
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.relay_news import RelayNews
from toheal_p2p.app.settings import Settings
from toheal_p2p.app.vault_refusals import refusal
from toheal_p2p.ports import vault as ports
from toheal_p2p.services.committer import Committer, VaultFailed
from toheal_p2p.services.network_watch import NetworkWatch
from toheal_protocol.model import WallTime


def create_profile(home: Path, *, nickname: str, passphrase: str) -> None:
    """Make a profile: an empty vault under this passphrase, and the name others will see.

    Takes about a second: the passphrase is stretched twice.

    Raises:
        Refused: a reason the person can be told.
    """
    name = usable_name(nickname)
    if not passphrase:
        raise Refused("passphrase_empty")
    try:
        create_vault(home, passphrase, entropy=SystemEntropy())
        trio.run(_keep_nickname, home, passphrase, name)
    except ports.VaultError as reason:
        raise refusal(reason) from None


async def run_opened(vault: SqliteVault, home: Path, running: Running) -> None:
    """Run a profile until `lock`, `wipe` or a signal, and close its vault.

    Raises:
        Refused: the vault failed.
    """
    try:
        await trio.to_thread.run_sync(clear_passing, home)
        async with trio.open_nursery() as nursery:
            committer, policy = Committer(vault), NetworkPolicy()
            channels = WebRtcLater(include_loopback=running.allow_loopback)
            news, connector = RelayNews(running.on_progress), Connector(policy, SystemEntropy())
            app = Application(
                home=home,
                vault=vault,
                committer=committer,
                entropy=SystemEntropy(),
                wall_clock=_wall_clock,
                channels=PolicedChannels(channels, policy),
                connect=connector.connect,
                probe=connector.probe,
                settings=Settings(home, policy, take_neutral_name),
                end=nursery.cancel_scope.cancel,
                destroy=partial(wipe_home, home),
                meeting=Meetings(policy, SocketLan(include_loopback=running.allow_loopback)),
                on_relay=news.tell,
                rekey=vault.change_passphrase,
                locks_when_idle=running.locks_when_idle,
            )
            await nursery.start(committer.run)
            await nursery.start(app.run)
            nursery.start_soon(_watch_network, app)
            news.begin(await app.relay_list())
            await nursery.start(running.serve, app, home)
            if app.was_put_back:
                running.on_trouble("vault_put_back")
            running.on_ready()
            if policy.may_open_links:
                nursery.start_soon(channels.load_soon)
    except* VaultFailed as group:
        raise refusal(_reason(group)) from None
    finally:
        with trio.CancelScope(shield=True):
            await vault.aclose()


async def _watch_network(app: Application) -> None:
    with closing(NetworkLook()) as look:
        await NetworkWatch(look, _wall_clock, app.network_changed, look.told).run()


async def _keep_nickname(home: Path, passphrase: str, name: str) -> None:
    vault = await open_vault(home, passphrase, entropy=SystemEntropy())
    try:
        await vault.commit([put_nickname(name)])
    finally:
        with trio.CancelScope(shield=True):
            await vault.aclose()


def _wall_clock() -> WallTime:
    return WallTime(int(time.time()))


def _reason(group: BaseExceptionGroup[VaultFailed]) -> ports.VaultError:
    first = group.exceptions[0]
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first.reason
