"""Files between whole applications: real machines and services, an in-memory world, virtual time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tests.support.applications import Village, a_village, circle_of_two, eventually
from tests.support.entropy import SeededEntropy
from toheal_p2p.adapters.media.refusing import Uncleanable
from toheal_p2p.app import file_room
from toheal_p2p.app.application import Application
from toheal_p2p.app.files import _puts
from toheal_p2p.app.interface import EntryView
from toheal_p2p.app.progress_view import ProgressView
from toheal_p2p.app.refusals import Refused
from toheal_protocol.machines.records import DropAttachment
from toheal_protocol.messages.attachment import Medium
from toheal_protocol.messages.file_chunks import MAX_FILE_SIZE, FileKey, seal_file
from toheal_protocol.model import MessageId

pytestmark = pytest.mark.trio


async def as_it_is(content: bytes) -> tuple[Medium, bytes]:
    """Cleaning in virtual time: the process has tests of its own."""
    if b"dirty" in content:
        raise Uncleanable("attachment_not_clean")
    return Medium.PNG, content


async def at_once(call: Callable[..., object], *args: object) -> object:
    return call(*args)


def without_threads(*apps: Application) -> None:
    for app in apps:
        app.files.clean, app.files.work = as_it_is, at_once


def a_picture(size: int = 200_000) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + SeededEntropy(size).draw(size)


class Told:
    """What was reported."""

    def __init__(self) -> None:
        self.views: list[ProgressView] = []

    async def __call__(self, view: ProgressView) -> None:
        self.views.append(view)

    @property
    def codes(self) -> list[str]:
        return list(dict.fromkeys(view.code for view in self.views))


async def attach(app: Application, circle: str, path: Path, content: bytes) -> str:
    await trio.Path(path).write_bytes(content)
    return await app.files.attach(
        circle, str(path), about="a door, open", notes=("loss",), report=Told()
    )


async def entry_of(app: Application, circle: str, message: str) -> EntryView:
    async def is_there() -> bool:
        return any(entry.id == message for entry in await app.read(circle, limit=100))

    await eventually(is_there)
    return next(entry for entry in await app.read(circle, limit=100) if entry.id == message)


async def linked(app: Application, circle: str) -> None:
    async def is_linked() -> bool:
        return (await app.links(circle))[0].link == "direct"

    await eventually(is_linked)


async def two_with_a_file(
    village: Village, path: Path, content: bytes
) -> tuple[Application, Application, str, str]:
    ours, theirs, circle = await circle_of_two(village)
    without_threads(ours, theirs)
    await linked(theirs, circle)
    message = await attach(ours, circle, path, content)
    await entry_of(theirs, circle, message)
    return ours, theirs, circle, message


async def test_a_picture_is_announced_fetched_and_the_same(
    autojump_clock: object, tmp_path: Path
) -> None:
    content = a_picture()
    async with a_village() as village:
        ours, theirs, circle, message = await two_with_a_file(village, tmp_path / "x", content)
        mine = (await entry_of(ours, circle, message)).attachment
        assert mine is not None and (mine.state, mine.percent) == ("here", 100)
        entry = await entry_of(theirs, circle, message)
        assert (entry.kind, entry.text, entry.notes) == ("attachment", "a door, open", ("loss",))
        assert entry.attachment is not None
        assert (entry.attachment.media_type, entry.attachment.size) == ("image/png", len(content))
        assert (entry.attachment.state, entry.attachment.percent) == ("not_fetched", 0)
        with pytest.raises(Refused, match="attachment_not_here"):
            await theirs.files.content(circle, message)
        told = Told()
        fetched = await theirs.files.fetch(circle, message, report=told)
        assert fetched.state == "here"
        assert await theirs.files.content(circle, message) == content
        assert told.codes in ([], ["fetching_file", "file_resumes"])
        assert [e.id for e in await theirs.search(circle, "door")] == [message]


async def test_a_fetch_that_is_given_up_goes_on_where_it_was(
    autojump_clock: object, tmp_path: Path
) -> None:
    content = a_picture(3_000_000)
    async with a_village() as village:
        _ours, theirs, circle, message = await two_with_a_file(village, tmp_path / "x", content)
        vault = village.vaults["Salma"]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_fetch, theirs, circle, message)
            while await vault.chunk_count(None) <= 20:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        await trio.sleep(5)
        kept = await vault.chunk_count(None)
        assert 0 < kept < 224
        entry = await entry_of(theirs, circle, message)
        assert entry.attachment is not None and entry.attachment.state == "partial"
        assert theirs._find(circle).service.circle.live.fetches == {}
        village.stop("Salma")
        theirs = await village.start("Salma")
        without_threads(theirs)
        assert await vault.chunk_count(None) == kept
        await theirs.files.fetch(circle, message, report=Told())
        assert await theirs.files.content(circle, message) == content


async def test_two_who_wait_for_one_file_do_not_stop_each_other(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with a_village() as village:
        content = a_picture(1_000_000)
        ours, theirs, circle, message = await two_with_a_file(village, tmp_path / "x", content)
        village.stop(ours._nickname)
        await trio.sleep(60)
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(5):
                await theirs.files.fetch(circle, message, report=Told())
            nursery.start_soon(_fetch, theirs, circle, message)
            with trio.move_on_after(5):
                await theirs.files.fetch(circle, message, report=Told())
            assert len(theirs._find(circle).service.circle.live.fetches) == 1
            again = await village.start("نورس")
            without_threads(again)
        assert await theirs.files.content(circle, message) == content


async def _fetch(app: Application, circle: str, message: str) -> None:
    await app.files.fetch(circle, message, report=Told())


async def test_it_is_said_that_nobody_is_there(autojump_clock: object, tmp_path: Path) -> None:
    async with a_village() as village:
        _ours, theirs, circle, message = await two_with_a_file(village, tmp_path / "x", a_picture())
        village.stop("نورس")
        await trio.sleep(60)
        told = Told()
        with trio.move_on_after(60):
            await theirs.files.fetch(circle, message, report=told)
        assert told.codes == ["file_no_link"]


async def test_it_is_said_who_does_not_have_it(autojump_clock: object, tmp_path: Path) -> None:
    async with a_village() as village:
        ours, theirs, circle, message = await two_with_a_file(village, tmp_path / "x", a_picture())
        await ours.files.drop(circle, message)
        entry = await entry_of(ours, circle, message)
        assert entry.attachment is not None and entry.attachment.state == "not_fetched"
        told = Told()
        with trio.move_on_after(20):
            await theirs.files.fetch(circle, message, report=told)
        assert {"file_not_with", "file_nowhere"} <= set(told.codes)
        assert told.views[0].facts.get("name") == "نورس"


async def test_what_its_author_announced_and_did_not_seal_is_damaged(
    autojump_clock: object, tmp_path: Path
) -> None:
    """A lie about what it is shows when it is here: a picture that is none is not written out."""
    async with a_village() as village:
        _ours, theirs, circle, message = await two_with_a_file(
            village, tmp_path / "x", b"\x7fELF" + bytes(50_000)
        )
        with pytest.raises(Refused, match="attachment_damaged"):
            await theirs.files.fetch(circle, message, report=Told())
        entry = await entry_of(theirs, circle, message)
        assert entry.attachment is not None and entry.attachment.state == "damaged"
        with pytest.raises(Refused, match="attachment_damaged"):
            await theirs.files.content(circle, message)


async def test_what_cannot_be_attached_is_refused_and_leaves_nothing(
    autojump_clock: object, tmp_path: Path
) -> None:
    path, pipe = tmp_path / "x", tmp_path / "pipe"
    async with a_village() as village:
        ours, _theirs, circle = await circle_of_two(village)
        without_threads(ours)

        async def refused(code: str, target: Path = path, about: str = "") -> None:
            with pytest.raises(Refused) as no:
                await ours.files.attach(circle, str(target), about=about, notes=(), report=Told())
            assert no.value.code == code

        await refused("cannot_read_file", tmp_path / "nothing")
        await refused("cannot_read_file", tmp_path)
        if hasattr(os, "mkfifo"):
            os.mkfifo(pipe)
            await refused("cannot_read_file", pipe)
        await trio.Path(path).write_bytes(bytes(MAX_FILE_SIZE + 1))
        await refused("attachment_too_large")
        await trio.Path(path).write_bytes(b"dirty")
        await refused("attachment_not_clean")
        await refused("text_too_long", about="x" * 4001)
        assert await village.vaults["نورس"].chunk_count(None) == 0
        assert not [e for e in await ours.read(circle, limit=99) if e.kind == "attachment"]


async def test_a_budget_that_is_used_up_is_said_and_room_can_be_given_back(
    autojump_clock: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_room, "CIRCLE_MOST", 300_000)
    async with a_village() as village:
        content = a_picture(150_000)
        ours, theirs, circle, message = await two_with_a_file(village, tmp_path / "x", content)
        with pytest.raises(Refused) as no:
            await attach(ours, circle, tmp_path / "y", content)
        assert no.value.code == "attachments_full"
        await ours.files.drop(circle, message)
        second = await attach(ours, circle, tmp_path / "y", content)
        await entry_of(theirs, circle, second)
        await theirs.files.fetch(circle, second, report=Told())
        monkeypatch.setattr(file_room, "LEFT_FREE", 1 << 60)
        with pytest.raises(Refused) as no:
            await theirs.files.fetch(circle, message, report=Told())
        assert no.value.code in ("disk_full", "attachments_full")


async def test_a_message_that_disappears_takes_a_fetch_along(
    autojump_clock: object, tmp_path: Path
) -> None:
    """Also when it disappears in the vault, unseen by the circle's machine."""
    async with a_village() as village:
        ours, theirs, circle, message = await two_with_a_file(
            village, tmp_path / "x", a_picture(3_000_000)
        )
        vault = village.vaults["Salma"]
        of, mid = theirs._find(circle).service.circle.cold.id, bytes.fromhex(message)
        refused: list[str] = []

        async def fetch() -> None:
            try:
                await theirs.files.fetch(circle, message, report=Told())
            except Refused as no:
                refused.append(no.code)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fetch)
            while await vault.chunk_count(None) <= 20:
                await trio.lowlevel.checkpoint()
            await vault.commit([DropAttachment(of, MessageId(mid))])
        assert refused == ["no_attachment"]
        await trio.sleep(5)
        assert await vault.chunk_count(None) == 0
        assert theirs._find(circle).service.circle.live.fetches == {}
        assert await ours.files.content(circle, message)


