"""Partial sums of all source partitions, merged: the newest of each, and no more.

Pure. Each partial is absolute, and the one with the larger offset is the newer one, so
merging is addition, and neither order nor repetition can change the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec import json

from taximeter_processors.rows import Rows
from taximeter_schemas.spend import Partial, PartialRow
from taximeter_schemas.subjects import SubjectKind

__all__ = ["MOST_IN_MIND", "Key", "Replaced", "SpendMerge"]

MOST_IN_MIND: Final = 50_000
"""How many rows are kept decoded between flushes."""

Key = tuple[SubjectKind, str, int]
"""A subject, and the start of a window in epoch seconds."""

_Sources = dict[int, Partial]

_key: Final = json.Decoder(Key)
_sources: Final = json.Decoder(_Sources)
_row: Final = json.Encoder().encode


class Replaced(NamedTuple):
    """The partial that stood where a newer one now stands, if there was one."""

    old: Partial | None


class SpendMerge:
    """The newest partial of each source partition, for the subjects of one partition.

    Args:
        stored: rows as `changed` returned them, of whoever owned the partition before;
            whoever writes down what `changed` returns puts it there.
        most_in_mind: how many rows are kept decoded between flushes.
    """

    def __init__(self, stored: Rows, most_in_mind: int = MOST_IN_MIND) -> None:
        self._stored = stored
        self._most_in_mind = most_in_mind
        self._partials: dict[Key, _Sources] = {}
        self._touched: set[Key] = set()

    def take(self, source_partition: int, row: PartialRow) -> Replaced | None:
        """Take a partial in; return what it replaces, or None if it is an older one.

        One with the same offset takes the place too: it says the same, unless a
        flush that did not come about had been priced by an older price book.
        """
        key = row[:3]
        partial = row.partial
        sources = self.sources(key)
        old = sources.get(source_partition)
        if old is not None and partial.offset < old.offset:
            return None
        sources[source_partition] = partial
        self._partials[key] = sources
        self._touched.add(key)
        return Replaced(old)

    @property
    def has_changed(self) -> bool:
        """Tell whether a row changed since `changed` was asked last."""
        return bool(self._touched)

    def sources(self, key: Key) -> _Sources:
        """Return what each source partition says of a subject in a window."""
        known = self._partials.get(key)
        if known is not None:
            return known
        stored = self._stored.get(_row(key))
        return {} if stored is None else _sources.decode(stored)

    def is_unflushed(self, key: Key) -> bool:
        """Tell whether a row changed since `changed` was asked last."""
        return key in self._touched

    def windows(self) -> Iterator[Key]:
        """Yield every subject and window of which anything is known."""
        yield from self._partials
        for encoded, _ in self._stored.items():
            if encoded.startswith(b"["):
                key = _key.decode(encoded)
                if key not in self._partials:
                    yield key

    def changed(self) -> list[tuple[bytes, bytes]]:
        """Return the rows that changed since the last time, to be stored."""
        touched, self._touched = self._touched, set()
        return [(_row(key), _row(self._partials[key])) for key in touched]

    def flushed(self) -> None:
        """Take note that what `changed` said last is stored."""
        if len(self._partials) > self._most_in_mind:
            self._partials = {key: self._partials[key] for key in self._touched}
