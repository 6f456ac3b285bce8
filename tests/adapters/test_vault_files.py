"""Files in the vault: chunks as they came, what is forgotten with a message, and nothing readable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.support.vaults import (
    MemoryVault,
    an_entry,
    circle_id,
    made_up_id,
    message_id,
    real_vault,
)
from toheal_p2p.adapters.vault import wipe_vault
from toheal_p2p.ports.vault import Vault
from toheal_protocol.machines.records import (
    DropAttachment,
    DropCircle,
    DropStrayChunks,
    MarkAttachment,
    PutAttachment,
    PutChunk,
)
from toheal_protocol.messages.file_chunks import FileKey, open_file, seal_file
from toheal_protocol.messages.file_tree import FileId

OpenVault = Callable[[], AbstractAsyncContextManager[Vault]]

C1, C2 = circle_id(1), circle_id(2)
KEY = FileKey(made_up_id("key", 1))
CONTENT = b"a picture of a door " * 3000
SEALED = seal_file(CONTENT, KEY)


def facts(number: int = 1, *, circle: object = C1, file: FileId = SEALED.id) -> PutAttachment:
    return PutAttachment(circle, message_id(number), file, KEY, len(CONTENT), 1)  # type: ignore[arg-type]


def chunks(*, circle: object = C1) -> list[PutChunk]:
    return [
        PutChunk(circle, SEALED.id, place, SEALED.proofs[place], chunk)  # type: ignore[arg-type]
        for place, chunk in enumerate(SEALED.chunks)
    ]


@asynccontextmanager
async def memory_vault() -> AsyncIterator[Vault]:
    yield MemoryVault()


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.real)])
def open_vault(request: pytest.FixtureRequest, tmp_path: Path) -> OpenVault:
    if request.param == "memory":
        return memory_vault
    return lambda: real_vault(tmp_path / "home")


@pytest.mark.trio
async def test_chunks_come_back_as_they_were_and_open(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit([facts(), *chunks()])
        row = (await vault.attachments(C1, [message_id(1), message_id(2)]))[message_id(1)]
        assert (row.size, row.chunks, row.is_whole) == (len(CONTENT), len(SEALED.chunks), None)
        places = await vault.chunk_places(C1, row.file)
        kept = await vault.chunks(C1, row.file, places)
        assert [one.proof for one in kept] == list(SEALED.proofs)
        assert open_file([one.sealed for one in kept], row.key, size=row.size) == CONTENT
        assert await vault.chunks(C1, row.file, [99]) == ()
        assert await vault.chunk_count(C1) == await vault.chunk_count(None) == len(SEALED.chunks)
        assert await vault.chunk_count(C2) == 0


@pytest.mark.trio
async def test_a_message_that_is_forgotten_takes_its_chunks_along(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit([facts(), *chunks(), DropAttachment(C1, message_id(1))])
        assert await vault.attachments(C1, [message_id(1)]) == {}
        assert await vault.chunk_count(None) == 0


@pytest.mark.trio
async def test_chunks_that_two_messages_name_stay_until_both_are_gone(
    open_vault: OpenVault,
) -> None:
    async with open_vault() as vault:
        await vault.commit([facts(1), facts(2), facts(3, circle=C2), *chunks(), *chunks(circle=C2)])
        await vault.commit([DropAttachment(C1, message_id(1))])
        assert await vault.chunk_count(C1) == len(SEALED.chunks)
        await vault.commit([DropAttachment(C1, message_id(2))])
        assert await vault.chunk_count(C1) == 0
        assert await vault.chunk_count(C2) == len(SEALED.chunks)
        await vault.commit([DropCircle(C2)])
        assert await vault.chunk_count(None) == 0


@pytest.mark.trio
async def test_a_message_taken_back_takes_its_file_along_and_a_repeat_brings_nothing(
    open_vault: OpenVault,
) -> None:
    """In the store itself, whatever the machine knows of it."""
    async with open_vault() as vault:
        entry = an_entry(1, kind="attachment", circle=C1)
        taken_back = an_entry(2, kind="retraction", circle=C1, reply=message_id(1))
        await vault.commit([entry, facts(), *chunks()])
        await vault.commit([taken_back])
        assert await vault.chunk_count(None) == 0
        await vault.commit([facts(), entry])
        assert await vault.attachments(C1, [message_id(1)]) == {}


@pytest.mark.trio
async def test_room_is_given_back_and_the_message_stays(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit([facts(), *chunks(), MarkAttachment(C1, message_id(1), True)])
        await vault.commit([DropAttachment(C1, message_id(1), keeps_facts=True)])
        row = (await vault.attachments(C1, [message_id(1)]))[message_id(1)]
        assert (row.chunks, row.is_whole) == (0, None)


@pytest.mark.trio
async def test_chunks_nobody_names_are_forgotten_and_others_are_not(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit([facts(), *chunks(), *chunks(circle=C2), DropStrayChunks()])
        assert await vault.chunk_count(C1) == len(SEALED.chunks)
        assert await vault.chunk_count(C2) == 0


@pytest.mark.real
@pytest.mark.trio
async def test_nothing_of_a_file_lies_readable_in_the_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home) as vault:
        await vault.commit([facts(), *chunks()])
        _assert_absent(home)
        await vault.commit([DropAttachment(C1, message_id(1))])
        _assert_absent(home)
    _assert_absent(home)
    wipe_vault(home)
    assert not home.exists()


def _assert_absent(home: Path) -> None:
    planted = (CONTENT[:40], KEY, SEALED.id, SEALED.chunks[0][:40], SEALED.proofs[0][0])
    for path in home.iterdir():
        stored = path.read_bytes()
        assert not [part for part in planted if part in stored], path.name
