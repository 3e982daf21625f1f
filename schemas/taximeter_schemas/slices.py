"""Records in pieces of a size that suits whoever works on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

__all__ = ["slices_of"]


class _HasValue(Protocol):
    @property
    def value(self) -> bytes | None: ...


_R = TypeVar("_R", bound=_HasValue)


def slices_of(records: Sequence[_R], size: int) -> Iterator[Sequence[_R]]:
    """Divide records so that each piece reaches so many bytes, but for the last one.

    A record is never divided: one that is larger ends its piece.
    """
    first = gathered = 0
    for after, record in enumerate(records, 1):
        gathered += len(record.value or b"")
        if gathered >= size:
            yield records[first:after]
            first, gathered = after, 0
    if first < len(records):
        yield records[first:]
