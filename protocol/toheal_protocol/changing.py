"""A frozen value with some fields changed, made as quickly as Python allows.

A step makes a dozen of them, and `attrs.evolve` was a third of its work: it runs `__init__` again.
Here the fields are copied at once, which a class allows that is `@frozen(slots=False)`.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

T = TypeVar("T")


def changed(value: T, **changes: Any) -> T:  # the names are checked below, the types by nobody
    """Return `value` with these fields changed. A field that does not exist is a `TypeError`.

    No validator or converter runs: what the states of the machines hold has none.
    """
    before = value.__dict__
    after = before | changes
    if len(after) != len(before):
        raise TypeError("no such field")
    fresh = _new(type(value))
    _set(fresh, "__dict__", after)  # past what makes the class frozen
    return fresh


_new: Final = object.__new__
_set: Final = object.__setattr__
