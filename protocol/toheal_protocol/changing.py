"""A frozen value with some fields changed, made as quickly as Python allows.

A step makes a dozen of them, and `attrs.evolve` was a third of its work: it runs `__init__` again.
Here the fields are copied at once, which a class allows that is `@frozen(slots=False)`.
"""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


def changed(value: T, **changes: Any) -> T:  # the names are checked below, the types by nobody
    """Return `value` with these fields changed. A field that does not exist is a `TypeError`.

    No validator or converter runs: what the states of the machines hold has none.
    """
    before = value.__dict__
    if not changes.keys() <= before.keys():
        raise TypeError("no such field")
    fresh = object.__new__(type(value))
    fresh.__dict__.update(before, **changes)
    return fresh
