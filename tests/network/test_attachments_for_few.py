"""Files for the facilitators: who hears of them, and of whom they are asked for."""

from __future__ import annotations

from tests.network.test_removal import gather, state
from tests.support.files import a_file, attach, content_of, fetch_of, is_here, want
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.fetching import _able
from toheal_protocol.model import Audience, Instant, MessageId


def announced(mid: MessageId | None) -> MessageId:
    assert mid is not None
    return mid


def test_a_file_for_facilitators_is_announced_to_them_only() -> None:
    world, (ours, author, other) = gather(621, 3, is_direct=True)
    mid = announced(attach(author, a_file(40_000), audience=Audience.FACILITATORS))
    world.run_for(60)
    assert ours.disk.entries[mid].kind == "attachment"
    assert mid not in other.disk.entries and mid not in other.disk.attachments
    want(ours, mid)
    world.run_until(lambda: is_here(ours, mid), within=60)
    assert content_of(ours, mid) == a_file(40_000)


def test_nobody_but_facilitators_and_the_author_is_asked_for_it() -> None:
    """Else whoever is asked would hear that there is such a file."""
    world, (ours, second, author, other) = gather(622, 4, facilitators=2, is_direct=True)
    mid = announced(attach(author, a_file(40_000), audience=Audience.FACILITATORS))
    world.run_for(60)
    want(second, mid)
    world.run_until(lambda: is_here(second, mid), within=60)
    world.kill(author)
    world.run_for(30)
    want(ours, mid)
    draft = Draft(state(ours), now=Instant(world.now), wall_now=ours.wall, entropy=ours.entropy)
    assert set(_able(draft, fetch_of(ours, mid))) <= {second.id, author.id}
    world.run_until(lambda: is_here(ours, mid), within=120)
    assert content_of(ours, mid) == a_file(40_000)
    assert not state(other).live.serving
