"""Partial sums of one source partition: who spent how much in which window.

Pure. A row is absolute and says which usage record is the last one in it. Rows are
kept encoded, as they stand in the changelog; the ones that are being added to are
decoded at first touch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from pydantic_core import from_json, to_json

from taximeter_processors.charging import Amounts
from taximeter_processors.windows import window_start
from taximeter_schemas.budgets import Subject, SubjectKind
from taximeter_schemas.partitioning import partition_of
from taximeter_schemas.spend import Partial, PartialRow, subject_key
from taximeter_schemas.usage import UsageEvent

__all__ = ["PROGRESS_KEY", "Changed", "PartialSums", "decode_row", "row_key", "stated"]

PROGRESS_KEY: Final = b"progress"

# Rows kept decoded between flushes: the windows of now, of everybody.
_MAX_WARM: Final = 50_000


class _Sum:
    """One row while it is being added to."""

    __slots__ = ("calls", "cost_pico", "key", "offset", "owner", "tokens", "unpriced")

    def __init__(self, key: bytes, owner: int, encoded: bytes | None) -> None:
        self.key = key
        self.owner = owner
        self.cost_pico = self.calls = self.unpriced = self.tokens = 0
        self.offset = -1
        if encoded is not None:
            cost, *rest = from_json(encoded)
            self.cost_pico = int(cost)
            self.calls, self.unpriced, self.tokens, self.offset = rest


class Changed(NamedTuple):
    """A row to be stored, and the `spend` partition that owns its subject."""

    key: bytes
    value: bytes
    owner: int


_Key = tuple[SubjectKind, str, int]


class PartialSums:
    """The rows of one source partition that changed since the last flush.

    Args:
        stored: the partition's rows as they were last flushed, encoded.
        partitions: of `spend`, to tell who owns a subject.
    """

    def __init__(self, stored: Mapping[bytes, bytes], partitions: int) -> None:
        self._stored = stored
        self._partitions = partitions
        self._touched: dict[_Key, _Sum] = {}
        self._warm: dict[_Key, _Sum] = {}

    def __len__(self) -> int:
        return len(self._touched)

    def add(self, event: UsageEvent, amounts: Amounts, offset: int) -> None:
        """Add what one event says to the rows of everybody it counts for."""
        window = window_start(event.occurred_at)
        keys: tuple[_Key, ...] = (
            ("all", "", window),
            ("user", event.user_id, window),
            ("model", event.model, window),
            ("project", event.project_id, window),
        )
        cost, tokens, calls = amounts.cost_pico, amounts.tokens, amounts.calls
        touched = self._touched
        for key in keys:
            row = touched.get(key)
            if row is None:
                row = touched[key] = self._warm.get(key) or self._load(key)
            if cost is None:
                row.unpriced += calls
            else:
                row.cost_pico += cost
            row.calls += calls
            row.tokens += tokens
            row.offset = offset

    def changed(self) -> Iterator[Changed]:
        """Yield each row that changed since `clear`."""
        for row in self._touched.values():
            value = (
                f'["{row.cost_pico}",{row.calls},{row.unpriced},'
                f"{row.tokens},{row.offset}]"
            ).encode()
            yield Changed(row.key, value, row.owner)

    def clear(self) -> None:
        """Forget what changed: it is stored."""
        if len(self._warm) > _MAX_WARM:
            self._warm.clear()
        self._warm.update(self._touched)
        self._touched.clear()

    def _load(self, key: _Key) -> _Sum:
        kind, name, _ = key
        encoded = row_key(*key)
        owner = _owner(kind, name, self._partitions)
        return _Sum(encoded, owner, self._stored.get(encoded))


@lru_cache(maxsize=131_072)
def _owner(kind: SubjectKind, name: str, partitions: int) -> int:
    return partition_of(subject_key(Subject(kind, name)), partitions)


def row_key(kind: SubjectKind, name: str, window: int) -> bytes:
    """Return the key of a row in its partition's changelog.

    >>> row_key("user", "alice", 900)
    b'["user","alice",900]'
    """
    return to_json([kind, name, window])


def stated(row: Changed) -> bytes:
    """Return a changed row as it stands in a `SpendAdvanced`.

    >>> stated(Changed(row_key("user", "alice", 900), b'["5",1,0,7,3]', 0))
    b'["user","alice",900,["5",1,0,7,3]]'
    """
    return b"%b,%b]" % (row.key[:-1], row.value)


def decode_row(key: bytes, value: bytes) -> PartialRow:
    """Read a row back from the changelog.

    >>> decode_row(b'["user","alice",900]', b'["5",1,0,7,3]').partial.cost_pico
    '5'
    """
    kind, name, window = from_json(key)
    return PartialRow(kind, name, window, Partial(*from_json(value)))
