"""The kinds of subject that spend is kept for because a budget asks for them.

Pure. Users, models and projects are always counted (`sums.py`). Any other kind, such
as `tag:team` or `user&model`, is counted from the flush on in which the worker heard of
it, and what was charged before is added once it has been read back: `since` says where
the one ends and the other begins, and stands in the table with the sums themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, Final, NamedTuple

from pydantic_core import from_json, to_json

from taximeter_schemas.budgets import BudgetDefined, BudgetEvent
from taximeter_schemas.subjects import (
    ALWAYS_COUNTED,
    FIELDS,
    dimensions_of,
    subject_of,
    tag_of,
)

__all__ = [
    "KINDS_KEY",
    "CountedKind",
    "Identify",
    "Kinds",
    "asked_for",
    "identify",
]

KINDS_KEY: Final = b"kinds"
"""The row that says which kinds are counted, beside the sums."""


# Of anything that says whose call it was, by the names of `UsageRecorded`.
Identify = Callable[[Any], "str | None"]


def asked_for(events: Iterable[BudgetEvent]) -> frozenset[str]:
    """Return the kinds that budgets are about and that are not counted anyway."""
    kinds = {e.scope.kind for e in events if isinstance(e, BudgetDefined)}
    return frozenset(kinds.difference(ALWAYS_COUNTED))


def identify(kind: str) -> Identify:
    """Return what gives the id of the subject of a kind that a call counts for.

    None for a call that says nothing in one of the dimensions.
    """
    dimensions = dimensions_of(kind)
    if len(dimensions) == 1:
        return _value_of(dimensions[0])
    values = tuple(_value_of(name) for name in dimensions)
    return partial(_joined, dimensions, values)


def _value_of(dimension: str) -> Identify:
    tag = tag_of(dimension)
    return attrgetter(FIELDS[dimension]) if tag is None else partial(_tag, tag)


def _tag(name: str, call: Any) -> str | None:  # noqa: ANN401 - see Identify
    value: str | None = call.tags.get(name)
    return value


def _joined(
    dimensions: tuple[str, ...],
    values_of: tuple[Identify, ...],
    call: Any,  # noqa: ANN401 - see Identify
) -> str | None:
    return _id_of(dimensions, tuple([value_of(call) for value_of in values_of]))


@lru_cache(maxsize=65_536)
def _id_of(dimensions: tuple[str, ...], values: tuple[str | None, ...]) -> str | None:
    named: dict[str, str] = {}
    for dimension, value in zip(dimensions, values, strict=True):
        if value is None:
            return None
        named[dimension] = value
    return subject_of(named).id


class CountedKind(NamedTuple):
    """A kind that is counted.

    Attributes:
        since: the offset of the source from which it is counted.
        complete: whether what was charged before is in the sums too.
        floor: rows of its subjects that state a smaller offset are from a time when it
            was counted before, and count for nothing.
    """

    since: int
    complete: bool
    floor: int


class Kinds:
    """The kinds that one source partition counts, besides those that all do.

    Args:
        stored: the row as it was last flushed, if there is one.

    >>> kinds = Kinds(None)
    >>> kinds.ask_for({"tag:team"})
    >>> kinds.begin(7)
    >>> kinds.counted
    {'tag:team': CountedKind(since=7, complete=False, floor=7)}
    >>> Kinds(kinds.row()).counted == kinds.counted
    True
    """

    def __init__(self, stored: bytes | None) -> None:
        self.counted: dict[str, CountedKind] = {}
        self._retired: dict[str, int] = {}
        if stored is not None:
            counted, self._retired = from_json(stored)
            self.counted = {kind: CountedKind(*row) for kind, row in counted.items()}
        self._wanted = frozenset(self.counted)
        self._changed = False

    @property
    def has_changed(self) -> bool:
        """Tell whether the row has to be written anew."""
        return self._changed or self._wanted != self.counted.keys()

    def ask_for(self, kinds: Iterable[str]) -> None:
        """Take note of which kinds are wanted from the next flush on."""
        self._wanted = frozenset(kinds)

    def begin(self, next_offset: int) -> None:
        """Count what is wanted from this offset on, and nothing else."""
        for kind in self.counted.keys() - self._wanted:
            # No row of its subjects states as much.
            self._retired[kind] = max(next_offset, self.counted.pop(kind).floor) + 1
        for kind in self._wanted - self.counted.keys():
            floor = max(next_offset, self._retired.pop(kind, 0))
            self.counted[kind] = CountedKind(next_offset, complete=False, floor=floor)

    def complete(self, kind: str, since: int) -> bool:
        """Take note that what was charged before is in; False if nobody asks now."""
        counted = self.counted.get(kind)
        if counted is None or counted.complete or counted.since != since:
            return False
        self.counted[kind] = counted._replace(complete=True)
        self._changed = True
        return True

    def row(self) -> bytes:
        """Return the row as it has to be stored."""
        self._changed = False
        return to_json([self.counted, self._retired])
