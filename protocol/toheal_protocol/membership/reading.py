"""Reading: from a heap of operations to a ledger, in one order whatever order they came in.

Spec: docs/protocol/membership.md, section 3.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from toheal_protocol.errors import MalformedFrame, RemoteError
from toheal_protocol.membership.ledger import MAX_OPERATIONS, Ledger
from toheal_protocol.membership.merging import roll_at
from toheal_protocol.membership.rights import check_foundation, check_operation
from toheal_protocol.messages.operations import Operation, circle_id_of
from toheal_protocol.model import CircleId, OperationId


def read_ledger(operations: Iterable[Operation], *, circle: CircleId) -> Ledger:
    """Take in every operation that may be and has its parents here.

    One that is there twice counts once. Of those whose turn it is, the smallest id goes first: so
    two devices with the same operations number them alike.

    Raises:
        MalformedFrame, ForgedMessage: too many, or the circle's own `create` is not among them.
    """
    here = list(operations)
    create = next((one for one in here if _is_foundation(one, circle)), None)
    if create is None:
        raise MalformedFrame("operations without the one that founds the circle")
    ledger = Ledger(circle)
    ledger.append(create, check_foundation(create, circle=circle), 0, {})
    return extend_ledger(ledger, here)


def extend_ledger(ledger: Ledger, operations: Iterable[Operation]) -> Ledger:
    """Return a ledger with these operations too, and those held that waited for them.

    Raises:
        MalformedFrame: too many.
    """
    ledger = ledger.copied()
    waiting = {one.id: one for one in (*ledger.held, *operations)}
    waiting = {
        key: one
        for key, one in waiting.items()
        if key not in ledger.numbers and key not in ledger.refused
    }
    if len(ledger.entries) + len(waiting) > MAX_OPERATIONS:
        raise MalformedFrame("more operations than a circle may have")
    refused = _take_all(ledger, waiting)
    ledger.refused = ledger.refused | refused
    ledger.held = tuple(
        waiting[key] for key in sorted(waiting) if key not in ledger.numbers and key not in refused
    )
    return ledger


def _is_foundation(operation: Operation, circle: CircleId) -> bool:
    return not operation.parents and circle_id_of(operation) == circle


def _take_all(ledger: Ledger, waiting: dict[OperationId, Operation]) -> set[OperationId]:
    """Take in what has its parents, the smallest id first; return what was refused."""
    children: dict[OperationId, list[OperationId]] = {}
    missing: dict[OperationId, int] = {}
    for key, operation in waiting.items():
        parents = [parent for parent in operation.parents if parent not in ledger.numbers]
        missing[key] = len(parents)
        for parent in parents:
            children.setdefault(parent, []).append(key)
    ready = [key for key, count in missing.items() if not count]
    heapify(ready)
    refused: set[OperationId] = set()
    while ready:
        key = heappop(ready)
        if not _take(ledger, waiting[key]):
            refused.add(key)
            continue
        for child in children.get(key, ()):
            missing[child] -= 1
            if not missing[child]:
                heappush(ready, child)
    return refused


def _take(ledger: Ledger, operation: Operation) -> bool:
    past = ledger.known_to(operation.parents)
    if past is None:
        return False
    at = roll_at(ledger, past)
    try:
        act = check_operation(ledger, operation, past=past, at=at)
    except RemoteError:
        return False
    ledger.append(operation, act, past, at)
    return True