async def test_what_its_author_takes_back_is_gone_with_its_chunks_everywhere(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with a_village() as village:
        ours, theirs, circle, message = await two_with_a_file(village, tmp_path / "x", a_picture())
        await theirs.files.fetch(circle, message, report=Told())
        assert await village.vaults["Salma"].chunk_count(None) > 0
        await ours.retract(circle, message)

        async def is_gone() -> bool:
            return (await entry_of(theirs, circle, message)).kind == "retracted"

        await eventually(is_gone)
        for name in ("نورس", "Salma"):
            assert await village.vaults[name].chunk_count(None) == 0
        with pytest.raises(Refused, match="no_attachment"):
            await theirs.files.fetch(circle, message, report=Told())
        assert (await entry_of(theirs, circle, message)).attachment is None


async def test_a_message_of_words_has_no_file(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, _theirs, circle = await circle_of_two(village)
        said = await ours.say(circle, "words", notes=(), to_facilitators=False)
        with pytest.raises(Refused, match="no_attachment"):
            await ours.files.fetch(circle, said, report=Told())


async def test_chunks_of_an_attachment_that_was_interrupted_are_gone_after_a_start(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with a_village() as village:
        ours, _theirs, circle, _message = await two_with_a_file(
            village, tmp_path / "x", a_picture(40_000)
        )
        vault = village.vaults["نورس"]
        kept = await vault.chunk_count(None)
        sealed = seal_file(a_picture(90_000), FileKey(bytes(32)))
        await vault.commit(_puts(ours._find(circle).service.circle.cold.id, sealed, 0))
        village.stop("نورس")
        await village.start("نورس")
        assert await vault.chunk_count(None) == kept


async def test_a_file_goes_to_facilitators_or_answers_something(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        without_threads(ours, theirs)
        note = await theirs.say(circle, "only you", notes=(), to_facilitators=True)
        await trio.Path(tmp_path / "door.png").write_bytes(a_picture(2000))

        async def attached(app: Application, *, to_facilitators: bool, reply: str | None) -> str:
            return await app.files.attach(
                circle,
                str(tmp_path / "door.png"),
                about="a door",
                notes=(),
                report=Told(),
                to_facilitators=to_facilitators,
                reply=reply,
            )

        with pytest.raises(Refused, match="reply_narrower"):
            await attached(theirs, to_facilitators=False, reply=note)
        with pytest.raises(Refused, match="no_facilitator"):
            await attached(ours, to_facilitators=True, reply=None)
        with pytest.raises(Refused, match="no_such_message"):
            await attached(ours, to_facilitators=False, reply="ffff")
        sent = await attached(theirs, to_facilitators=True, reply=note)
        shown = await entry_of(ours, circle, sent)
        assert (shown.audience, shown.reply_to) == ("facilitators", note)
        await ours.circle_mute(circle, "Salma", hours=1, reason="other", text="")

        async def is_muted() -> bool:
            return (await theirs.circle_list())[0].muted_until is not None

        await eventually(is_muted)
        with pytest.raises(Refused, match="muted"):
            await attached(theirs, to_facilitators=False, reply=None)
        await attached(theirs, to_facilitators=True, reply=None)
