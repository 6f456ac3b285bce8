"""Nothing is done before it is on disk, and everything in the order in which it was decided."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from tests.support.vault_writes import everything, some_write
from tests.support.vaults import (
    MemoryVault,
    an_entry,
    an_owed,
    circle_id,
    member_id,
)
from toheal_p2p.ports.vault import DiskFull
from toheal_p2p.services.committer import (
    BURST,
    COMPANY_LONGEST,
    GATHERING_LONGEST,
    MOST_AT_ONCE,
    MOST_WAITING,
    WORTHWHILE,
    Committer,
    VaultFailed,
    coalesce,
)
from toheal_protocol.machines.records import (
    PutLog,
    PutPair,
    PutSetting,
    Write,
)

C1 = circle_id(1)


def a_pair(number: int, member: int = 1) -> PutPair:
    return PutPair(C1, member_id(member), b"%d" % number)


async def one_second() -> None:
    await trio.sleep(1)


@pytest.mark.trio
async def test_an_act_happens_after_its_commit_and_not_before(autojump_clock: object) -> None:
    vault, seen = MemoryVault(before_commit=one_second), []
    committer = Committer(vault)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        committer.submit([a_pair(1)], lambda: seen.append((trio.current_time(), vault.commits)))
        await trio.testing.wait_all_tasks_blocked()
        assert seen == []
        started = trio.current_time()
        await committer.flushed()
        nursery.cancel_scope.cancel()
    assert seen == [(started + 1, [(a_pair(1),)])]


@pytest.mark.trio
async def test_many_shells_and_not_one_inversion() -> None:
    decided: list[tuple[int, int]] = []
    acted: list[tuple[int, int]] = []
    vault = MemoryVault()
    committer = Committer(vault)

    async def shell(name: int) -> None:
        for turn in range(100):
            await trio.lowlevel.checkpoint()
            decided.append((name, turn))
            committer.submit([an_entry(name * 1000 + turn)], partial(acted.append, decided[-1]))
            await committer.room()

    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        async with trio.open_nursery() as shells:
            for name in range(10):
                shells.start_soon(shell, name)
        await committer.flushed()
        nursery.cancel_scope.cancel()
    assert acted == decided
    committed = [write.author_seq for group in vault.commits for write in group]  # type: ignore[union-attr]
    assert committed == [name * 1000 + turn for name, turn in decided]


@pytest.mark.trio
async def test_what_gathers_during_a_commit_goes_into_the_next_at_most_64_at_once(
    autojump_clock: object,
) -> None:
    vault = MemoryVault(before_commit=one_second)
    committer = Committer(vault)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        committer.submit([an_entry(0)])
        await trio.sleep(0.5)
        for number in range(1, 151):
            committer.submit([an_entry(number)])
        await committer.flushed()
        nursery.cancel_scope.cancel()
    assert [len(group) for group in vault.commits] == [1, MOST_AT_ONCE, MOST_AT_ONCE, 22]


@pytest.mark.trio
async def test_of_several_states_of_one_pair_only_the_last_is_written() -> None:
    vault = MemoryVault()
    committer = Committer(vault)
    acted: list[int] = []
    for number in range(50):
        committer.submit(
            [a_pair(number), PutLog(C1, b"%d" % number), an_owed(number)],
            partial(acted.append, number),
        )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(committer.run)
        await committer.flushed()
        nursery.cancel_scope.cancel()
    ((*owed, pair, log, last),) = vault.commits
    assert (pair, log, last) == (a_pair(49), PutLog(C1, b"49"), an_owed(49))
    assert owed == [an_owed(number) for number in range(49)]
    assert acted == list(range(50))


@pytest.mark.trio
async def test_done_is_set_after_the_act_and_empty_decisions_keep_the_order() -> None:
    vault = MemoryVault()
    committer = Committer(vault)
    seen: list[str] = []
    first, second = trio.Event(), trio.Event()
    committer.submit([a_pair(1)], lambda: seen.append(f"one {first.is_set()}"), done=first)
    committer.submit([], lambda: seen.append(f"two {first.is_set()}"), done=second)
    committer.submit([])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(committer.run)
        await second.wait()
        nursery.cancel_scope.cancel()
    assert seen == ["one False", "two True"]
    assert vault.commits == [(a_pair(1),)]


@pytest.mark.trio
async def test_nothing_is_written_for_decisions_without_writes() -> None:
    vault = MemoryVault(fail_with=DiskFull())
    committer = Committer(vault)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(committer.run)
        committer.submit([])
        await committer.flushed()
        nursery.cancel_scope.cancel()
    assert vault.commits == []


@pytest.mark.trio
async def test_an_act_may_submit() -> None:
    vault = MemoryVault()
    committer = Committer(vault)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(committer.run)
        finished = trio.Event()
        committer.submit([a_pair(1)], lambda: committer.submit([a_pair(2)], done=finished))
        await finished.wait()
        nursery.cancel_scope.cancel()
    assert vault.commits == [(a_pair(1),), (a_pair(2),)]


@pytest.mark.trio
async def test_a_long_backlog_makes_its_writers_wait(autojump_clock: object) -> None:
    vault = MemoryVault(before_commit=one_second)
    committer = Committer(vault)
    longest = 0

    async def shell() -> None:
        nonlocal longest
        for number in range(500):
            committer.submit([an_entry(number)])
            longest = max(longest, len(committer._waiting))
            await committer.room()

    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        async with trio.open_nursery() as shells:
            for _shell in range(2):
                shells.start_soon(shell)
        await committer.flushed()
        nursery.cancel_scope.cancel()
    assert MOST_WAITING <= longest <= MOST_WAITING + 1
    assert sum(len(group) for group in vault.commits) == 1000


@pytest.mark.trio
async def test_room_is_a_checkpoint() -> None:
    committer = Committer(MemoryVault())
    with trio.testing.assert_checkpoints():
        await committer.room()


@pytest.mark.trio
async def test_after_a_failed_commit_nothing_is_acted_upon_and_everybody_is_told(
    autojump_clock: object,
) -> None:
    vault = MemoryVault(before_commit=one_second)
    committer = Committer(vault)
    acted: list[int] = []
    told: list[str] = []
    done = trio.Event()

    async def expect(name: str, wait: object) -> None:
        with pytest.raises(VaultFailed) as failed, trio.fail_after(100):
            await wait()  # type: ignore[operator]
        assert isinstance(failed.value.reason, DiskFull)
        told.append(name)

    async def run() -> None:
        await expect("run", committer.run)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        committer.submit([an_entry(0)], partial(acted.append, 0))
        await trio.sleep(1.5)
        vault.fail_with = DiskFull("no room left to write")
        for number in range(1, MOST_WAITING + 200):
            committer.submit([an_entry(number)], partial(acted.append, number), done=done)
        nursery.start_soon(expect, "room", committer.room)
        nursery.start_soon(expect, "flushed", committer.flushed)
    assert sorted(told) == ["flushed", "room", "run"]
    assert acted == [0]
    assert not done.is_set()
    with pytest.raises(VaultFailed):
        committer.submit([])
    with pytest.raises(VaultFailed):
        await committer.room()
    with pytest.raises(VaultFailed):
        await committer.flushed()


@pytest.mark.trio
async def test_a_cancelled_committer_finishes_the_group_it_is_writing(
    autojump_clock: object,
) -> None:
    vault = MemoryVault(before_commit=one_second)
    committer = Committer(vault)
    acted: list[int] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        committer.submit([an_entry(1)], partial(acted.append, 1))
        await trio.sleep(0.5)
        committer.submit([an_entry(2)], partial(acted.append, 2))
        nursery.cancel_scope.cancel()
    assert vault.commits == [(an_entry(1),)]
    assert acted == [1]


@pytest.mark.trio
async def test_a_committer_that_is_never_idle_can_be_cancelled() -> None:
    committer = Committer(MemoryVault())

    def again() -> None:
        committer.submit([a_pair(1)], again)

    again()
    with trio.move_on_after(0.05) as scope:
        await committer.run()
    assert scope.cancelled_caught


@pytest.mark.trio
async def test_an_act_that_raises_ends_the_committer() -> None:
    committer = Committer(MemoryVault())

    def broken() -> None:
        raise ZeroDivisionError

    committer.submit([a_pair(1)], broken)
    with pytest.raises(ZeroDivisionError):
        await committer.run()


@given(st.lists(some_write, max_size=20))
def test_what_coalescing_leaves_out_makes_no_difference(writes: list[Write]) -> None:
    async def compare() -> None:
        one_by_one, at_once = MemoryVault(), MemoryVault()
        await one_by_one.commit(writes)
        await at_once.commit(coalesce(writes))
        assert await everything(one_by_one) == await everything(at_once)

    trio.run(compare)


@given(st.lists(some_write, max_size=20))
def test_coalescing_keeps_the_order_and_one_put_of_each_key(writes: list[Write]) -> None:
    kept = coalesce(writes)
    places = iter(writes)
    assert all(any(write is other for other in places) for write in kept)
    settings = [write.name for write in kept if isinstance(write, PutSetting)]
    assert len(settings) == len(set(settings))
    assert coalesce(kept) == kept


# What may wait for company


@pytest.mark.trio
async def test_what_nobody_waits_for_is_written_after_a_moment(autojump_clock: object) -> None:
    vault, seen = MemoryVault(), []
    committer = Committer(vault)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        await trio.sleep(10)
        began = trio.current_time()
        committer.submit([a_pair(1)], lambda: seen.append(trio.current_time()), may_wait=True)
        await trio.sleep(COMPANY_LONGEST / 2)
        committer.submit([a_pair(2)], may_wait=True)
        assert vault.commits == []
        await trio.sleep(COMPANY_LONGEST)
        nursery.cancel_scope.cancel()
    assert vault.commits == [(a_pair(2),)]
    assert seen == [pytest.approx(began + COMPANY_LONGEST)]


@pytest.mark.trio
async def test_company_comes_first_to_last_and_at_once(autojump_clock: object) -> None:
    vault, seen = MemoryVault(), []
    committer = Committer(vault)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        began = trio.current_time()
        committer.submit([a_pair(1, 1)], lambda: seen.append(1), may_wait=True)
        committer.submit([a_pair(2, 2)], lambda: seen.append(2))
        committer.submit([a_pair(3, 3)], lambda: seen.append(3), may_wait=True)
        await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() == began
        assert seen == [1, 2, 3]
        nursery.cancel_scope.cancel()
    assert vault.commits == [(a_pair(1, 1), a_pair(2, 2), a_pair(3, 3))]


@pytest.mark.trio
@pytest.mark.parametrize("count", [1, MOST_AT_ONCE])
async def test_who_waits_for_the_disk_waits_for_no_company(
    autojump_clock: object, count: int
) -> None:
    vault = MemoryVault()
    committer = Committer(vault)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        began = trio.current_time()
        for number in range(count):
            committer.submit([a_pair(number, number)], may_wait=True)
        if count == MOST_AT_ONCE:
            await trio.testing.wait_all_tasks_blocked()
        else:
            await committer.flushed()
        assert trio.current_time() == began
        assert [len(group) for group in vault.commits] == [count]
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_whoever_asks_the_vault_waits_for_what_waits_and_for_nothing_else(
    autojump_clock: object,
) -> None:
    vault = MemoryVault(before_commit=one_second)
    committer = Committer(vault)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        began = trio.current_time()
        await committer.settled()
        assert (trio.current_time(), vault.commits) == (began, [])
        committer.submit([a_pair(1)], may_wait=True)
        await committer.settled()
        assert (trio.current_time(), vault.commits) == (began + 1, [(a_pair(1),)])
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_came_while_a_group_was_written_waits_no_longer_than_that(
    autojump_clock: object,
) -> None:
    vault = MemoryVault(before_commit=one_second)
    committer = Committer(vault)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        committer.submit([a_pair(1)])
        await trio.sleep(0.5)
        committer.submit([a_pair(2)], may_wait=True)
        await trio.sleep(0.5 + COMPANY_LONGEST + 1.1)
        assert [len(group) for group in vault.commits] == [1, 1]
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_did_not_fit_a_group_waits_for_no_company(autojump_clock: object) -> None:
    vault = MemoryVault()
    committer = Committer(vault)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        began = trio.current_time()
        for number in range(MOST_AT_ONCE + 3):
            committer.submit([an_entry(number)])
        await committer.flushed()
        assert trio.current_time() == began
        committer.submit([an_entry(1000)])
        for number in range(MOST_AT_ONCE + 2):
            committer.submit([an_entry(2000 + number)])
        await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() == began
        assert [len(group) for group in vault.commits] == [MOST_AT_ONCE, 3] * 2
        nursery.cancel_scope.cancel()


# What gathers in a burst


def some_entries(count: int) -> list[Write]:
    return [an_entry(number) for number in range(count)]


async def groups_after(vault: MemoryVault, first: int, *then: tuple[float, int]) -> list[float]:
    """Have a group of so many writes written, which takes a second, and others submitted while time passes.

    Args:
        then: at which second, and how many writes in one decision.

    Returns:
        When what was submitted last was on disk, and how many writes each group had.
    """
    committer = Committer(vault)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        began = trio.current_time()
        committer.submit(some_entries(first))
        last = trio.Event()
        for at, count in then:
            await trio.sleep_until(began + at)
            last = trio.Event()
            committer.submit(some_entries(count), done=last)
        with trio.fail_after(10):
            await last.wait()
        took = trio.current_time() - began
        nursery.cancel_scope.cancel()
    return [pytest.approx(took), *(len(group) for group in vault.commits)]


@pytest.mark.trio
async def test_after_a_large_group_the_next_one_gathers_for_a_moment(
    autojump_clock: object,
) -> None:
    within = 1 + GATHERING_LONGEST / 2
    vault = MemoryVault(before_commit=one_second)
    assert await groups_after(vault, BURST, (0.5, 1), (within, 2)) == [
        2 + GATHERING_LONGEST,
        BURST,
        3,
    ]


@pytest.mark.trio
@pytest.mark.parametrize("rest", [WORTHWHILE, WORTHWHILE + 1])
async def test_what_is_worth_a_transaction_is_written_at_once(
    autojump_clock: object, rest: int
) -> None:
    within = 1 + GATHERING_LONGEST / 2
    vault = MemoryVault(before_commit=one_second)
    assert await groups_after(vault, BURST, (0.5, 1), (within, rest - 1)) == [
        1 + within,
        BURST,
        rest,
    ]
    vault = MemoryVault(before_commit=one_second)
    assert await groups_after(vault, BURST, (0.5, rest)) == [2, BURST, rest]


@pytest.mark.trio
async def test_a_full_group_gathers_no_more(autojump_clock: object) -> None:
    within = 1 + GATHERING_LONGEST / 2
    many = [(within, 1)] * (MOST_AT_ONCE - 1)
    vault = MemoryVault(before_commit=one_second)
    groups = await groups_after(vault, BURST, (0.5, 1), *many)
    assert groups == [1 + within, BURST, MOST_AT_ONCE]


@pytest.mark.trio
async def test_who_speaks_alone_waits_for_no_others(autojump_clock: object) -> None:
    vault = MemoryVault(before_commit=one_second)
    assert await groups_after(vault, BURST - 1, (0.5, 1)) == [2, BURST - 1, 1]
    vault = MemoryVault(before_commit=one_second)
    assert await groups_after(vault, BURST, (1.5, 1)) == [2.5, BURST, 1]


@pytest.mark.trio
async def test_a_small_group_ends_a_burst(autojump_clock: object) -> None:
    vault = MemoryVault(before_commit=one_second)
    end = 2 + GATHERING_LONGEST
    then = (0.5, 1), (1.5, 1), (end - 0.5, 1), (end + 3, 1)
    assert await groups_after(vault, WORTHWHILE, *then) == [end + 4, WORTHWHILE, 1, 2, 1]


@pytest.mark.trio
async def test_a_committer_that_gathers_can_be_cancelled(autojump_clock: object) -> None:
    vault = MemoryVault(before_commit=one_second)
    committer, acted = Committer(vault), []
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        committer.submit(some_entries(BURST), lambda: acted.append(1))
        await trio.sleep(0.5)
        committer.submit(some_entries(1), lambda: acted.append(2))
        await trio.sleep(0.5 + GATHERING_LONGEST / 2)
        assert acted == [1]
        nursery.cancel_scope.cancel()
    assert (acted, len(vault.commits)) == ([1], 1)
